package fusionpbx

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// DomainGateways is a domain with how many gateways it has.
type DomainGateways struct {
	Domain
	Gateways        int
	EnabledGateways int // of those
}

// DomainsWithGateways returns a page of the domains, by name in lower case: at most limit after the one of that name,
// "" for the first page.
func (d *DB) DomainsWithGateways(ctx context.Context, domains tenant.Domains, after string, limit int) ([]DomainGateways, error) {
	type row struct {
		UUID, Name        string
		On                bool
		Gateways, Calling int
	}
	found, err := again(ctx, d, func() ([]row, error) {
		return postgres.Rows(ctx, d.q, "reading domains", pgx.RowToStructByPos[row], `
			select domain_uuid::text, coalesce(domain_name, ''), coalesce(`+d.isTrue("v_domains", "d.domain_enabled")+`, true), g.gateways, g.enabled
			from (select * from v_domains where ($1 or domain_uuid = any($2::uuid[])) and lower(coalesce(domain_name, '')) collate "C" > lower($3) collate "C"
				order by lower(coalesce(domain_name, '')) collate "C", domain_uuid limit $4) d,
			lateral (select count(*)::integer as gateways, (count(*) filter (where `+d.isTrue("v_gateways", "v.enabled")+`))::integer as enabled
				from v_gateways v where v.domain_uuid = d.domain_uuid) g
			order by lower(coalesce(domain_name, '')) collate "C", domain_uuid`, domains.All, domains.UUIDs(), after, limit)
	})
	all := make([]DomainGateways, len(found))
	for i, r := range found {
		all[i] = DomainGateways{Domain: Domain{UUID: r.UUID, Name: r.Name, Enabled: r.On}, Gateways: r.Gateways, EnabledGateways: r.Calling}
	}
	return all, err
}
