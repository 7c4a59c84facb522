package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/audit"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

const (
	// leftInterval is how often it is looked whether a switch is back that may have left something loaded.
	leftInterval = time.Second
	// leftAgain is how long after a job in vain another is made, and leftRarely how long if they have been for long.
	leftAgain  = time.Minute
	leftRarely = time.Hour
	// leftAtOnce is how many are taken up at a time: a bulk job that was put back may leave thousands.
	leftAtOnce = 100
	// itself is who asks for what nobody asked for.
	itself = "trunkline"
)

// reconcileLeft has what switches may have left loaded, when they went away in the middle, reconciled once they are
// back, until ctx is done.
func (w *Worker) reconcileLeft(ctx context.Context) {
	tick := time.NewTicker(leftInterval)
	defer tick.Stop()
	for failing := false; ctx.Err() == nil; {
		err := w.makeLeftJobs(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			w.o.Log.Warn("what switches may have left loaded stays so until this passes", "error", err)
		}
		failing = err != nil
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// makeLeftJobs makes a job for each gateway that a switch may have left loaded which answers by now.
func (w *Worker) makeLeftJobs(ctx context.Context) error {
	left, err := gateway.FindLeftLoaded(ctx, w.o.PBX, leftAgain, leftRarely, leftAtOnce)
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, l := range left {
		if made[l.GatewayUUID] {
			continue // on another switch: the job is about all
		}
		made[l.GatewayUUID] = true
		if err := w.makeLeftJob(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// makeLeftJob makes the job, unless the last one has not ended: then it attaches to that.
func (w *Worker) makeLeftJob(ctx context.Context, l gateway.LeftLoaded) error {
	key := gateway.UUIDKey(l.GatewayUUID)
	body := []string{"reconcile what was left", l.GatewayUUID}
	job, err := w.o.Tasks.Submit(ctx, tasks.NewJob{
		Kind: tasks.KindProvision, DomainUUID: l.DomainUUID, CreatedBy: uuid.Nil.String(), CreatedByName: itself,
		Subject: key, OrderKeys: []string{key}, Urgent: true,
		BodyHash: w.o.Tasks.Keys().BodyHash(body...), SameBody: w.o.Tasks.Keys().BodyHashes(body...),
		Params:  gateway.Request{Do: gateway.Reconcile, GatewayUUID: l.GatewayUUID, DomainUUID: l.DomainUUID, Values: map[string]string{}},
		Secrets: gateway.Secrets{},
	})
	if err != nil {
		return err
	}
	if err := gateway.NoteTried(ctx, w.o.PBX.Pool, l.GatewayUUID, job.ID); err != nil {
		return err
	}
	what, why := "a switch is back that may have left a gateway loaded; a job puts it right", "left loaded on switch %s when it went away"
	if !l.Loaded {
		what, why = "a switch is back that may go by the access list providers as it was with a gateway; a job has it read the list again",
			"whose networks switch %s may still let in since it went away"
	}
	w.o.Log.Info(what, "switch", l.Switch, "gateway", l.GatewayUUID, "job", job.ID)
	if w.o.Audit != nil {
		w.o.Audit.Change(ctx, audit.Event{
			Who: itself, Action: "gateway.reconcile", DomainUUID: l.DomainUUID,
			Subject: fmt.Sprintf("gateway %s, "+why+", job %s", l.GatewayUUID, l.Switch, job.ID),
		})
	}
	return nil
}
