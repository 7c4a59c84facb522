package gateway

import (
	"context"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// A switch knows gateways by their uuids, so that names which differ in case alone harm no call. They harm people, who
// take one for the other, and a file, whose rows of such names are taken for one gateway. FusionPBX's pages make them
// all the same: what stands is left, and no new one is added.

// refuseSimilar refuses the steps that give a gateway a name which another one of its domain has in another case.
func (p *pass) refuseSimilar(ctx context.Context, db *fusionpbx.DB, steps []*rowStep) error {
	steps = slices.DeleteFunc(slices.Clone(steps), func(s *rowStep) bool { return !s.stands() || !s.plan.names() })
	if len(steps) == 0 {
		return nil
	}
	similar, err := db.GatewaysSimilar(ctx, each(steps, func(s *rowStep) fusionpbx.Label {
		return fusionpbx.Label{DomainUUID: s.plan.Row.DomainUUID, Name: s.plan.Row.Label()}
	}))
	if err != nil {
		return err
	}
	for _, s := range steps {
		row := s.plan.Row
		for _, g := range similar[fusionpbx.Label{DomainUUID: row.DomainUUID, Name: strings.ToLower(row.Label())}] {
			if g.UUID != row.UUID {
				s.err = fault.Errorf(fault.Conflict, "gateway_name: gateway %s in %s is called %q, and names that differ in case alone are one; call it so, or choose another name",
					g.UUID, s.place(), g.Label())
			}
		}
	}
	return nil
}

// names reports whether the plan gives the gateway a name that it does not have.
func (plan *Plan) names() bool {
	return plan.Insert || plan.Previous != nil && plan.Previous.Label() != plan.Row.Label()
}
