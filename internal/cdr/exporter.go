package cdr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
)

// retentionRound is how often the store is looked through for files past their time.
const retentionRound = time.Hour

// Exporter writes a PBX's CDRs into the store that api and workers share, and opens what was written.
type Exporter struct {
	PBX          *pbx.PBX
	Store        Store
	FormulaGuard bool          // as export.Options has it
	Retention    time.Duration // how long a file is kept
	// Rows are where exports that may take long read, of which each has so many connections; nil: where all else does.
	Rows        *pgxpool.Pool
	Connections int
	// Share is how much of the database's connections, in percent, all of an export's but its first may have, with those of
	// other exports.
	Share     int
	SliceRows int64 // as export.Options has it
	// Replica says that Rows are of a standby, which may be behind for ReplicaWait before the export is put off.
	Replica     bool
	ReplicaWait time.Duration
}

// Journal keeps what attempts at an export have finished.
type Journal interface {
	// Earlier are the slices that earlier attempts have finished, from the beginning on; none after Forget.
	Earlier(ctx context.Context) ([]export.Slice, error)
	// Keep records slices, the first of which has that number, in place of those recorded under theirs.
	Keep(ctx context.Context, first int, slices []export.Slice) error
	Forget(ctx context.Context) error
	// GoesOn reports whether another attempt goes on after one that had ctx and ended with that error, so that what was
	// written is left for it.
	GoesOn(ctx context.Context, err error) bool
}

// Hooks are what the caller of Exporter.Write wants to hear of; each may be nil.
type Hooks struct {
	Journal  Journal
	Keys     bool // the journal gets the keys of rows, as export.Slice has them
	Progress func(rows, bytes int64)
	// Paused is told when writing stops for want of space, with the reason, and when it goes on, with "".
	Paused func(paused bool, reason string)
	// Note is told in words what Write waits for, and "" when it goes on.
	Note func(text string)
	// GiveWay is as export.Options has it.
	GiveWay func() bool
}

// Write writes an export's file, complete and in the store but not yet under its name: the caller commits
// it if it is still his to write, or discards it. The id, a UUID, names the file. With maxRows above 0 Write
// gives up with export.ErrTooManyRows at the first row beyond. After an error nothing is left, but for what another attempt
// goes on from.
func (e Exporter) Write(ctx context.Context, id string, attempt int, r Request, maxRows int64, hooks Hooks) (*File, error) {
	location, err := r.location()
	if err != nil {
		return nil, err
	}
	if maxRows > 0 {
		more, err := e.PBX.FusionPBX.MoreCDRsThan(ctx, r.Holds(), maxRows)
		if err != nil {
			return nil, err
		}
		if more {
			return nil, export.ErrTooManyRows
		}
	}
	columns, err := r.inFile(ctx, e.PBX.FusionPBX)
	if err != nil {
		return nil, err
	}
	w := writing{Exporter: e, attempt: attempt, request: r, hooks: hooks}
	w.options = export.Options{
		Name:         fileName(id, r.Format, r.Compression),
		Format:       r.Format,
		Compression:  r.Compression,
		Location:     location,
		Span:         export.Span{From: r.from(), To: r.End},
		Columns:      columns,
		Layout:       r.Layout,
		KeyColumns:   []string{startColumn, uuidColumn},
		SumColumn:    billsecColumn,
		MaxRows:      maxRows,
		FormulaGuard: r.guarded(e.FormulaGuard),
		Progress:     hooks.Progress,
		GiveWay:      hooks.GiveWay,
		SliceRows:    e.SliceRows,
		Part:         attempt,
	}
	if len(r.Late) > 0 {
		w.options.CountColumn = fusionpbx.LateColumn
	}
	if hooks.Keys {
		w.options.UUIDColumn = uuidColumn
	}
	w.from = cdrs{pool: e.PBX.Pool, db: e.PBX.FusionPBX, filter: r.Holds()}
	return w.write(ctx)
}

// writing is one run of Exporter.Write.
type writing struct {
	Exporter
	attempt int
	request Request
	hooks   Hooks
	options export.Options
	from    cdrs
}

func (w writing) write(ctx context.Context) (*File, error) {
	if w.hooks.Journal != nil {
		if err := w.goOn(ctx); err != nil {
			return nil, err
		}
	}
	part, manifest, err := w.writePart(ctx)
	if errors.Is(err, export.ErrDamaged) || errors.Is(err, export.ErrOutdated) {
		if err := errors.Join(part.Discard(), w.hooks.Journal.Forget(ctx)); err != nil {
			return nil, err
		}
		w.options.Earlier = nil
		part, manifest, err = w.writePart(ctx)
	}
	switch {
	case err == nil:
		return &File{part: part, manifest: manifest, request: w.request, guarded: w.options.FormulaGuard, retention: w.Retention}, nil
	case part == nil:
		return nil, err
	case w.hooks.Journal != nil && w.hooks.Journal.GoesOn(ctx, err):
		return nil, errors.Join(err, part.Leave())
	}
	return nil, errors.Join(err, part.Discard())
}

// goOn has the attempt go on from what earlier ones have finished, and keep what it finishes itself.
func (w *writing) goOn(ctx context.Context) (err error) {
	w.options.Background, w.options.Finished = true, w.hooks.Journal.Keep
	w.options.Earlier, err = w.hooks.Journal.Earlier(ctx)
	if err != nil || w.Rows == nil {
		return err
	}
	if w.Replica {
		if err := w.awaitReplica(ctx, w.hooks.Note); err != nil {
			return err
		}
	}
	w.from.pool, w.from.share = w.Rows, w.Share
	indexed, err := w.PBX.FusionPBX.HasCDRIndex(ctx)
	if indexed { // else each slice would read the whole table
		w.options.Connections = w.Connections
	}
	return err
}

func (w writing) writePart(ctx context.Context) (Part, export.Manifest, error) {
	part, err := w.Store.Create(ctx, w.options.Name, w.attempt, w.hooks.Paused)
	if err != nil {
		return nil, export.Manifest{}, err
	}
	w.options.OpenPart = part.Earlier
	manifest, err := export.Write(ctx, w.from, part, w.options)
	return part, manifest, err
}

// EstimateRows is what the database's planner thinks the export will hold, for its progress.
func (e Exporter) EstimateRows(ctx context.Context, r Request) (int64, error) {
	sql, args, err := e.PBX.FusionPBX.CDRQuery(r.Holds())
	if err != nil {
		return 0, err
	}
	var plan [1]struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		} `json:"Plan"`
	}
	if err := e.PBX.Pool.QueryRow(ctx, "explain (format json) "+sql, args...).Scan(&plan); err != nil {
		return 0, fmt.Errorf("estimating the size of an export: %w", err)
	}
	return int64(plan[0].Plan.Rows), nil
}

// Link is a URL by which anybody gets the file of an export for that long, as Linker has it; "" if the store has no such.
// Errors: those of Open.
func (e Exporter) Link(ctx context.Context, id string, r Result, life time.Duration, headers map[string]string) (string, error) {
	linker, has := e.Store.(Linker)
	if !has {
		return "", nil
	}
	file, err := e.Open(ctx, id, r) // which reads nothing of it
	if err != nil {
		return "", err
	}
	if err := file.Close(); err != nil {
		return "", fmt.Errorf("looking for export %s: %w", id, err)
	}
	return linker.Link(ctx, r.File, life, headers)
}

// Open opens the file of an export for its download, until ctx ends. Its name is made of the export's id and format, which the
// result must agree with. The error is a fault.Gone if the file's time is up.
func (e Exporter) Open(ctx context.Context, id string, r Result) (io.ReadSeekCloser, error) {
	if err := r.stands(id); err != nil {
		return nil, err
	}
	file, size, err := e.Store.Open(ctx, r.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone(id)
	}
	if err != nil {
		return nil, fmt.Errorf("opening export %s: %w", id, err)
	}
	if size != r.Bytes {
		err := fmt.Errorf("opening export %s: the file has %d bytes and its result says %d", id, size, r.Bytes)
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// stands fails unless the result names the file of the export of that id, and its time is not up: then with a fault.Gone.
func (r Result) stands(id string) error {
	if r.File != fileName(id, r.Format, r.Compression) {
		return fmt.Errorf("the result of export %s names a file that is not its own", id)
	}
	if time.Now().After(r.ExpiresAt) {
		return gone(id)
	}
	return nil
}

func gone(id string) error {
	return &fault.Error{Code: fault.Gone, Message: "the file of this export was deleted when its time was up; export again", JobID: id}
}

// Manifest is what stands beside the file of an export. Errors: those of Open.
func (e Exporter) Manifest(ctx context.Context, id string, r Result) (m Manifest, err error) {
	if err := r.stands(id); err != nil {
		return m, err
	}
	content, err := e.Store.Manifest(ctx, r.File)
	if errors.Is(err, fs.ErrNotExist) {
		return m, gone(id)
	}
	if err == nil {
		err = json.Unmarshal(content, &m)
	}
	if err == nil && m.SHA256 != r.SHA256 {
		err = errors.New("it is of another file than the result")
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest of export %s: %w", id, err)
	}
	return m, nil
}

// Retain deletes files past their retention, at once and then every hour until ctx ends.
func (e Exporter) Retain(ctx context.Context, log *slog.Logger) {
	tick := time.Tick(retentionRound)
	for {
		if err := e.Store.Prune(ctx, time.Now().Add(-e.Retention)); err != nil {
			log.Warn("old exports stay behind", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

// RemoveParts removes what the attempts before that one have left of an export, when no other is to go on from it.
func (e Exporter) RemoveParts(ctx context.Context, id string, attempt int, r Request) error {
	return e.Store.RemoveParts(ctx, fileName(id, r.Format, r.Compression), attempt)
}

// fileName is the name of an export's file in the store.
func fileName(id string, f export.Format, c export.Compression) string {
	return id + "." + export.Extension(f, c)
}

// File is a written export that has not got its name yet. Exactly one of Commit, Discard and Leave should end it.
type File struct {
	part      Part
	manifest  export.Manifest
	request   Request
	guarded   bool
	retention time.Duration
}

// Seen is what the snapshot saw that the file was made in.
func (f *File) Seen() export.Seen { return f.manifest.Seen }

// Commit gives the file its name, with its checksum and manifest beside it, and returns what is now there. On an
// error nothing is left under its name, and the file is to be discarded, or left for the next attempt.
func (f *File) Commit(ctx context.Context) (Result, error) {
	expires := time.Now().Add(f.retention).UTC().Truncate(time.Second)
	manifest, err := f.describe(expires)
	if err != nil {
		return Result{}, errors.Join(err, f.part.Discard())
	}
	if err := f.part.Commit(ctx, f.checksum(), manifest); err != nil {
		return Result{}, err
	}
	return Result{
		File:         f.manifest.File,
		Format:       f.request.Format,
		TotalRecords: f.manifest.Rows,
		LateRows:     f.manifest.Counted,
		Bytes:        f.manifest.Bytes,
		SHA256:       f.manifest.SHA256,
		DateRange:    f.request.DateRange(),
		TimeZone:     f.request.TimeZone,
		Compression:  f.request.Compression,
		ExpiresAt:    expires,
	}, nil
}

// Discard removes what was written. It may follow a Commit or Discard, and then does nothing.
func (f *File) Discard() error { return f.part.Discard() }

// Leave keeps what was written for the next attempt. It may follow a Commit, and then does nothing.
func (f *File) Leave() error { return f.part.Leave() }
