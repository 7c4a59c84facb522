package gateway

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// lockTries is how often a round begins that loses its locks.
const lockTries = 3

// carryOut runs the round with the switch to itself. One that loses its lock has stopped before it changed
// anything more, and begins again under a new one.
func (r *round) carryOut(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic", "panic", p, "stack", string(debug.Stack()))
			err = fault.Errorf(fault.ServerError, "an error in Trunkline itself ended the work on switch %s; the worker's log has the details", r.sw.Addr())
		}
	}()
	for range lockTries {
		if err = r.locked(ctx); !errors.Is(err, postgres.ErrLockLost) {
			return err
		}
		r.log.Warn("a round on a switch lost its lock and begins again", "switch", r.sw.Addr(), "changes", len(r.wants), "error", err)
	}
	return err
}

// locked runs the round once, with the switch to itself, so that no other worker's rescan falls between a
// kill and its end; with files also all gateway files.
func (r *round) locked(ctx context.Context) error {
	patience := r.limits.roundTimeOf(len(r.wants))
	waiting, stop := context.WithTimeout(ctx, patience)
	defer stop()
	lock, err := postgres.AcquireLock(waiting, r.pbx.Pool, "switch "+r.sw.Addr())
	if err != nil && waiting.Err() != nil {
		return fault.Errorf(fault.SwitchTimeout, "switch %s: another worker has been busy with it for %s; send the request again", r.sw.Addr(), patience)
	}
	if err != nil {
		return err
	}
	defer lock.Release(ctx)
	r.locks = []*postgres.Lock{lock}
	if slices.ContainsFunc(r.wants, func(w *want) bool { return w.folder != nil }) {
		lock, err := lockFiles(waiting, r.pbx.Pool, patience)
		if err != nil {
			return err
		}
		defer lock.Release(ctx)
		r.locks = append(r.locks, lock)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.run(ctx)
}

// stillLocked returns an error that wraps postgres.ErrLockLost if another worker may have the switch by now.
func (r *round) stillLocked(ctx context.Context) error {
	for _, lock := range r.locks {
		if err := lock.Check(ctx); err != nil {
			return err
		}
	}
	return nil
}
