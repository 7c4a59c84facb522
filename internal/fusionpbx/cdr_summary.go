package fusionpbx

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// CDRSummary asks for the calls that a filter holds, summed up in groups.
type CDRSummary struct {
	CDRFilter
	// Starts are where the periods begin that calls are grouped by, in order, the first no later than the filter's Start.
	// None: time makes no groups.
	Starts                         []time.Time
	ByDomain, ByDirection, ByCause bool
	// Apart: each of these makes groups by itself, and not all of them together. They are read in one go all the same.
	Apart    bool
	EveryRow bool // counts; else each call is counted once
	Limit    int  // of groups
}

// CDRGroup is what the calls of one group come to. What the calls are not grouped by is the zero value.
type CDRGroup struct {
	MadeBy            string // of those that are made apart: period, domain_uuid, direction or cause; "" of those that all make
	Period            int    // of Starts, from 0; -1 of what another has made
	DomainUUID        string // "": they are no domain's
	Domain            string // its name; "" too if FusionPBX has the domain no more
	Direction, Cause  string // "": they have none
	Calls             int64
	Answered, Seconds int64 // calls that were answered; billed seconds
}

// SumUpCDRs sums calls up in one statement: its groups, of which none is without calls, are ordered by period, domain's
// name, direction and cause. A call belongs to the period in which it began. Errors: those of CDRQuery.
func (d *DB) SumUpCDRs(ctx context.Context, s CDRSummary) ([]CDRGroup, error) {
	if !s.All && s.DomainUUID == "" {
		return nil, errNoCDRDomain
	}
	from, args, err := d.cdrsOf(s.CDRFilter)
	if err != nil {
		return nil, err
	}
	if !s.EveryRow {
		from += d.countedOnce("v_xml_cdr.", s.Choice)
	}
	type key struct {
		name, sql, none string // none is what stands there if it makes no groups
		asked           bool
	}
	if len(s.Starts) > 0 {
		args = append(args, s.Starts)
	}
	keys := []key{
		{"period", fmt.Sprintf("width_bucket(v_xml_cdr.start_stamp, $%d::timestamptz[])", len(args)), "1", len(s.Starts) > 0},
		{"domain_uuid", "v_xml_cdr.domain_uuid", "null::uuid", s.ByDomain},
		{"direction", "coalesce(" + d.orNull("v_xml_cdr", "v_xml_cdr.direction") + ", '')", "''", s.ByDirection},
		{"cause", "coalesce(" + d.orNull("v_xml_cdr", "v_xml_cdr.hangup_cause") + ", '')", "''", s.ByCause},
	}
	var selected, by, again, sets, made []string
	for _, k := range keys {
		value, after := k.none, k.none
		if k.asked {
			value, after = k.sql, k.name
			by, sets, made = append(by, k.sql), append(sets, "("+k.name+")"), append(made, fmt.Sprintf("when grouping(%s) = 0 then '%s'", k.name, k.name))
		}
		selected, again = append(selected, value+" as "+k.name), append(again, after+" as "+k.name)
	}
	grouped := ""
	if len(by) > 0 {
		grouped = " group by " + strings.Join(by, ", ")
	}
	sums := "sums as (select *, '' as made_by from together)"
	if s.Apart && len(by) > 0 {
		// Of what all together come to, which is little, so that several processes can read the calls.
		sums = `sums as (
			select ` + strings.Join(again, ", ") + `, sum(calls)::bigint as calls, sum(answered)::bigint as answered, sum(seconds)::bigint as seconds,
				case ` + strings.Join(made, " ") + ` end as made_by
			from together group by grouping sets (` + strings.Join(sets, ", ") + `)
		)`
	}
	return postgres.Rows(ctx, d.q, "summing up CDRs", readCDRGroup, `
		with together as (
			select `+strings.Join(selected, ", ")+`,
				count(*) as calls, count(*) filter (where `+d.wasAnswered("v_xml_cdr.")+`) as answered,
				coalesce(sum(`+d.number("v_xml_cdr", "v_xml_cdr.billsec")+`), 0)::bigint as seconds
			from v_xml_cdr`+from+grouped+`
		), `+sums+`
		select s.made_by, coalesce(s.period, 0) - 1, coalesce(s.domain_uuid::text, ''), coalesce(v_domains.domain_name, '') as domain,
			coalesce(s.direction, ''), coalesce(s.cause, ''), s.calls, s.answered, s.seconds
		from sums s left join v_domains using (domain_uuid)
		where s.calls > 0
		order by s.period, lower(v_domains.domain_name), s.domain_uuid, s.direction, s.cause
		limit `+fmt.Sprint(s.Limit), args...)
}

func readCDRGroup(row pgx.CollectableRow) (g CDRGroup, err error) {
	err = row.Scan(&g.MadeBy, &g.Period, &g.DomainUUID, &g.Domain, &g.Direction, &g.Cause, &g.Calls, &g.Answered, &g.Seconds)
	return g, err
}
