package worker

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// export writes the CDRs of one window into a file of the export store. The file gets its name in
// the transaction that ends the job, so that a run which was given up for lost never replaces the file
// of the run that took over.
func (w *Worker) export(ctx context.Context, r *run) (any, error) {
	var request cdr.Request
	if err := json.Unmarshal(r.Job.Params, &request); err != nil {
		return nil, fault.Errorf(fault.ServerError, "the job's parameters cannot be read: %w", err)
	}
	if err := w.o.Tasks.CheckKept(ctx, r.Job.Kind, r.Job.DomainUUID); err != nil {
		return nil, err
	}
	estimate, err := w.o.Exporter.EstimateRows(ctx, request)
	if err != nil {
		return nil, err
	}
	progress := tasks.Progress{Total: estimate, Unit: "rows"}
	r.report(progress)
	file, err := w.o.Exporter.Write(ctx, r.Job.ID, r.Job.Attempt, request, 0, cdr.Hooks{
		Progress: func(rows, _ int64) {
			progress.Done = rows
			r.report(progress)
		},
		Paused: func(paused bool, reason string) {
			progress.Note = ""
			if paused {
				progress.Note = "paused: " + reason
				r.log.Warn("export paused", "reason", reason)
			}
			r.report(progress)
		},
	})
	if err != nil {
		return nil, exportFailure(err)
	}
	result, err := w.commitExport(ctx, r, file)
	if err != nil {
		err = errors.Join(err, file.Discard())
	}
	return result, err
}

// commitExport names the file and ends the job, while the job's row is locked to this attempt.
func (w *Worker) commitExport(ctx context.Context, r *run, file *cdr.File) (result cdr.Result, err error) {
	err = pgx.BeginFunc(ctx, w.o.PBX.Pool, func(tx pgx.Tx) error {
		if err := r.Fence(ctx, tx); err != nil {
			return err
		}
		if result, err = file.Commit(ctx); err != nil {
			return exportFailure(err)
		}
		return r.SucceedIn(ctx, tx, result, tasks.Progress{Done: result.TotalRecords, Total: result.TotalRecords, Unit: "rows"})
	})
	r.committed = err == nil
	return result, err
}

// exportFailure says in an operator's words why no file could be written. Faults pass as they are, and
// errors of the database connection, since the job is then run again.
func exportFailure(err error) error {
	if _, known := errors.AsType[*fault.Error](err); known || databaseAway(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.Errorf(fault.ServerError, "the export could not be written: %w", err)
}
