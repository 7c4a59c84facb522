package gateway

import (
	"cmp"
	"context"
	"slices"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
)

// reconcile brings every switch to what the rows of these gateways say, whatever it has loaded: nothing, something
// else, what has no row, or copies. It changes no row, and kills nothing that is known to be right, or that could not
// come back.
func (p *pass) reconcile(ctx context.Context, works []*work) {
	works = slices.DeleteFunc(works, func(w *work) bool { return w.Do != Reconcile })
	for _, w := range works {
		w.rowStays, w.err = true, checkNamed(w.GatewayUUID)
	}
	works = unfailed(works)
	if len(works) == 0 {
		return
	}
	named := func(w *work) string { return w.GatewayUUID }
	rows, err := p.pbx.FusionPBX.GatewaysByUUIDs(ctx, each(works, named))
	if err != nil {
		fail(works, err)
		return
	}
	for _, w := range works {
		if row, there := rows[w.GatewayUUID]; there {
			w.written = &Written{Row: row, Previous: &row}
		}
	}
	if err := p.reloadLeftProviders(ctx, works); err != nil {
		fail(works, err)
		return
	}
	with, err := p.reconcileWith(ctx, works)
	if err != nil {
		fail(works, err)
		return
	}
	obstacles := p.checkLoadable(works, with)
	works = unfailed(works)
	p.takeUp(ctx, works, func(w *work) *want {
		return &want{uuid: w.GatewayUUID, reconcile: with, folder: p.folder}
	}, p.counting())
	if err := p.forgetLeft(ctx, works); err != nil {
		fail(works, err)
		return
	}
	for _, w := range works {
		w.err = cmp.Or(joined(w.taken), joined(w.lists))
		if o := obstacles[w]; o != nil && w.err == nil {
			w.err = o.fault(w.written.Row, "what a switch had been left loaded with is removed")
		}
		switch {
		case w.lists != nil || slices.ContainsFunc(w.taken, func(t taken) bool { return t.changed }):
			w.action = Reconciled
		case w.written == nil:
			w.action = Absent
		default:
			w.action = Unchanged
		}
	}
}

// checkNamed refuses what is no gateway's uuid: a gateway without a row is killed by it.
func checkNamed(gatewayUUID string) error {
	if freeswitch.CheckUUID(gatewayUUID) != nil {
		return fault.Invalid("the gateway", "is not a UUID in lower case")
	}
	return nil
}

// reconciling is what gateways are reconciled with.
type reconciling struct {
	profiles map[string]fusionpbx.Profile // the enabled ones
	// leftover are the gateways, by switch, of which the switch may have loaded what was taken back: that goes also if
	// nothing can come in its place.
	leftover map[at]bool
}

func (p *pass) reconcileWith(ctx context.Context, works []*work) (*reconciling, error) {
	profiles, err := p.pbx.FusionPBX.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	leftover, err := leftLoaded(ctx, p.pbx.Pool, each(works, (*work).meantUUID))
	return &reconciling{profiles, leftover}, err
}

// checkLoadable fails the works whose gateways no switch could load again if it killed them, and returns the obstacles
// of those of which a switch has something to remove all the same.
func (p *pass) checkLoadable(works []*work, with *reconciling) map[*work]*obstacle {
	obstacles := map[*work]*obstacle{}
	for _, w := range works {
		if w.written == nil {
			continue // there is no row: what is loaded goes for good
		}
		o := obstacleOf(w.written.Row, with.profiles)
		left := func(b *batch) bool { return with.leftover[at{w.GatewayUUID, b.sw.Addr()}] }
		switch {
		case o == nil:
		case slices.ContainsFunc(p.batches, left):
			obstacles[w] = o
		default:
			w.err = o.fault(w.written.Row, "every switch was left as it is")
		}
	}
	return obstacles
}
