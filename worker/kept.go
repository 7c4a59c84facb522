package worker

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/gateway"
)

// kept is a change of which a journal keeps what stood before.
type kept struct {
	item    int // the number of the job's item; 0: the job is not one of many
	asked   *gateway.Request
	known   bool             // its gateway has its external_id from before
	written *gateway.Written // nil: it was put back as it was
}

// knownBefore reports whether the gateway that the request resolved to was found by its external_id, which it did not get
// from an earlier attempt at the same job.
func knownBefore(asked, resolved *gateway.Request, written *gateway.Written) bool {
	return resolved.GatewayUUID != asked.GatewayUUID && (written == nil || !written.Named)
}

// keepBeside does what belongs into the transaction that writes the rows of changes: the gateways get the external_ids
// that they were asked for by, and what waited for how they were before has waited in vain: superseded gets the jobs
// that end so.
func (r *run) keepBeside(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, changes []kept, superseded *[]string) error {
	var named []gateway.ExternalName
	var unnamed []*gateway.Request
	var items []int
	wrote := false
	for _, c := range changes {
		if c.written != nil {
			wrote = true
			if c.item > 0 {
				items = append(items, c.item)
			}
		}
		switch {
		case c.asked.ExternalID == "" || c.asked.Delete || c.known:
		case c.written == nil:
			unnamed = append(unnamed, c.asked)
		default:
			c.written.Named = true
			named = append(named, gateway.ExternalName{Asked: c.asked, GatewayUUID: c.written.Row.UUID})
		}
	}
	if err := gateway.NameExternally(ctx, tx, named); err != nil {
		return err
	}
	if err := gateway.UnnameExternally(ctx, tx, unnamed); err != nil {
		return err
	}
	if wrote {
		r.Supersede(batch, items,
			"the gateway was configured and loaded, and before it registered a later request about it began: what stands now is what came of job "+r.Job.ID,
			func(ids []string) { *superseded = append(*superseded, ids...) })
	}
	return nil
}
