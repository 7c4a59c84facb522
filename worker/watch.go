package worker

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/postgres"
	"trunkline/tasks"
)

const (
	// watchInterval is how often the registrations that are waited for are looked at.
	watchInterval = time.Second
	// hintInterval is the least time between two looks, however many events come.
	hintInterval = 200 * time.Millisecond
	// lookInterval is the least time between two looks at how all gateways stand.
	lookInterval = 2 * time.Second
)

// watch watches the gateways' registrations for all parked jobs, in one worker of all at a time, until ctx is done.
func (w *Worker) watch(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for failing := false; ctx.Err() == nil; {
		lock, err := postgres.TryLock(ctx, w.o.PBX.Pool, "registrations")
		if err == nil && lock != nil {
			err = w.watchWith(ctx, lock)
		}
		if err != nil && !failing && ctx.Err() == nil {
			w.o.Log.Warn("registrations are not watched until this passes", "error", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// watchWith watches for as long as the lock stands.
func (w *Worker) watchWith(ctx context.Context, lock *postgres.Lock) error {
	defer lock.Release(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	registrations := w.applier.Registrations()
	if err := registrations.Recall(ctx); err != nil {
		return err
	}
	if err := gateway.ForgetTold(ctx, w.o.PBX); err != nil {
		return err
	}
	listening.Go(func() { registrations.Listen(ctx) })
	listening.Go(func() { w.reconcileLeft(ctx) })
	changed := make(chan struct{}, 1)
	// By itself: however many are told, nobody who waits for a registration waits for that.
	listening.Go(func() { w.keepTelling(ctx, changed) })
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var looked, polled time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := lock.Check(ctx); err != nil {
				return err
			}
		case <-registrations.Changed():
			if time.Since(looked) < hintInterval {
				continue // the next tick sees it
			}
		}
		looked = time.Now()
		if err := registrations.Keep(ctx); err != nil {
			return err
		}
		due := time.Since(polled) >= w.o.Settings.StatePoll || time.Since(polled) >= lookInterval && registrations.Blind()
		if due {
			polled = time.Now()
		}
		if err := w.lookAt(ctx, registrations, due); err != nil {
			return err
		}
		changes, err := registrations.KeepStates(ctx)
		if err != nil {
			return err
		}
		for _, change := range changes {
			w.stateChanged(change)
		}
		if len(changes) > 0 {
			select {
			case changed <- struct{}{}:
			default: // it is known already
			}
		}
	}
}

// stateChanged is told of each gateway that a switch shows otherwise than before, be it for a moment.
func (w *Worker) stateChanged(c gateway.StateChange) {
	w.o.Log.Debug("a gateway's state has changed", "gateway", c.GatewayUUID, "switch", c.Switch, "state", c.State, "status", c.Status, "since", c.Since)
}

// lookAt ends the parked jobs whose outcome has come, or will not, and corrects what is known of all gateways by what
// the switches have, if that is due or known anyway.
func (w *Worker) lookAt(ctx context.Context, registrations *gateway.Registrations, due bool) error {
	awaited, err := w.o.Tasks.Awaited(ctx, tasks.KindProvision)
	if err != nil || len(awaited) == 0 && !due {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	seen := registrations.Look(ctx)
	registrations.Correct(seen)
	return w.endAwaited(ctx, awaited, registrations, seen)
}

func (w *Worker) endAwaited(ctx context.Context, awaited []*tasks.Awaited, registrations *gateway.Registrations, seen gateway.Seen) error {
	for _, a := range awaited {
		ended, err := w.endOf(ctx, a, registrations, seen)
		if errors.Is(err, tasks.ErrFenced) {
			continue // somebody else ended it meanwhile
		}
		if err != nil {
			return err
		}
		if ended {
			w.o.Tasks.Finished(ctx, a.Job.ID)
		}
	}
	return nil
}

// endOf ends the job if it is time.
func (w *Worker) endOf(ctx context.Context, a *tasks.Awaited, registrations *gateway.Registrations, seen gateway.Seen) (ended bool, err error) {
	var result gateway.Result
	if err := json.Unmarshal(a.Outcome, &result); err != nil {
		return true, a.Fail(ctx, fault.Errorf(fault.ServerError, "the job's outcome cannot be read: %w", err))
	}
	if a.Job.CancelRequested {
		return true, a.Cancelled(ctx, "the gateway is configured and loaded; waiting for it to register was cancelled")
	}
	done, err := registrations.Judge(&result, seen, *a.Job.StartedAt, time.Now().After(a.Until))
	if !done {
		return false, nil
	}
	// An answer may have come since the last time: whoever asks for the gateway after the job's end finds what ended it.
	if keeping := registrations.Keep(ctx); keeping != nil {
		return false, keeping
	}
	if err != nil {
		failure, _ := errors.AsType[*fault.Error](err)
		return true, a.Fail(ctx, failure)
	}
	return true, a.Succeed(ctx, result, tasks.Progress{})
}
