package worker

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/tasks"
)

const (
	// endTimeout bounds the writing of a job's end, which happens after its own context may have ended.
	endTimeout = 10 * time.Second
	// heartbeatTimeout bounds one heartbeat, so that a slow one does not stand for the next.
	heartbeatTimeout = 2 * time.Second
)

// run is one attempt of a job in this worker, with its heartbeat and what it has to tell.
type run struct {
	*tasks.Attempt
	w        *Worker
	log      *slog.Logger
	progress atomic.Pointer[tasks.Progress]
	// committed is set by a handler that has ended the job itself, together with its last step.
	committed bool
	// ending is set from before a handler ends the job itself: a heartbeat that waits for the job's row meanwhile finds
	// that it does not run any more, and that is no loss.
	ending atomic.Bool
	// parked is set if the job goes on without a worker.
	parked bool
	// patient is set if the job waits for what passes by itself however long it takes, and not only for its own time.
	patient bool
	// resumes is set if what passes by itself is waited for with everything as it stands: another attempt goes on from
	// there. It is settled when the attempt begins, so that all its parts are of one mind.
	resumes bool
	// partial is set by a handler of many items of which some have failed.
	partial bool
}

func newRun(w *Worker, a *tasks.Attempt) *run {
	r := &run{Attempt: a, w: w, log: w.o.Log.With("job", a.Job.ID, "kind", a.Job.Kind, "attempt", a.Job.Attempt)}
	r.progress.Store(&tasks.Progress{})
	return r
}

// report sets the progress that the next heartbeat writes.
func (r *run) report(p tasks.Progress) { r.progress.Store(&p) }

// do runs the attempt to its end and writes that end.
func (r *run) do(ctx context.Context) {
	started := time.Now()
	h, known := r.w.handlers[r.Job.Kind]
	if !known {
		r.end(ctx, nil, fault.Errorf(fault.ServerError, "this worker does not know jobs of kind %q; run the same version everywhere", r.Job.Kind), nil)
		return
	}
	// asynq ends its context when Redis is away for longer than its lease of 30 s. The job is in
	// Postgres and knows nothing of that: only its own time, its heartbeat and a shutdown end it.
	ctx, stopTime := context.WithTimeout(context.WithoutCancel(ctx), r.Job.Kind.Timeout(r.w.o.Settings))
	defer stopTime()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopWatching := context.AfterFunc(r.w.stopping, func() { cancel(errShutdown) })
	defer stopWatching()
	if r.Job.CancelRequested {
		cancel(errCancelRequested)
	}
	if r.Job.Kind == tasks.KindProvision {
		r.w.waited.see()
		defer r.w.waited.see()
	}
	handled := make(chan struct{})
	var heartbeats sync.WaitGroup
	heartbeats.Go(func() { r.sendHeartbeats(context.WithoutCancel(ctx), handled, cancel) })
	result, err := r.handle(ctx, h)
	cause := context.Cause(ctx)
	close(handled)
	heartbeats.Wait()
	r.end(ctx, result, err, cause)
	r.log.Info("attempt ended", "seconds", time.Since(started).Seconds(), "error", err, "cause", errors.Unwrap(err))
}

// handle calls the handler of the job's kind. A panic in it fails the job and not the process.
func (r *run) handle(ctx context.Context, h handler) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic", "panic", p, "stack", string(debug.Stack()))
			err = fault.Errorf(fault.ServerError, "an error in Trunkline itself ended this job; the worker's log has the details (job %s)", r.Job.ID)
		}
	}()
	return h(ctx, r)
}

// sendHeartbeats sends one an interval until the handler has returned: also while it undoes what it began,
// after its context ended. It ends that context when the job is cancelled or no longer ours.
func (r *run) sendHeartbeats(ctx context.Context, handled <-chan struct{}, cancel context.CancelCauseFunc) {
	tick := time.Tick(r.w.o.Settings.HeartbeatInterval)
	for {
		select {
		case <-handled:
			return
		case <-tick:
		}
		cancelled, err := r.heartbeat(ctx)
		switch {
		case errors.Is(err, tasks.ErrFenced):
			if !r.ending.Load() {
				cancel(tasks.ErrFenced)
			}
			return
		case err != nil:
			// Not the end: should it last, the sweep gives the job to another worker and fences this one.
			r.log.Warn("heartbeat missed", "error", err)
		case cancelled:
			cancel(errCancelRequested)
		}
	}
}

func (r *run) heartbeat(ctx context.Context) (cancelled bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	return r.Heartbeat(ctx, *r.progress.Load())
}

// commit has do end the job in a transaction, together with its last step, which ctx may cut off.
func (r *run) commit(ctx context.Context, do func(tx pgx.Tx) error) error {
	r.ending.Store(true)
	err := pgx.BeginFunc(ctx, r.w.o.PBX.Pool, do)
	r.committed = err == nil
	r.ending.Store(r.committed)
	return err
}

// end writes how the attempt ended. What cannot be written is left to the sweep.
func (r *run) end(ctx context.Context, result any, err, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	failure, isFailure := errors.AsType[*fault.Error](err)
	var ending error
	switch {
	case r.parked:
		r.w.o.Tasks.Admit(ctx)
		return
	case r.committed: // whatever has become of the context meanwhile
	case errors.Is(err, tasks.ErrFenced) || errors.Is(cause, tasks.ErrFenced):
		r.log.Warn("attempt was given up for lost; it changes nothing")
		return
	case err == nil && r.partial:
		ending = r.Partial(ctx, result, *r.progress.Load())
	case err == nil:
		ending = r.Succeed(ctx, result, *r.progress.Load())
	case databaseAway(err):
		// The row says running and its heartbeat has stopped: the sweep dispatches it again, and that
		// attempt also sees a request to cancel.
		r.log.Warn("the database went away in the middle; the sweep will dispatch the job again", "error", err)
		return
	case r.tablesAway(err):
		r.log.Warn("FusionPBX's tables are not as they were; the job waits for them", "error", err)
		r.sleep(ctx, "FusionPBX's tables are not as they were, as while it is upgraded; the job goes on when they are there")
		return
	case errors.Is(cause, errShutdown):
		job, err := r.HandBack(ctx)
		if err != nil {
			r.log.Warn("job not handed back; the sweep dispatches it again", "error", err)
			return
		}
		r.w.o.Tasks.Enqueue(ctx, job)
		return
	case errors.Is(cause, errCancelRequested):
		message := "cancelled while it ran"
		if isFailure {
			message = failure.Message
		}
		ending = r.Cancelled(ctx, message)
	case r.patient && errors.Is(cause, context.DeadlineExceeded) && (!isFailure || failure.Passes):
		r.sleep(ctx, "a switch answers too slowly; the job goes on")
		return
	case errors.Is(cause, context.DeadlineExceeded):
		ending = r.Fail(ctx, fault.Errorf(fault.Timeout, "the job took longer than its time-out allows; raise %s or ask for less (%s)", r.Job.Kind.TimeoutSetting(), err))
	case isFailure && failure.Passes && r.sleeps():
		r.sleep(ctx, failure.Message)
		return
	case isFailure:
		ending = r.Fail(ctx, failure)
	default:
		ending = r.Fail(ctx, fault.Errorf(fault.ServerError, "%w", err))
	}
	if ending != nil {
		r.log.Warn("end of attempt not written; the sweep decides", "error", ending)
		return
	}
	r.w.o.Tasks.Finished(ctx, r.Job.ID)
}

// How long a job sleeps before a worker tries again what may have passed by then: the longer, the longer it has been
// waiting already.
const (
	leastPause = time.Second
	mostPause  = 10 * time.Second
)

func (r *run) pause() time.Duration {
	return min(max(time.Since(*r.Job.StartedAt)/4, leastPause), mostPause)
}

// sleeps reports whether there is time to try again, or that has to be.
func (r *run) sleeps() bool {
	return r.patient || r.resumes || time.Since(*r.Job.StartedAt)+r.pause() < r.Job.Kind.Timeout(r.w.o.Settings)
}

// sleep parks the job until it is tried again, and gives its slot to another.
func (r *run) sleep(ctx context.Context, note string) {
	if err := r.Sleep(ctx, time.Now().Add(r.pause()), note); err != nil {
		r.log.Warn("job not parked; the sweep dispatches it again", "error", err)
	}
	r.w.o.Tasks.Admit(ctx)
}

// awaitOutcome parks the job, which has the outcome once it has come true, for what is left of its time.
func (r *run) awaitOutcome(ctx context.Context, outcome any, note string) error {
	until, _ := ctx.Deadline()
	err := r.AwaitOutcome(ctx, outcome, until, note)
	r.parked = err == nil
	return err
}

// handsOver reports whether err means that the job is another attempt's, or will be: it was given up for lost, the worker
// shuts down, the database is away, which is left to the sweep, or a switch that need not be waited for.
func (r *run) handsOver(err error) bool {
	switch {
	case errors.Is(err, tasks.ErrFenced), errors.Is(err, errShutdown), databaseAway(err), r.tablesAway(err):
		return true
	case r.patient:
		return fault.Passes(err) || errors.Is(err, context.DeadlineExceeded)
	}
	return r.resumes && fault.Passes(err)
}

// goesOn reports whether end leaves the job to another attempt after one that ended with that error, whose context ended
// for that cause.
func (r *run) goesOn(err, cause error) bool {
	switch {
	case errors.Is(err, tasks.ErrFenced), errors.Is(cause, tasks.ErrFenced), databaseAway(err), r.tablesAway(err), errors.Is(cause, errShutdown):
		return true
	case errors.Is(cause, errCancelRequested), errors.Is(cause, context.DeadlineExceeded):
		return false
	}
	return fault.Passes(err) && r.sleeps()
}

// databaseAway reports whether the database went away under the job. What became a fault was something
// else: an error of the switch's connection looks the same beneath.
func databaseAway(err error) bool {
	_, worded := errors.AsType[*fault.Error](err)
	return !worded && postgres.Away(err)
}

// upgradePatience is how long after its start a job waits for FusionPBX's tables, which an upgrade takes away.
const upgradePatience = 10 * time.Minute

// tablesAway reports whether FusionPBX's tables are not as they should be, as while it is upgraded.
func (r *run) tablesAway(err error) bool {
	_, worded := errors.AsType[*fault.Error](err)
	return !worded && postgres.SchemaChanged(err) && time.Since(*r.Job.StartedAt) < upgradePatience
}
