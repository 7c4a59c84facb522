package gateway

import (
	"context"
	"slices"
	"strings"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway/file"
)

// Difference is what one change would do to its gateway's row.
type Difference struct {
	Action      string        `json:"action" enum:"add,change,unchanged,delete,absent,conflict"`
	GatewayUUID string        `json:"gateway_uuid,omitempty"` // absent of one that is to be added, and of one that is not there
	Changes     []FieldChange `json:"changes,omitempty"`      // of one that is to be changed
	Err         error         `json:"-"`                      // of a conflict: why it cannot be done
}

// What a change would do, besides Unchanged and Absent.
const (
	ToAdd      = "add"
	ToChange   = "change"
	ToDelete   = "delete"
	InConflict = "conflict"
)

// FieldChange is a column of v_gateways, or provider_cidrs, that a change would give another value. Of a secret it says that alone.
type FieldChange struct {
	Field   string  `json:"field"`
	From    *string `json:"from,omitempty"` // empty: it has none
	To      *string `json:"to,omitempty"`   // empty: it is to have none
	Changed bool    `json:"changed,omitempty"`
}

// secretColumn is the one column whose values nobody is told.
const secretColumn = "password"

// Diff says what Apply would do with each of the changes, which are not to be of one gateway, as the rows and the
// switches stand now. It makes the same checks, and changes nothing.
func (a *Applier) Diff(ctx context.Context, changes []*Change) []Difference {
	all := works(changes, nil)
	p := &pass{Applier: a}
	var err error
	if p.folder, err = file.FindFolder(ctx, p.pbx); err != nil {
		fail(all, err)
	}
	p.check(ctx, unfinished(all))
	p.checkRoutes(ctx, unfinished(all))
	before := p.checkSteps(ctx, unfinished(all))
	return each(all, func(w *work) Difference { return w.difference(before[w.plan.Row.UUID]) })
}

// checkSteps refuses names and carriers' networks as they would be when the rows are written, and returns which networks
// the gateways name by now.
func (p *pass) checkSteps(ctx context.Context, works []*work) (before map[string][]string) {
	works = slices.DeleteFunc(works, func(w *work) bool { return w.err != nil || w.plan.Delete || w.plan.Action == Absent })
	steps := each(works, func(w *work) *rowStep { return &rowStep{work: w, plan: w.plan, written: &Written{Row: w.plan.Row}} })
	err := p.refuseSimilar(ctx, p.pbx.FusionPBX, steps)
	if err == nil {
		err = p.requireProviders(ctx, p.pbx.Pool, p.pbx.FusionPBX, steps)
	}
	if err != nil {
		fail(works, err)
		return nil
	}
	for _, s := range steps {
		s.work.err = s.err
	}
	works = slices.DeleteFunc(works, func(w *work) bool { return w.err != nil || w.CIDRs == nil })
	if len(works) == 0 {
		return nil
	}
	before, err = CIDRs(ctx, p.pbx.Pool, each(works, func(w *work) string { return w.plan.Row.UUID }))
	if err != nil {
		fail(works, err)
	}
	return before
}

// checkRoutes refuses deletions as they would be when the rows are deleted.
func (p *pass) checkRoutes(ctx context.Context, works []*work) {
	works = slices.DeleteFunc(works, func(w *work) bool { return !w.plan.Delete })
	routes, err := p.pbx.FusionPBX.OutboundRoutes(ctx, each(works, func(w *work) string { return w.plan.Row.UUID }))
	for _, w := range works {
		if w.err = err; err == nil {
			w.err = w.CheckRoutes(w.plan.Row, routes[w.plan.Row.UUID])
		}
	}
}

// difference is told which networks the gateway names by now.
func (w *work) difference(before []string) Difference {
	if w.err != nil {
		return Difference{Action: InConflict, Err: w.err}
	}
	previous, row := w.plan.Previous, w.plan.Row
	switch {
	case previous == nil && w.plan.Action == Absent:
		return Difference{Action: Absent}
	case previous == nil:
		return Difference{Action: ToAdd}
	case w.Delete:
		return Difference{Action: ToDelete, GatewayUUID: previous.UUID}
	}
	changed := slices.DeleteFunc(slices.Clone(fusionpbx.GatewayColumns), func(column string) bool { return previous.Same(row, column) })
	changes := each(changed, func(column string) FieldChange {
		if column == secretColumn {
			return FieldChange{Field: column, Changed: true}
		}
		from, to := previous.Get(column), row.Get(column)
		return FieldChange{Field: column, From: &from, To: &to}
	})
	if w.CIDRs != nil && !slices.Equal(*w.CIDRs, before) {
		from, to := strings.Join(before, ","), strings.Join(*w.CIDRs, ",")
		changes = append(changes, FieldChange{Field: "provider_cidrs", From: &from, To: &to})
	}
	if len(changes) == 0 {
		return Difference{Action: Unchanged, GatewayUUID: previous.UUID}
	}
	return Difference{Action: ToChange, GatewayUUID: previous.UUID, Changes: changes}
}
