package worker

import (
	"context"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/version"
	"trunkline/tasks"
)

// servedWithin is how many times a worker tells what it serves before the others take it for gone.
const servedWithin = 4

// serve tells the others what this worker serves until ctx is done, and has jobs start that waited for it.
func (w *Worker) serve(ctx context.Context) {
	as := tasks.Serving{ID: uuid.NewString(), Name: w.name, Shared: true, Version: version.This()}
	tick := time.NewTicker(w.o.Settings.HeartbeatTimeout / servedWithin)
	defer tick.Stop()
	for told, failing := false, false; ctx.Err() == nil; {
		err := w.tell(ctx, &as)
		if err == nil && !told {
			w.o.Tasks.Admit(ctx)
			told = true
		}
		if err != nil && !failing && ctx.Err() == nil {
			w.o.Log.Warn("what this worker serves is not noted; others share its queues as if it were not there", "error", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), heartbeatTimeout)
	defer cancel()
	if err := w.o.Tasks.ServeNoMore(ctx, as); err != nil {
		w.o.Log.Warn("that this worker stops is not noted; it passes by itself", "error", err)
	}
}

// tell notes what is served, and whether several domains share it.
func (w *Worker) tell(ctx context.Context, as *tasks.Serving) error {
	ctx, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	several, err := w.o.PBX.FusionPBX.SeveralDomains(ctx)
	if err != nil {
		return err
	}
	as.Shared = several
	return w.o.Tasks.Serve(ctx, *as)
}
