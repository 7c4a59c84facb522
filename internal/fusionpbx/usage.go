package fusionpbx

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// DomainUsage is one domain's: its calls that began in the span, and the extensions and gateways that it
// has now.
type DomainUsage struct {
	Domain     string `json:"domain"`
	DomainUUID string `json:"domain_uuid" format:"uuid"`
	Calls      int64  `json:"calls"` // each counted once
	Answered   int64  `json:"answered"`
	Seconds    Billed `json:"seconds"`
	Extensions int64  `json:"extensions"` // now
	Gateways   int64  `json:"gateways"`   // now
}

// Billed is billed seconds by direction.
type Billed struct {
	Inbound  int64 `json:"inbound"`
	Outbound int64 `json:"outbound"`
	Local    int64 `json:"local"`
	Other    int64 `json:"other"`
}

// UsageFilter says whose usage is asked for, and when: calls that began in the half-open window Start to
// End.
type UsageFilter struct {
	Domains    tenant.Domains
	Start, End time.Time
}

// Usage returns the usage of each domain, ordered by name, in one statement; a domain without calls is
// there with zeros. A call is counted once, whatever legs it had: leg b is left out, and so is a call
// that was answered elsewhere (LOSE_RACE), which FusionPBX's own page hides too. Seconds of a call of
// another direction, or of none, are Other. Extensions and gateways count if they are disabled too; global
// gateways belong to no domain.
func (d *DB) Usage(ctx context.Context, f UsageFilter) ([]DomainUsage, error) {
	return again(ctx, d, func() ([]DomainUsage, error) { return d.usage(ctx, f) })
}

func (d *DB) usage(ctx context.Context, f UsageFilter) ([]DomainUsage, error) {
	direction := d.orNull("v_xml_cdr", "c.direction")
	billed := "coalesce(sum(" + d.number("v_xml_cdr", "c.billsec") + ")"
	return postgres.Rows(ctx, d.q, "reading usage", readUsage, `
		with wanted as (
			select domain_uuid, coalesce(domain_name, '') as name from v_domains where $1 or domain_uuid = any($2::uuid[])
		), calls as (
			select c.domain_uuid, count(*) as calls, count(*) filter (where `+d.wasAnswered("c.")+`) as answered,
				`+billed+` filter (where `+direction+` = 'inbound'), 0)::bigint as inbound,
				`+billed+` filter (where `+direction+` = 'outbound'), 0)::bigint as outbound,
				`+billed+` filter (where `+direction+` = 'local'), 0)::bigint as local,
				`+billed+` filter (where coalesce(`+direction+`, '') not in ('inbound', 'outbound', 'local')), 0)::bigint as other
			from v_xml_cdr c
			where c.start_stamp >= $3 and c.start_stamp < $4 and ($1 or c.domain_uuid = any($2::uuid[]))
			`+d.countedOnce("c.", CDRChoice{})+`
			group by c.domain_uuid
		), extensions as (
			select domain_uuid, count(*) as n from v_extensions group by domain_uuid
		), gateways as (
			select domain_uuid, count(*) as n from v_gateways group by domain_uuid
		)
		select w.domain_uuid::text, w.name, coalesce(c.calls, 0), coalesce(c.answered, 0),
			coalesce(c.inbound, 0), coalesce(c.outbound, 0), coalesce(c.local, 0), coalesce(c.other, 0),
			coalesce(e.n, 0), coalesce(g.n, 0)
		from wanted w left join calls c using (domain_uuid)
		left join extensions e using (domain_uuid) left join gateways g using (domain_uuid)
		order by lower(w.name), w.domain_uuid`, f.Domains.All, f.Domains.UUIDs(), f.Start, f.End)
}

func readUsage(row pgx.CollectableRow) (u DomainUsage, err error) {
	err = row.Scan(&u.DomainUUID, &u.Domain, &u.Calls, &u.Answered,
		&u.Seconds.Inbound, &u.Seconds.Outbound, &u.Seconds.Local, &u.Seconds.Other, &u.Extensions, &u.Gateways)
	return u, err
}

// number is an SQL expression of a column's number, 0 if it is NULL, empty or missing. A numeric column is
// not cast.
func (d *DB) number(table, qualified string) string {
	switch d.typeOf(table, qualified) {
	case "":
		return "0"
	case "numeric", "bigint", "integer", "smallint":
		return "coalesce(" + qualified + ", 0)"
	}
	return "coalesce(nullif(trim(" + qualified + "::text), '')::numeric, 0)"
}
