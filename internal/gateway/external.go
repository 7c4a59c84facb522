package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
)

// Resolve finds the gateway that the request's external_id names, whatever it is called by now: a request that calls
// it otherwise renames it. It returns the request as it is if there is none yet. A fault.Conflict is an external_id that
// differs from another one in case alone, or a deletion that calls the gateway otherwise.
func Resolve(ctx context.Context, p *pbx.PBX, asked Request) (Request, error) {
	resolved, faults, err := ResolveAll(ctx, p, []Request{asked})
	if err != nil {
		return asked, err
	}
	return resolved[0], faults[0]
}

// ResolveAll is Resolve of any number of requests, in two questions. faults has a place for each of them.
func ResolveAll(ctx context.Context, p *pbx.PBX, asked []Request) (resolved []Request, faults []error, err error) {
	resolved, faults = slices.Clone(asked), make([]error, len(asked))
	var domains, ids []string
	for _, r := range asked {
		if r.ExternalID != "" {
			domains, ids = append(domains, r.DomainUUID), append(ids, r.ExternalID)
		}
	}
	if len(ids) == 0 {
		return resolved, faults, nil
	}
	type named struct{ DomainUUID, Asked, ExternalID, UUID string }
	found, err := postgres.Rows(ctx, p.Pool, "reading whose external_id it is", pgx.RowToStructByPos[named], `
		select asked.domain, asked.id, e.external_id, e.gateway_uuid::text
		from (select distinct * from unnest($1::text[], $2::text[]) as asked (domain, id)) as asked
		join trunkline.external_ids e on coalesce(e.domain_uuid, '00000000-0000-0000-0000-000000000000')
				= coalesce(nullif(asked.domain, '')::uuid, '00000000-0000-0000-0000-000000000000')
			and lower(e.external_id) = lower(asked.id)`, domains, ids)
	if err != nil || len(found) == 0 {
		return resolved, faults, err
	}
	rows, err := p.FusionPBX.GatewaysByUUIDs(ctx, each(found, func(n named) string { return n.UUID }))
	if err != nil {
		return nil, nil, err
	}
	names := make(map[[2]string]named, len(found))
	for _, n := range found {
		names[[2]string{n.DomainUUID, n.Asked}] = n
	}
	for i, r := range asked {
		n, known := names[[2]string{r.DomainUUID, r.ExternalID}]
		row, there := rows[n.UUID]
		if known && there && row.DomainUUID == r.DomainUUID {
			resolved[i], faults[i] = r.resolved(n.ExternalID, row)
		}
	}
	return resolved, faults, nil
}

// resolved is the request about the gateway that the external_id names, as it was written.
func (r Request) resolved(externalID string, row fusionpbx.Gateway) (Request, error) {
	switch {
	case externalID != r.ExternalID:
		return r, fault.Errorf(fault.Conflict, "external_id: %q is that of gateway %s, but for its case; write it as it was, or use another one",
			fault.Clip(externalID), row.UUID)
	case r.Name != "" && r.Name != row.Label() && r.Delete:
		return r, fault.Errorf(fault.Conflict, "gateway_name: external_id %q names gateway %q; send one of them, or both as they belong together",
			fault.Clip(r.ExternalID), row.Label())
	case r.Name != "" && r.Name != row.Label():
		r.Values = maps.Clone(r.Values)
		r.Values["gateway"] = r.Name
	}
	r.GatewayUUID, r.Name = row.UUID, row.Label()
	return r, nil
}

// ExternalName says which gateway a request's external_id names.
type ExternalName struct {
	Asked       *Request
	GatewayUUID string
}

// NameExternally is NameExternally of any number, in one statement. No two of them have one external_id.
func NameExternally(ctx context.Context, tx pgx.Tx, named []ExternalName) error {
	if len(named) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		insert into trunkline.external_ids (domain_uuid, external_id, gateway_uuid)
		select nullif(domain, '')::uuid, id, gateway from unnest($1::text[], $2::text[], $3::uuid[]) as named (domain, id, gateway)
		on conflict (coalesce(domain_uuid, '00000000-0000-0000-0000-000000000000'), lower(external_id))
		do update set external_id = excluded.external_id, gateway_uuid = excluded.gateway_uuid`,
		each(named, func(n ExternalName) string { return n.Asked.DomainUUID }),
		each(named, func(n ExternalName) string { return n.Asked.ExternalID }),
		each(named, func(n ExternalName) string { return n.GatewayUUID }))
	if err != nil {
		return fmt.Errorf("noting a gateway's external_id: %w", err)
	}
	return nil
}

// UnnameExternally is UnnameExternally of any number, in one statement.
func UnnameExternally(ctx context.Context, tx pgx.Tx, asked []*Request) error {
	if len(asked) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		delete from trunkline.external_ids e using unnest($1::text[], $2::text[]) as asked (domain, id)
		where coalesce(e.domain_uuid, '00000000-0000-0000-0000-000000000000')
				= coalesce(nullif(asked.domain, '')::uuid, '00000000-0000-0000-0000-000000000000')
			and lower(e.external_id) = lower(asked.id) and e.external_id = asked.id`,
		each(asked, func(r *Request) string { return r.DomainUUID }), each(asked, func(r *Request) string { return r.ExternalID }))
	if err != nil {
		return fmt.Errorf("taking back a gateway's external_id: %w", err)
	}
	return nil
}

// ForgetExternally is ForgetExternally of any number.
func ForgetExternally(ctx context.Context, pool *pgxpool.Pool, gatewayUUIDs []string) error {
	if len(gatewayUUIDs) == 0 {
		return nil
	}
	if _, err := pool.Exec(ctx, "delete from trunkline.external_ids where gateway_uuid = any($1::uuid[])", gatewayUUIDs); err != nil {
		return fmt.Errorf("forgetting a gateway's external_id: %w", err)
	}
	return nil
}

// Existing are the rows that bear on the request: those of its gateway, and those that bear the name it is to get.
func Existing(ctx context.Context, db *fusionpbx.DB, asked Request) ([]fusionpbx.Gateway, error) {
	rows, err := ExistingOfAll(ctx, db, []Request{asked})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// ExistingOfAll is Existing of any number of requests, in two questions.
func ExistingOfAll(ctx context.Context, db *fusionpbx.DB, asked []Request) ([][]fusionpbx.Gateway, error) {
	works := each(asked, func(r Request) *work { return &work{Change: &Change{Request: r}} })
	rows, err := existing(ctx, db, works)
	return each(works, func(w *work) []fusionpbx.Gateway { return rows[w] }), err
}

func existing(ctx context.Context, db *fusionpbx.DB, works []*work) (map[*work][]fusionpbx.Gateway, error) {
	var labels []fusionpbx.Label
	var uuids []string
	for _, w := range works {
		labels = append(labels, w.labels()...)
		for _, uuid := range []string{w.GatewayUUID, w.CopyOf} {
			if uuid != "" {
				uuids = append(uuids, uuid)
			}
		}
	}
	byLabel, err := db.GatewaysByLabels(ctx, labels)
	if err != nil {
		return nil, err
	}
	byUUID := map[string]fusionpbx.Gateway{}
	if len(uuids) > 0 {
		if byUUID, err = db.GatewaysByUUIDs(ctx, uuids); err != nil {
			return nil, err
		}
	}
	found := map[*work][]fusionpbx.Gateway{}
	for _, w := range works {
		named := []string{w.GatewayUUID, w.CopyOf}
		for _, uuid := range named {
			if row, there := byUUID[uuid]; there && row.DomainUUID == w.DomainUUID {
				found[w] = append(found[w], row)
			}
		}
		for _, label := range w.labels() {
			for _, row := range byLabel[label] {
				if !slices.Contains(named, row.UUID) {
					found[w] = append(found[w], row)
				}
			}
		}
	}
	return found, nil
}

// labels are the gateway's, and the one that it is to have.
func (w *work) labels() []fusionpbx.Label {
	labels := []fusionpbx.Label{w.label()}
	if name := w.NewName(); name != "" && name != w.Name {
		labels = append(labels, fusionpbx.Label{DomainUUID: w.DomainUUID, Name: name})
	}
	return labels
}

// DomainsOf are the domains in which a gateway that there is has the external_id, "" for the global ones.
func DomainsOf(ctx context.Context, p *pbx.PBX, externalID string) ([]string, error) {
	type named struct{ Domain, UUID string }
	found, err := postgres.Rows(ctx, p.Pool, "reading whose external_id it is", pgx.RowToStructByPos[named], `
		select coalesce(domain_uuid::text, ''), gateway_uuid::text from trunkline.external_ids where lower(external_id) = lower($1) order by 1`, externalID)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	rows, err := p.FusionPBX.GatewaysByUUIDs(ctx, each(found, func(n named) string { return n.UUID }))
	var domains []string
	for _, n := range found {
		if row, there := rows[n.UUID]; there && row.DomainUUID == n.Domain {
			domains = append(domains, n.Domain)
		}
	}
	return domains, err
}

// ExternalIDs are the external_ids of these gateways, by uuid.
func ExternalIDs(ctx context.Context, q postgres.Querier, uuids []string) (map[string][]string, error) {
	type named struct{ UUID, ExternalID string }
	found, err := postgres.Rows(ctx, q, "reading external_ids", pgx.RowToStructByPos[named], `
		select gateway_uuid::text, external_id from trunkline.external_ids where gateway_uuid = any($1::uuid[]) order by 1, 2`, uuids)
	ids := map[string][]string{}
	for _, n := range found {
		ids[n.UUID] = append(ids[n.UUID], n.ExternalID)
	}
	return ids, err
}

// WithExternalID are the uuids of the gateways that have the external_id, in any domain.
func WithExternalID(ctx context.Context, q postgres.Querier, externalID string) ([]string, error) {
	return postgres.Rows(ctx, q, "reading whose external_id it is", pgx.RowTo[string], `
		select gateway_uuid::text from trunkline.external_ids where lower(external_id) = lower($1) and external_id = $1`, externalID)
}
