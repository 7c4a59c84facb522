package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/internal/cdr"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/schedule/late"
	"trunkline/tasks"
)

// export writes the CDRs of one window into a file of the export store, and goes on where an earlier attempt was cut off.
// The file gets its name in the transaction that ends the job, so that a run which was given up for lost never replaces the
// file of the run that took over.
func (w *Worker) export(ctx context.Context, r *run) (result any, err error) {
	var params outbox.ExportParams
	if err := json.Unmarshal(r.Job.Params, &params); err != nil {
		return nil, fault.Errorf(fault.ServerError, "the job's parameters cannot be read: %w", err)
	}
	journal := &slicesJournal{run: r}
	if params.WindowID != "" {
		if params.Request, journal.keys, err = w.late.Begin(ctx, r.Job.ID, params.WindowID, params.Request); err != nil {
			return nil, exportFailure(err)
		}
	}
	result, err = w.writeExport(ctx, r, journal, params)
	if err == nil || journal.GoesOn(ctx, err) {
		return result, err
	}
	// Also what attempts before this one have left, however far this one came.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	left := errors.Join(w.o.Exporter.RemoveParts(ending, r.Job.ID, r.Job.Attempt, params.Request), journal.Forget(ending))
	if left != nil {
		r.log.Warn("what the export's attempts have written stays behind until it is a day old", "error", left)
	}
	if failure, known := errors.AsType[*fault.Error](err); known && failure.Passes && ctx.Err() == nil {
		err = &fault.Error{Code: failure.Code, Cause: err, Message: fmt.Sprintf(
			"the export has made no headway for %s, as long as TRUNKLINE_EXPORT_TIMEOUT allows, and is given up; at last: %s", w.o.Settings.ExportTimeout, failure.Message)}
	}
	return nil, err
}

// writeExport is export without what is to be done about its errors.
func (w *Worker) writeExport(ctx context.Context, r *run, journal *slicesJournal, params outbox.ExportParams) (any, error) {
	if err := w.o.Tasks.CheckKept(ctx, r.Job.Kind, r.Job.DomainUUID); err != nil {
		return nil, err
	}
	estimate, err := w.o.Exporter.EstimateRows(ctx, params.Request)
	if err != nil {
		return nil, err
	}
	p := exportProgress{run: r, Progress: tasks.Progress{Total: estimate, Unit: "rows"}}
	r.report(p.Progress)
	limited, cancel := context.WithTimeoutCause(ctx, w.o.Settings.ExportSnapshotAge, errSnapshotAge)
	defer cancel()
	file, err := w.o.Exporter.Write(limited, r.Job.ID, r.Job.Attempt, params.Request, 0, cdr.Hooks{
		Journal: journal, Keys: journal.keys, Progress: p.rows, Paused: p.paused, Note: p.note, GiveWay: w.waited.lately,
	})
	if err != nil {
		return nil, exportFailure(err)
	}
	result, err := w.commitExport(ctx, r, file, params)
	switch {
	case err == nil:
		return result, nil
	case journal.GoesOn(ctx, err):
		return nil, errors.Join(err, file.Leave())
	}
	return nil, errors.Join(err, file.Discard())
}

// errSnapshotAge ends a run whose snapshot has kept the database from cleaning up for long enough.
var errSnapshotAge = errors.New("the snapshot is as old as TRUNKLINE_EXPORT_SNAPSHOT_AGE allows")

// exportProgress is how far an export has come.
type exportProgress struct {
	*run
	tasks.Progress

	began time.Time // when the first rows were told of, and how many those were
	first int64
}

// rows takes how many rows are done. The first that are told of may be those of an earlier attempt, of which nobody knows
// how long they took; fewer than before are those of an attempt that began anew.
func (p *exportProgress) rows(done, _ int64) {
	if p.began.IsZero() || done < p.Done {
		p.began, p.first = time.Now(), done
	}
	p.Done = done
	if seconds := time.Since(p.began).Seconds(); seconds > 0 {
		p.Rate = int64(float64(done-p.first) / seconds)
	}
	p.SecondsLeft = 0
	if left := p.Total - done; left > 0 && p.Rate > 0 {
		p.SecondsLeft = left/p.Rate + 1
	}
	p.report(p.Progress)
}

// note shows with the progress.
func (p *exportProgress) note(text string) {
	p.Note = text
	p.report(p.Progress)
}

func (p *exportProgress) paused(paused bool, reason string) {
	if !paused {
		p.note("")
		return
	}
	p.log.Warn("export paused", "reason", reason)
	p.note("paused: " + reason)
}

// slicesJournal keeps the slices that attempts have finished as the job's steps.
type slicesJournal struct {
	*run
	keys    bool        // those of rows are kept
	earlier []time.Time // when each slice that earlier attempts have finished was
}

// sliceStep is a slice, and when it was finished.
type sliceStep struct {
	At    time.Time    `json:"at"`
	Slice export.Slice `json:"slice"`
}

// Earlier implements cdr.Journal. An export that makes headway goes on for as long as it takes, and one that makes none,
// for want of a replica or since no slice is finished in time, for what one attempt may take.
func (j *slicesJournal) Earlier(ctx context.Context) ([]export.Slice, error) {
	steps, err := j.Steps(ctx)
	if err != nil {
		return nil, err
	}
	var slices []export.Slice
	headway := *j.Job.StartedAt
	for _, content := range steps {
		var step sliceStep
		if err := json.Unmarshal(content, &step); err != nil {
			return nil, fmt.Errorf("reading a step of job %s: %w", j.Job.ID, err)
		}
		slices, j.earlier = append(slices, step.Slice), append(j.earlier, step.At)
		if step.At.After(headway) {
			headway = step.At
		}
	}
	j.resumes = time.Since(headway) < j.w.o.Settings.ExportTimeout
	return slices, nil
}

// Keep implements cdr.Journal.
func (j *slicesJournal) Keep(ctx context.Context, first int, slices []export.Slice) error {
	steps := make([]any, len(slices))
	for i, s := range slices {
		at := time.Now()
		if first+i < len(j.earlier) { // it was taken over, or written again
			at = j.earlier[first+i]
		}
		steps[i] = sliceStep{At: at, Slice: s}
	}
	also := func(tx pgx.Tx) error {
		if !j.keys {
			return nil
		}
		return late.Keep(ctx, tx, j.Job.ID, first, slices)
	}
	if err := j.KeepSteps(ctx, first, steps, also); err != nil {
		return err
	}
	if first+len(slices) > len(j.earlier) {
		j.resumes = true
	}
	return nil
}

// Forget implements cdr.Journal.
func (j *slicesJournal) Forget(ctx context.Context) error {
	j.earlier = nil
	return pgx.BeginFunc(ctx, j.w.o.PBX.Pool, func(tx pgx.Tx) error {
		if err := j.Fence(ctx, tx); err != nil {
			return err
		}
		if err := late.Forget(ctx, tx, j.Job.ID); err != nil {
			return err
		}
		return j.ForgetSteps(ctx, tx)
	})
}

// GoesOn implements cdr.Journal.
func (j *slicesJournal) GoesOn(ctx context.Context, err error) bool {
	return j.goesOn(exportFailure(err), context.Cause(ctx))
}

// commitExport names the file, ends the job and orders the file's deliveries, while the job's row is locked to this attempt.
func (w *Worker) commitExport(ctx context.Context, r *run, file *cdr.File, params outbox.ExportParams) (result cdr.Result, err error) {
	err = r.commit(ctx, func(tx pgx.Tx) error {
		if err := r.Fence(ctx, tx); err != nil {
			return err
		}
		if err := r.ForgetSteps(ctx, tx); err != nil {
			return err
		}
		if err := w.order(ctx, tx, r.Job, params.Deliver); err != nil {
			return err
		}
		if params.WindowID != "" {
			if err := w.late.Done(ctx, tx, r.Job.ID, file.Seen()); err != nil {
				return err
			}
		}
		if result, err = file.Commit(ctx); err != nil {
			return exportFailure(err)
		}
		return r.SucceedIn(ctx, tx, result, tasks.Progress{Done: result.TotalRecords, Total: result.TotalRecords, Unit: "rows"})
	})
	return result, err
}

// What Postgres says when it ends a statement.
const (
	recoveryConflict = "40001" // on a standby, in favour of what the primary has done
	recoveryDeadlock = "40P01" // there, for the same reason: nothing that is read alone waits for others elsewhere
	statementEnded   = "57014" // by statement_timeout, as nobody else has cancelled it
)

// exportFailure says in an operator's words why no file could be written. Faults pass as they are, and
// errors of the database connection, since the job is then run again.
func exportFailure(err error) error {
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	if errors.Is(err, errSnapshotAge) {
		return &fault.Error{Code: fault.Timeout, Passes: true, Cause: err, Message: "the export goes on with a new snapshot: the one before was as old as TRUNKLINE_EXPORT_SNAPSHOT_AGE allows (where no slice of TRUNKLINE_EXPORT_SLICE_ROWS rows is finished in that time, raise it)"}
	}
	if databaseAway(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, tasks.ErrFenced) {
		return err
	}
	if pg, said := errors.AsType[*pgconn.PgError](err); said {
		switch pg.Code {
		case recoveryConflict, recoveryDeadlock:
			return &fault.Error{Code: fault.ServerError, Passes: true, Cause: err, Message: "the replica ended the export in favour of what the primary did; it goes on (hot_standby_feedback or max_standby_streaming_delay on the replica avoid that)"}
		case statementEnded:
			return fault.Errorf(fault.Timeout, "the database's statement_timeout ended the export; raise it for Trunkline's role (alter role ... set statement_timeout), or ask for less: %w", err)
		}
	}
	return fault.Errorf(fault.ServerError, "the export could not be written: %w", err)
}
