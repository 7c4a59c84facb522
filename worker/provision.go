package worker

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// provision makes, changes or deletes one gateway.
func (w *Worker) provision(ctx context.Context, r *run) (any, error) {
	var asked gateway.Request
	if err := json.Unmarshal(r.Job.Params, &asked); err != nil {
		return nil, fault.Errorf(fault.ServerError, "the job's parameters cannot be read: %w", err)
	}
	j := &sealedJournal{run: r}
	if err := r.Secrets(&j.secrets); err != nil {
		return nil, fault.Errorf(fault.ServerError, "%w; use the same key in every process, then send the request again", err)
	}
	change := gateway.Change{Request: asked, Password: j.secrets.Password, By: r.Job.CreatedBy}
	outcome := w.applier.Apply(ctx, []gateway.Change{change}, j)[0]
	if outcome.Err == nil && asked.WaitFor == gateway.WaitForRegistered && outcome.Registers() {
		outcome.Err = w.waitRegistered(ctx, j, &outcome)
	}
	if outcome.Err != nil {
		w.keepLeft(ctx, j, asked, outcome)
		return nil, outcome.Err
	}
	return outcome.Result, nil
}

// waitRegistered waits until the gateway is registered. What was written and loaded stays whatever comes of
// it: the carrier may still accept it.
func (w *Worker) waitRegistered(ctx context.Context, j *sealedJournal, o *gateway.Outcome) error {
	// From here on a retry starts from the new row.
	err := pgx.BeginFunc(ctx, w.o.PBX.Pool, func(tx pgx.Tx) error { return j.Keep(ctx, tx, nil) })
	if err != nil {
		return err
	}
	err = w.applier.UntilRegistered(ctx, o)
	switch cause := context.Cause(ctx); {
	case err == nil || errors.Is(cause, errShutdown):
		return err
	case errors.Is(cause, errCancelRequested):
		return fault.Errorf(fault.Cancelled, "the gateway is configured and loaded; waiting for it to register was cancelled")
	case cause != nil:
		return fault.Errorf(fault.Timeout, "the gateway is configured and loaded, and did not register in time; look at its state and at the carrier's answer")
	}
	return fault.Errorf(fault.SwitchUnavailable, "the gateway is configured and loaded; whether it registers is not known: %w", err)
}

// sealedJournal keeps what stood before a job's one change in its sealed part, as this attempt's.
type sealedJournal struct {
	run     *run
	secrets gateway.Secrets
}

// Earlier is what an earlier attempt at this job wrote.
func (j *sealedJournal) Earlier() map[int]*gateway.Written {
	return map[int]*gateway.Written{0: j.secrets.Written}
}

// Keep seals it into the job's row. The request that made a deleted gateway is forgotten in the same
// transaction.
func (j *sealedJournal) Keep(ctx context.Context, tx pgx.Tx, entries map[int]*gateway.Written) error {
	written := entries[0]
	if written != nil && written.Deleted {
		if err := j.run.ForgetRequests(ctx, tx, written.Row.UUID); err != nil {
			return err
		}
	}
	return j.run.SaveSecrets(ctx, tx, gateway.Secrets{Password: j.secrets.Password, Written: written})
}

// HandsOver reports whether the job is another attempt's, or will be: it was given up for lost, the worker
// shuts down, or the database is away, which is left to the sweep.
func (j *sealedJournal) HandsOver(err error) bool {
	return errors.Is(err, tasks.ErrFenced) || errors.Is(err, errShutdown) || databaseAway(err)
}

// Note shows with the job's progress.
func (j *sealedJournal) Note(text string) { j.run.report(tasks.Progress{Note: text}) }
