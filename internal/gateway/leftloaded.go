package gateway

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
)

// A switch that goes away while it loads a gateway may have it loaded, and keep it, although its row was put back.
// trunkline.left_loaded remembers these from the transaction that puts the row back until the switch was seen to be
// right, so that no crash in between forgets one. So it does with the access list providers that such a switch may go by.

// LeftLoaded is a gateway that a switch may have loaded with what was taken back.
type LeftLoaded struct {
	GatewayUUID string
	Switch      string // its event socket, host:port
	DomainUUID  string // "": it is global
	Loaded      bool   // false: it is the access list providers alone that the switch may go by as it was with this gateway
}

// noteLeft remembers, in the transaction that puts back the rows, what the switches that were touched may have loaded,
// and that any of them may go by the access list as it was: the list is the PBX's, so that one work stands for all.
func (p *pass) noteLeft(ctx context.Context, tx pgx.Tx, works []*work) error {
	var uuids, switches, domains []string
	var loaded, providers []bool
	changed := slices.IndexFunc(works, (*work).changedProviders)
	for n, w := range works {
		for i, b := range p.batches {
			if w.undoing.touched[i] || n == changed {
				uuids, switches, domains = append(uuids, w.uuid()), append(switches, b.sw.Addr()), append(domains, w.DomainUUID)
				loaded, providers = append(loaded, w.undoing.touched[i]), append(providers, n == changed)
			}
		}
	}
	if len(uuids) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		insert into trunkline.left_loaded as noted (gateway_uuid, switch, domain_uuid, loaded, providers)
		select uuid, switch, nullif(min(domain), '')::uuid, bool_or(loaded), bool_or(providers)
		from unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::boolean[]) as touched (uuid, switch, domain, loaded, providers)
		group by uuid, switch
		on conflict (gateway_uuid, switch) do update set loaded = noted.loaded or excluded.loaded, providers = noted.providers or excluded.providers`,
		uuids, switches, domains, loaded, providers)
	if err != nil {
		return fmt.Errorf("noting what switches may have left loaded: %w", err)
	}
	return nil
}

// forgetLeft forgets those of which the switches are seen to be right. What fails here is found to be right later.
func (p *pass) forgetLeft(ctx context.Context, works []*work) error {
	var uuids, switches []string
	var lists []bool // the switch has read its access lists
	for _, w := range works {
		for i, b := range p.batches {
			if i < len(w.taken) && w.taken[i].err == nil {
				uuids, switches = append(uuids, w.meantUUID()), append(switches, b.sw.Addr())
				lists = append(lists, w.lists != nil && w.lists[i].err == nil)
			}
		}
	}
	if len(uuids) == 0 {
		return nil
	}
	_, err := p.pbx.Pool.Exec(ctx, `
		delete from trunkline.left_loaded using unnest($1::uuid[], $2::text[], $3::boolean[]) as right_again (uuid, addr, lists)
		where gateway_uuid = right_again.uuid and switch = right_again.addr and (lists or not providers)`, uuids, switches, lists)
	if err != nil {
		return fmt.Errorf("forgetting what switches had left loaded: %w", err)
	}
	return nil
}

// leftLoaded are those of these gateways that switches may have loaded with what was taken back.
func leftLoaded(ctx context.Context, pool *pgxpool.Pool, uuids []string) (map[at]bool, error) {
	found, err := postgres.Rows(ctx, pool, "reading what switches may have left loaded", pgx.RowToStructByPos[LeftLoaded], `
		select gateway_uuid::text, switch, coalesce(domain_uuid::text, ''), loaded from trunkline.left_loaded where loaded and gateway_uuid = any($1::uuid[])`, uuids)
	left := make(map[at]bool, len(found))
	for _, l := range found {
		left[at{l.GatewayUUID, l.Switch}] = true
	}
	return left, err
}

// FindLeftLoaded returns those that a switch may have loaded which answers by now, and of which none was tried for so
// long, or the longer the longer they last: for a quarter of that, and at most for as long as rarely. The oldest of each
// switch come first, and of each at most so many. A switch is asked only if there are some.
func FindLeftLoaded(ctx context.Context, p *pbx.PBX, untried, rarely time.Duration, most int) ([]LeftLoaded, error) {
	found, err := postgres.Rows(ctx, p.Pool, "reading what switches may have left loaded", pgx.RowToStructByPos[LeftLoaded], `
		select gateway_uuid::text, switch, domain, loaded from (
			select gateway_uuid, switch, coalesce(domain_uuid::text, '') as domain, loaded, since, row_number() over (partition by switch order by since, gateway_uuid) as nth
			from trunkline.left_loaded where tried_at is null or tried_at < now() - greatest($1::interval, least($2::interval, (tried_at - since) / 4))) as left_over
		where nth <= $3 order by since, gateway_uuid`, untried, rarely, most)
	if err != nil {
		return nil, err
	}
	answers := map[string]bool{}
	var back []LeftLoaded
	for _, l := range found {
		there, asked := answers[l.Switch]
		if !asked {
			there = answering(ctx, p, l.Switch)
			answers[l.Switch] = there
		}
		if there {
			back = append(back, l)
		}
	}
	return back, nil
}

// answering reports whether the switch is one of the PBX's and answers.
func answering(ctx context.Context, p *pbx.PBX, addr string) bool {
	for _, sw := range p.Switches {
		if sw.Addr() == addr {
			status, err := sw.Status(ctx)
			return err == nil && status.Ready
		}
	}
	return false
}

// NoteTried notes which job was made to reconcile the gateway.
func NoteTried(ctx context.Context, pool *pgxpool.Pool, gatewayUUID, jobID string) error {
	_, err := pool.Exec(ctx, "update trunkline.left_loaded set tried_at = now(), job_id = $2 where gateway_uuid = $1", gatewayUUID, jobID)
	if err != nil {
		return fmt.Errorf("noting a job that reconciles what a switch left loaded: %w", err)
	}
	return nil
}

// UUIDKey is what jobs about the gateway of that uuid take their turn at.
func UUIDKey(gatewayUUID string) string { return "gateway_uuid:" + gatewayUUID }
