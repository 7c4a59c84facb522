package gateway

import (
	"context"
	"slices"

	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
)

// reconcile brings every switch to what the rows of these gateways say, whatever it has loaded: nothing, something
// else, what has no row, or copies. It changes no row, and kills nothing that is known to be right.
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
	p.takeUp(ctx, works, func(w *work) *want {
		return &want{uuid: w.GatewayUUID, reconcile: true, folder: p.folder}
	}, p.counting())
	if err := p.forgetLeft(ctx, works); err != nil {
		fail(works, err)
		return
	}
	for _, w := range works {
		w.err = joined(w.taken)
		switch {
		case slices.ContainsFunc(w.taken, func(t taken) bool { return t.changed }):
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
