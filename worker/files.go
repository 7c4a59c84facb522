package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/postgres"
)

// Where FusionPBX keeps gateways as files, a round makes each gateway's file what its row says before it
// touches the switch. It has all files to itself meanwhile, and so has whoever puts a file back.

// lockFiles waits until ctx ends for the lock on all gateway files. Switches may share them, so that the
// lock of one switch would not do: a file must not be older than the row that another's round has read.
func lockFiles(ctx context.Context, pool *pgxpool.Pool) (*postgres.Lock, error) {
	lock, err := postgres.AcquireLock(ctx, pool, "gateway files")
	if err != nil && ctx.Err() != nil {
		return nil, fault.Errorf(fault.Timeout, "another worker has been busy with the gateway files for %s; send the request again", roundTimeout)
	}
	return lock, err
}

// putFiles writes and removes the files of the gateways that are kept so.
func (b *round) putFiles(steps []*step) {
	for _, s := range steps {
		if s.folder == nil || s.filesStand || b.failed[s.change] != nil {
			continue
		}
		if err := s.folder.Put(s.uuid, filesOf(s.now)); err != nil {
			b.failed[s.change] = fileFailure(err)
		}
	}
}

// filesOf are the files that a gateway has by its row: one where it is enabled. nil is no row.
func filesOf(row *fusionpbx.Gateway) []file.File {
	if row == nil || !row.Enabled() {
		return nil
	}
	return []file.File{{Profile: row.Profile(), Content: file.Render(*row)}}
}

// putFilesBack puts back the files that stood before the job wrote its own. It needs no switch for that: one
// that is away would otherwise find the wrong file when it comes back. The row decides instead where it was
// not put back, and where somebody else wrote the file since.
func (p *provisioning) putFilesBack(ctx context.Context, restored bool) error {
	written := p.secrets.Written
	if written.Files == nil {
		return nil
	}
	if p.folder == nil {
		return errors.New("it is not known any more where it is; look at FusionPBX's default setting switch, sip_profiles, dir")
	}
	waiting, stop := context.WithTimeout(ctx, roundTimeout)
	defer stop()
	lock, err := lockFiles(waiting, p.w.o.PBX.Pool)
	if err != nil {
		return err
	}
	defer lock.Release(ctx)
	var now *fusionpbx.Gateway
	row, err := p.w.o.PBX.FusionPBX.GatewayByUUID(ctx, written.Row.UUID)
	switch {
	case err == nil:
		now = &row
	case !errors.Is(err, fusionpbx.ErrNotFound):
		return err
	}
	files := filesOf(now)
	if restored {
		standing, err := p.folder.Files(written.Row.UUID)
		if err != nil {
			return err
		}
		if putBackAsTheyWere(standing, written.Files) {
			files = written.Files
		}
	}
	return p.folder.Put(written.Row.UUID, files)
}

// putBackAsTheyWere reports whether the files that stood before may replace those that stand now.
func putBackAsTheyWere(standing, before []file.File) bool {
	ours := func(f file.File) bool { return file.Ours(f.Content) }
	switch {
	case slices.EqualFunc(standing, before, file.File.Same):
		return true
	case slices.ContainsFunc(standing, func(f file.File) bool { return !ours(f) }):
		return false // somebody else wrote it since
	default:
		// One of ours follows its row, which a job may have changed whose turn to write the file never came.
		return !slices.ContainsFunc(before, ours)
	}
}

// fileFailure says what could not be done with a gateway's file.
func fileFailure(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Errorf(fault.InsufficientStorage, "%w", err)
	}
	return fault.Errorf(fault.ServerError, "%w", err)
}

// failure is the switch's fault, and if it cannot read its configuration it names the file that
// keeps it from that.
func (b *round) failure(ctx context.Context, s *step, err error) error {
	var reload *freeswitch.ReloadError
	if s.folder == nil || !errors.As(err, &reload) {
		return b.sw.Fault(err)
	}
	if b.broken == "" {
		b.broken = brokenFiles(s.folder.Broken(ctx, s.uuid), s.folder.Dir())
	}
	return fault.Errorf(fault.SwitchConfiguration, "%w; %s", err, b.broken)
}

func brokenFiles(broken []file.BrokenFile, dir string) string {
	if len(broken) == 0 {
		return fmt.Sprintf("no file under %s is broken by itself, so look for the line", dir)
	}
	names := make([]string, len(broken))
	for i, file := range broken {
		names[i] = fmt.Sprintf("%s (%s)", file.Path, file.Reason)
	}
	return "the broken file is " + strings.Join(names, ", and another ") + ": repair it or move it away, then send the request again"
}
