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

	"trunkline/internal/export"
	"trunkline/internal/fault"
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
}

// Hooks are what the caller of Exporter.Write wants to hear of; each may be nil.
type Hooks struct {
	Progress func(rows, bytes int64)
	// Paused is told when writing stops for want of space, with the reason, and when it goes on, with "".
	Paused func(paused bool, reason string)
}

// Write writes an export's file, complete and in the store but not yet under its name: the caller commits
// it if it is still his to write, or discards it. The id, a UUID, names the file. With maxRows above 0 Write
// gives up with export.ErrTooManyRows at the first row beyond.
func (e Exporter) Write(ctx context.Context, id string, attempt int, r Request, maxRows int64, hooks Hooks) (*File, error) {
	location, err := time.LoadLocation(r.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	sql, args, err := e.PBX.FusionPBX.CDRQuery(r.Holds())
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
	conn, err := e.PBX.Pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("exporting CDRs: %w", err)
	}
	defer conn.Release()
	name := fileName(id, r.Format)
	part, err := e.Store.Create(ctx, name, attempt, hooks.Paused)
	if err != nil {
		return nil, err
	}
	manifest, err := export.Write(ctx, conn.Conn(), sql, args, part, export.Options{
		Name:            name,
		Format:          r.Format,
		Location:        location,
		Headers:         r.Headers,
		Layout:          r.Layout,
		KeyColumns:      r.keyColumns(),
		MaxRows:         maxRows,
		DurationColumns: durationColumns(r.columns()),
		FormulaGuard:    r.guarded(e.FormulaGuard),
		Progress:        hooks.Progress,
	})
	if err != nil {
		return nil, errors.Join(err, part.Discard())
	}
	return &File{part: part, manifest: manifest, request: r, retention: e.Retention}, nil
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

// Open opens the file of an export for its download. Its name is made of the export's id and format,
// which the result must agree with. The error is a fault.Gone if the file's time is up.
func (e Exporter) Open(ctx context.Context, id string, r Result) (io.ReadSeekCloser, error) {
	if r.File != fileName(id, r.Format) {
		return nil, fmt.Errorf("the result of export %s names a file that is not its own", id)
	}
	gone := &fault.Error{Code: fault.Gone, Message: "the file of this export was deleted when its time was up; export again", JobID: id}
	if time.Now().After(r.ExpiresAt) {
		return nil, gone
	}
	file, size, err := e.Store.Open(ctx, r.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gone
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

// fileName is the name of an export's file in the store.
func fileName(id string, format export.Format) string { return id + "." + format.Extension() }

// File is a written export that has not got its name yet. Exactly one of Commit and Discard should end it.
type File struct {
	part      Part
	manifest  export.Manifest
	request   Request
	retention time.Duration
}

// Commit gives the file its name, with its manifest beside it, and returns what is now there. On an
// error nothing is left of it.
func (f *File) Commit(ctx context.Context) (Result, error) {
	manifest, err := json.MarshalIndent(f.manifest, "", "  ")
	if err != nil {
		return Result{}, errors.Join(fmt.Errorf("encoding the manifest: %w", err), f.part.Discard())
	}
	if err := f.part.Commit(ctx, append(manifest, '\n')); err != nil {
		return Result{}, err
	}
	return Result{
		File:         f.manifest.File,
		Format:       f.request.Format,
		TotalRecords: f.manifest.Rows,
		Bytes:        f.manifest.Bytes,
		SHA256:       f.manifest.SHA256,
		DateRange:    f.request.DateRange(),
		TimeZone:     f.request.TimeZone,
		ExpiresAt:    time.Now().Add(f.retention).UTC().Truncate(time.Second),
	}, nil
}

// Discard removes what was written. It may follow a Commit or Discard, and then does nothing.
func (f *File) Discard() error { return f.part.Discard() }
