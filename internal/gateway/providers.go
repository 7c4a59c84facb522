package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// A gateway that is authenticated by address needs its carrier in FusionPBX's access list providers. That list is to
// allow what the enabled gateways name (trunkline.gateway_cidrs): what is missing is added, and what Trunkline added
// (trunkline.provider_nodes) and no enabled gateway names any more is taken away. What others wrote stays.

// Providers is what a change did to the list, kept in the journal.
type Providers struct {
	Before []string `json:"before"` // the networks that the gateway named
}

// requireProviders refuses the steps that have a gateway's carrier let in, if there is no list to do it by. Those that
// only leave standing what was let in before are none of them.
func (p *pass) requireProviders(ctx context.Context, q postgres.Querier, db *fusionpbx.DB, steps []*rowStep) error {
	letsIn := func(s *rowStep) bool {
		return s.err == nil && s.written != nil && !s.written.Deleted && s.plan.Row.Enabled() &&
			(s.CIDRs != nil && len(*s.CIDRs) > 0 || s.CIDRs == nil && s.touchesProviders())
	}
	some := slices.DeleteFunc(slices.Clone(steps), func(s *rowStep) bool { return !letsIn(s) })
	if len(some) == 0 {
		return nil
	}
	_, err := db.AccessList(ctx, fusionpbx.ProvidersList)
	if !errors.Is(err, fusionpbx.ErrNotFound) {
		return err
	}
	named, err := CIDRs(ctx, q, each(some, func(s *rowStep) string { return s.plan.Row.UUID }))
	for _, s := range some {
		if s.CIDRs != nil || len(named[s.plan.Row.UUID]) > 0 {
			s.err = fault.Errorf(fault.InvalidGateway, "provider_cidrs: FusionPBX has no access list called %s; make one (Advanced, Access Controls; default deny), "+
				"or leave provider_cidrs out", fusionpbx.ProvidersList)
		}
	}
	return err
}

// writeProviders keeps the list in step with the rows that the steps have written, in their transaction.
func (p *pass) writeProviders(ctx context.Context, tx pgx.Tx, steps []*rowStep) error {
	var concerned []*rowStep
	for _, s := range steps {
		if s.err == nil && s.written != nil && (s.CIDRs != nil || s.written.Providers != nil || s.touchesProviders()) {
			concerned = append(concerned, s)
		}
	}
	if len(concerned) == 0 {
		return nil
	}
	before, err := lockCIDRs(ctx, tx, each(concerned, func(s *rowStep) string { return s.written.Row.UUID }))
	if err != nil {
		return err
	}
	concerned = slices.DeleteFunc(concerned, func(s *rowStep) bool {
		return s.CIDRs == nil && s.written.Providers == nil && len(before[s.written.Row.UUID]) == 0
	})
	if len(concerned) == 0 {
		return nil
	}
	for _, s := range concerned {
		named := before[s.written.Row.UUID]
		if s.written.Providers == nil { // else an earlier attempt knows what was named before
			s.written.Providers = &Providers{Before: named}
		}
		switch {
		case s.written.Deleted:
			named = nil
		case s.CIDRs != nil:
			named = *s.CIDRs
		}
		if err := nameCIDRs(ctx, tx, s.written.Row.UUID, named); err != nil {
			return err
		}
		if s.plan.Action == Unchanged && !slices.Equal(named, s.written.Providers.Before) {
			s.plan.Action = Updated
		}
	}
	return p.syncProviders(ctx, tx, concerned[0].By)
}

// touchesProviders reports whether the step may change what the list is to allow although it names no networks.
func (s *rowStep) touchesProviders() bool {
	return s.written.Deleted || s.plan.Previous != nil && s.plan.Previous.Enabled() != s.plan.Row.Enabled()
}

// restoreProviders puts back what the gateways named, in the transaction that puts back their rows.
func (p *pass) restoreProviders(ctx context.Context, tx pgx.Tx, works []*work) error {
	if works = changedProviders(works); len(works) == 0 {
		return nil
	}
	if _, err := lockCIDRs(ctx, tx, nil); err != nil {
		return err
	}
	for _, w := range works {
		if err := nameCIDRs(ctx, tx, w.uuid(), w.written.Providers.Before); err != nil {
			return err
		}
	}
	return p.syncProviders(ctx, tx, works[0].By)
}

// lockCIDRs keeps others from the list until the transaction ends, and reads what the gateways name.
func lockCIDRs(ctx context.Context, tx pgx.Tx, uuids []string) (map[string][]string, error) {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("access list providers")); err != nil {
		return nil, fmt.Errorf("locking the access list %s: %w", fusionpbx.ProvidersList, err)
	}
	return CIDRs(ctx, tx, uuids)
}

// CIDRs are the networks from which the gateways' carriers call without credentials, by the gateway's uuid.
func CIDRs(ctx context.Context, q postgres.Querier, uuids []string) (map[string][]string, error) {
	return namedCIDRs(ctx, q, "gateway_uuid = any($1::uuid[])", uuids)
}

func namedCIDRs(ctx context.Context, q postgres.Querier, condition string, args ...any) (map[string][]string, error) {
	type named struct{ UUID, CIDR string }
	found, err := postgres.Rows(ctx, q, "reading the carriers' networks", pgx.RowToStructByPos[named],
		"select gateway_uuid::text, cidr from trunkline.gateway_cidrs where "+condition+" order by 1, cidr collate \"C\"", args...)
	cidrs := map[string][]string{}
	for _, n := range found {
		cidrs[n.UUID] = append(cidrs[n.UUID], n.CIDR)
	}
	return cidrs, err
}

func nameCIDRs(ctx context.Context, tx pgx.Tx, gatewayUUID string, cidrs []string) error {
	batch := &pgx.Batch{}
	batch.Queue("delete from trunkline.gateway_cidrs where gateway_uuid = $1", gatewayUUID)
	batch.Queue("insert into trunkline.gateway_cidrs (gateway_uuid, cidr) select $1, unnest($2::text[])", gatewayUUID, cidrs)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("writing the networks of a gateway's carrier: %w", err)
	}
	return nil
}

// syncProviders makes the list allow what the enabled gateways name.
func (p *pass) syncProviders(ctx context.Context, tx pgx.Tx, by string) error {
	db := p.pbx.FusionPBX.In(tx)
	wanted, err := wantedCIDRs(ctx, tx, db)
	if err != nil {
		return err
	}
	type node struct{ UUID, CIDR string }
	added, err := postgres.Rows(ctx, tx, "reading what was added to an access list", pgx.RowToStructByPos[node],
		"select node_uuid::text, cidr from trunkline.provider_nodes")
	if err != nil || len(wanted) == 0 && len(added) == 0 {
		return err
	}
	list, err := db.AccessList(ctx, fusionpbx.ProvidersList)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return nil // it was taken away, with what is in it; who needs it was refused before
	}
	if err != nil {
		return err
	}
	nodes, err := db.AllowedNodes(ctx, list)
	if err != nil {
		return err
	}
	standing := map[string]fusionpbx.AccessNode{}
	allowed := map[string]bool{}
	for _, n := range nodes {
		standing[n.UUID], allowed[canonical(n.CIDR)] = n, true
	}
	var forgotten, taken []string
	for _, a := range added {
		n, stands := standing[a.UUID]
		_, still := wanted[a.CIDR]
		switch {
		case !stands || canonical(n.CIDR) != a.CIDR:
			forgotten = append(forgotten, a.UUID) // somebody made it their own, or deleted it
		case !still:
			forgotten, taken = append(forgotten, a.UUID), append(taken, a.UUID)
		}
	}
	if len(taken) > 0 {
		if err := db.DeleteNodes(ctx, taken); err != nil {
			return err
		}
	}
	if len(forgotten) > 0 {
		if _, err := tx.Exec(ctx, "delete from trunkline.provider_nodes where node_uuid = any($1::uuid[])", forgotten); err != nil {
			return fmt.Errorf("forgetting what was added to an access list: %w", err)
		}
	}
	for _, cidr := range slices.Sorted(maps.Keys(wanted)) {
		if allowed[cidr] {
			continue
		}
		n := fusionpbx.AccessNode{UUID: uuid.NewString(), CIDR: cidr}
		if err := db.AllowNode(ctx, list, n, wanted[cidr], by); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "insert into trunkline.provider_nodes (node_uuid, cidr) values ($1, $2)", n.UUID, cidr); err != nil {
			return fmt.Errorf("noting what was added to an access list: %w", err)
		}
	}
	return nil
}

// wantedCIDRs are the networks that enabled gateways name, each with what its node says.
func wantedCIDRs(ctx context.Context, tx pgx.Tx, db *fusionpbx.DB) (map[string]string, error) {
	named, err := namedCIDRs(ctx, tx, "true")
	if err != nil || len(named) == 0 {
		return nil, err
	}
	rows, err := db.GatewaysByUUIDs(ctx, slices.Collect(maps.Keys(named)))
	if err != nil {
		return nil, err
	}
	wanted := map[string]string{}
	for _, gatewayUUID := range slices.Sorted(maps.Keys(named)) {
		row, there := rows[gatewayUUID]
		if !there || !row.Enabled() {
			continue
		}
		for _, cidr := range named[gatewayUUID] {
			if wanted[cidr] == "" {
				wanted[cidr] = fmt.Sprintf("gateway %s (%s), by Trunkline", row.Label(), row.UUID)
			}
		}
	}
	return wanted, nil
}

// reloadProviders has every switch read the list, if some works changed it: before they are loaded, so that whoever
// may call can, and whoever may not cannot any more.
func (p *pass) reloadProviders(ctx context.Context, works []*work) {
	if works = changedProviders(works); len(works) == 0 {
		return
	}
	if err := joined(p.reloadAccessLists(ctx)); err != nil {
		fail(works, err)
	}
}

// putProvidersBack has every switch read the list as it was put back, and adds to the works what it may still allow.
func (p *pass) putProvidersBack(ctx context.Context, works []*work) {
	if works = changedProviders(works); len(works) == 0 {
		return
	}
	said := p.reloadAccessLists(ctx)
	for _, w := range works {
		w.lists = said
		then := "a job has it read the list again"
		if !w.undoing.restored { // nothing was put back, and nothing noted
			then = "drop FusionPBX's cached acl.conf and run reloadacl there"
		}
		for i, t := range said {
			if t.err != nil {
				w.undoing.left = append(w.undoing.left, fmt.Sprintf("switch %s may still go by the access list %s as it was meanwhile (%s): once it answers, %s",
					p.batches[i].sw.Addr(), fusionpbx.ProvidersList, fault.Text(t.err), then))
			}
		}
	}
}

// reloadLeftProviders has every switch read the list, if some works were noted because a switch may go by what it was.
func (p *pass) reloadLeftProviders(ctx context.Context, works []*work) error {
	noted, err := postgres.Rows(ctx, p.pbx.Pool, "reading whose access list switches may have kept", pgx.RowTo[string],
		"select distinct gateway_uuid::text from trunkline.left_loaded where providers and gateway_uuid = any($1::uuid[])", each(works, (*work).meantUUID))
	if err != nil || len(noted) == 0 {
		return err
	}
	said := p.reloadAccessLists(ctx)
	for _, w := range works {
		if slices.Contains(noted, w.meantUUID()) {
			w.lists = said
		}
	}
	return nil
}

func (w *work) changedProviders() bool { return w.written != nil && w.written.Providers != nil }

func changedProviders(works []*work) []*work {
	return slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return !w.changedProviders() })
}

// reloadAccessLists has every switch read its access lists again, and returns what each says.
func (p *pass) reloadAccessLists(ctx context.Context) []taken {
	said := make([]taken, len(p.batches))
	p.eachSwitch(func(i int, b *batch) { said[i].err = b.sw.Fault(b.sw.ReloadAccessLists(ctx)) })
	return said
}
