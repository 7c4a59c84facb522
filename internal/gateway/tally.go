package gateway

import (
	"cmp"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// StateDisabled is the state, in a Tally, of a gateway that is disabled.
const StateDisabled = "DISABLED"

// Tally is how many gateways stand in one state.
type Tally struct {
	State    string // FreeSWITCH's word for the registration, NOT_LOADED or DISABLED
	Up       bool
	Gateways int
}

// CountStates counts the domains' gateways by how the switches showed them when they were last heard of, the most first.
// It asks no switch.
func CountStates(ctx context.Context, q postgres.Querier, db *fusionpbx.DB, domains tenant.Domains) ([]Tally, error) {
	rows, err := db.GatewaysIn(ctx, domains, "enabled")
	if err != nil {
		return nil, err
	}
	uuids := make([]string, len(rows))
	for i, row := range rows {
		uuids[i] = row.UUID
	}
	type kept struct{ UUID, Switch, State, Status string }
	found, err := postgres.Rows(ctx, q, "reading the gateways' states", pgx.RowToStructByPos[kept],
		"select gateway_uuid::text, switch, state, status from trunkline.gateway_states where gateway_uuid = any($1::uuid[]) order by gateway_uuid, switch", uuids)
	if err != nil {
		return nil, err
	}
	shown := map[string][]Shown{}
	for _, k := range found {
		shown[k.UUID] = append(shown[k.UUID], Shown{Switch: k.Switch, State: k.State, Status: k.Status})
	}
	counts := map[Tally]int{}
	for _, row := range rows {
		state, status := StateOf(shown[row.UUID])
		if !row.Enabled() {
			state, status = StateDisabled, statusDown
		}
		counts[Tally{State: state, Up: status != statusDown}]++
	}
	tallies := make([]Tally, 0, len(counts))
	for t, n := range counts {
		t.Gateways = n
		tallies = append(tallies, t)
	}
	slices.SortFunc(tallies, func(a, b Tally) int { return cmp.Or(b.Gateways-a.Gateways, cmp.Compare(a.State, b.State)) })
	return tallies, nil
}
