package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
	"trunkline/internal/postgres"
)

// Where FusionPBX keeps gateways as files, a round makes each gateway's file what its row says before it
// touches the switch. It has all files to itself meanwhile, and so has whoever puts a file back.

// lockFiles waits for the lock on all gateway files. Switches may share them, so that the lock of one switch
// would not do: a file must not be older than the row that another's round has read.
func lockFiles(ctx context.Context, pool *pgxpool.Pool, patience time.Duration) (*postgres.Lock, error) {
	waiting, stop := context.WithTimeout(ctx, patience)
	defer stop()
	lock, err := postgres.AcquireLock(waiting, pool, "gateway files")
	if err != nil && waiting.Err() != nil {
		return nil, fault.Errorf(fault.Timeout, "another worker has been busy with the gateway files for %s; send the request again", patience)
	}
	return lock, err
}

// putFiles writes and removes the files of the gateways that are kept so.
func (r *round) putFiles(ctx context.Context, steps []*step) error {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s *step) bool { return s.folder == nil || s.filesStand || s.err != nil })
	if len(steps) == 0 {
		return nil
	}
	if err := r.stillLocked(ctx); err != nil {
		return err
	}
	for _, s := range steps {
		s.err = fileFailure(s.folder.Put(s.uuid, filesOf(s.now)))
	}
	return nil
}

// filesOf are the files that a gateway has by its row: one if it is enabled. nil is no row.
func filesOf(row *fusionpbx.Gateway) []file.File {
	if row == nil || !row.Enabled() {
		return nil
	}
	return []file.File{{Profile: row.Profile(), Content: file.Render(*row)}}
}

// filesBefore reads a gateway's files as they stand, for putting them back; nil in database mode. Those that
// an earlier attempt found are what counts while its row is still the one to replace.
func (p *pass) filesBefore(w *work, plan Plan) ([]file.File, error) {
	if p.folder == nil {
		return nil, nil
	}
	// The plan holds what that attempt found, and not a copy, if it still counts.
	if w.written != nil && w.written.Files != nil && plan.Previous == w.written.Previous {
		return w.written.Files, nil
	}
	files, err := p.folder.Files(plan.Row.UUID)
	return files, fileFailure(err)
}

// putFilesBack puts back the files that stood before these works wrote their own. It needs no switch for that:
// one that is away would otherwise find the wrong file when it comes back. The row decides instead if it was
// not put back, and if somebody else wrote the file since.
func (p *pass) putFilesBack(ctx context.Context, works []*work) {
	works = slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return w.written.Files == nil })
	if len(works) == 0 {
		return
	}
	rows, unlock, err := p.rowsForFiles(ctx, each(works, (*work).uuid))
	defer unlock()
	for _, w := range works {
		failed := err
		if failed == nil {
			failed = p.putFileBack(w, rows)
		}
		if failed != nil {
			w.undoing.left = append(w.undoing.left, fmt.Sprintf("the file of gateway %s may not be what its row says: %s; then send the request again", w.uuid(), fault.Text(failed)))
		}
	}
}

// rowsForFiles reads the rows with all files locked.
func (p *pass) rowsForFiles(ctx context.Context, uuids []string) (rows map[string]fusionpbx.Gateway, unlock func(), err error) {
	unlock = func() {}
	if p.folder == nil {
		return nil, unlock, errors.New("it is not known any more where it is; look at FusionPBX's default setting switch, sip_profiles, dir")
	}
	lock, err := lockFiles(ctx, p.pbx.Pool, p.limits.roundTimeOf(len(uuids)))
	if err != nil {
		return nil, unlock, err
	}
	rows, err = p.pbx.FusionPBX.GatewaysByUUIDs(ctx, uuids)
	return rows, func() { lock.Release(ctx) }, err
}

func (p *pass) putFileBack(w *work, rows map[string]fusionpbx.Gateway) error {
	var files []file.File
	if row, there := rows[w.uuid()]; there {
		files = filesOf(&row)
	}
	if w.undoing.restored {
		standing, err := p.folder.Files(w.uuid())
		if err != nil {
			return err
		}
		if putBackAsTheyWere(standing, w.written.Files) {
			files = w.written.Files
		}
	}
	return p.folder.Put(w.uuid(), files)
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
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fault.Errorf(fault.InsufficientStorage, "%w", err)
	}
	return fault.Errorf(fault.ServerError, "%w", err)
}

// failure is the switch's fault, and if it cannot read its configuration it names the file that
// keeps it from that.
func (r *round) failure(ctx context.Context, s *step, err error) error {
	if _, reload := errors.AsType[*freeswitch.ReloadError](err); s.folder == nil || !reload {
		return settling(ctx, r.pbx, r.sw, r.limits.Settling, r.sw.Fault(err))
	}
	if r.broken == "" {
		r.broken = brokenFiles(s.folder.Broken(ctx, s.uuid), s.folder.Dir())
	}
	return fault.Errorf(fault.SwitchConfiguration, "%w; %s", err, r.broken)
}

func brokenFiles(broken []file.BrokenFile, dir string) string {
	if len(broken) == 0 {
		return fmt.Sprintf("no file under %s is broken by itself, so look for the line", dir)
	}
	names := each(broken, func(f file.BrokenFile) string { return fmt.Sprintf("%s (%s)", f.Path, f.Reason) })
	return "the broken file is " + strings.Join(names, ", and another ") + ": repair it or move it away, then send the request again"
}
