package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
)

// Turn is a gateway that has gone up or down on a switch and stayed so.
type Turn struct {
	GatewayUUID string
	Switch      string
	State       string // FreeSWITCH's word for the registration
	Status      string // UP or DOWN
	Since       time.Time
	Before      string // UP or DOWN, as was told last; "": it is known for the first time, which is no news
}

// turns are the gateways that stand otherwise than was told last.
const turns = `from trunkline.gateway_states as now left join trunkline.gateway_told as told using (gateway_uuid, switch)
	where told.status is distinct from now.status and now.status in ('UP', 'DOWN')`

// TakeTurns returns up to so many gateways that stand otherwise than was told of them last, and have since then or before, the
// longest first. It does so in the caller's transaction, which makes what tells of them: once that is committed they are told.
func TakeTurns(ctx context.Context, tx pgx.Tx, since time.Time, most int) ([]Turn, error) {
	return postgres.Rows(ctx, tx, "looking for gateways that have gone up or down", pgx.RowToStructByPos[Turn], `
		with taken as (
			select gateway_uuid, switch, now.state, now.status, now.status_since, coalesce(told.status, '') as before `+turns+` and now.status_since <= $1
			order by now.status_since, gateway_uuid, switch limit $2
		), kept as (
			insert into trunkline.gateway_told select gateway_uuid, switch, status from taken
			on conflict (gateway_uuid, switch) do update set status = excluded.status
		)
		select gateway_uuid::text, switch, state, status, status_since, before from taken order by status_since, gateway_uuid, switch`, since, most)
}

// Unsettled reports whether a gateway stands otherwise than was told last, be it for a moment.
func Unsettled(ctx context.Context, q postgres.Querier) (bool, error) {
	return postgres.Value[bool](ctx, q, "looking for gateways that have gone up or down", "select exists (select "+turns+")")
}

// ForgetTold forgets what was told of gateways that there are no more.
func ForgetTold(ctx context.Context, p *pbx.PBX) error {
	unseen, err := postgres.Rows(ctx, p.Pool, "reading what was told of gateways", pgx.RowTo[string], `
		select distinct gateway_uuid::text from trunkline.gateway_told
		where not exists (select from trunkline.gateway_states where gateway_states.gateway_uuid = gateway_told.gateway_uuid)`)
	if err != nil || len(unseen) == 0 {
		return err
	}
	there, err := p.FusionPBX.GatewaysByUUIDs(ctx, unseen)
	if err != nil {
		return err
	}
	var gone []string
	for _, id := range unseen {
		if _, is := there[id]; !is {
			gone = append(gone, id)
		}
	}
	if _, err := p.Pool.Exec(ctx, "delete from trunkline.gateway_told where gateway_uuid = any($1::uuid[])", gone); err != nil {
		return fmt.Errorf("forgetting what was told of gateways: %w", err)
	}
	return nil
}
