package worker

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// export writes the CDRs of one window into a file of the export folder. The file gets its name in
// the transaction that ends the job, so that a run which was given up for lost never replaces the file
// of the run that took over.
func (w *Worker) export(ctx context.Context, r *run) (any, error) {
	var params tasks.ExportParams
	if err := json.Unmarshal(r.Job.Params, &params); err != nil {
		return nil, fault.Errorf(fault.ServerError, "the job's parameters cannot be read: %w", err)
	}
	format, err := export.ParseFormat(params.Format)
	if err != nil {
		return nil, fault.Errorf(fault.InvalidRequest, "%w", err)
	}
	if err := export.RemoveStaleParts(w.o.Exporter.Dir, tasks.ExportFileName(r.Job.ID, format), r.Job.Attempt); err != nil {
		r.log.Warn("parts of an earlier attempt stay behind", "error", err)
	}
	estimate, err := w.o.Exporter.EstimateRows(ctx, params)
	if err != nil {
		return nil, err
	}
	progress := tasks.Progress{Total: estimate, Unit: "rows"}
	r.report(progress)
	file, err := w.o.Exporter.Write(ctx, r.Job.ID, r.Job.Attempt, params, 0, tasks.ExportHooks{
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
	result, err := w.commitExport(ctx, r, file, params)
	if err != nil {
		return nil, errors.Join(err, file.Discard())
	}
	return result, nil
}

// commitExport names the file and ends the job, while the job's row is locked to this attempt.
func (w *Worker) commitExport(ctx context.Context, r *run, file *export.File, params tasks.ExportParams) (tasks.ExportResult, error) {
	var result tasks.ExportResult
	err := pgx.BeginFunc(ctx, w.o.PBX.Pool, func(tx pgx.Tx) error {
		if err := r.Fence(ctx, tx); err != nil {
			return err
		}
		manifest, err := file.Commit()
		if err != nil {
			return exportFailure(err)
		}
		result = w.o.Exporter.Result(manifest, params)
		return r.SucceedIn(ctx, tx, result, tasks.Progress{Done: manifest.Rows, Total: manifest.Rows, Unit: "rows"})
	})
	r.committed = err == nil
	return result, err
}

// exportFailure says in an operator's words why no file could be written. Errors of the database
// connection pass as they are: the job is run again.
func exportFailure(err error) error {
	var space *export.SpaceError
	if errors.As(err, &space) {
		return fault.Errorf(fault.InsufficientStorage, "%w", err)
	}
	if databaseAway(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.Errorf(fault.ServerError, "the export could not be written: %w", err)
}
