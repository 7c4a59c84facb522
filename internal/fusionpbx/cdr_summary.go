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
	EveryRow                       bool // counts; else each call is counted once
	Limit                          int  // of groups
}

// CDRGroup is what the calls of one group come to. What the calls are not grouped by is the zero value.
type CDRGroup struct {
	Period            int    // of Starts, from 0
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
	period, domain, direction, cause, by := "1", "null::uuid", "''", "''", []string{}
	group := func(key *string, asked bool, sql string) {
		if asked {
			*key = sql
			by = append(by, sql)
		}
	}
	if len(s.Starts) > 0 {
		args = append(args, s.Starts)
		group(&period, true, fmt.Sprintf("width_bucket(v_xml_cdr.start_stamp, $%d::timestamptz[])", len(args)))
	}
	group(&domain, s.ByDomain, "v_xml_cdr.domain_uuid")
	group(&direction, s.ByDirection, "coalesce("+d.orNull("v_xml_cdr", "v_xml_cdr.direction")+", '')")
	group(&cause, s.ByCause, "coalesce("+d.orNull("v_xml_cdr", "v_xml_cdr.hangup_cause")+", '')")
	grouped := ""
	if len(by) > 0 {
		grouped = " group by " + strings.Join(by, ", ")
	}
	return postgres.Rows(ctx, d.q, "summing up CDRs", readCDRGroup, `
		with sums as (
			select `+period+` as period, `+domain+` as domain_uuid, `+direction+` as direction, `+cause+` as cause,
				count(*) as calls, count(*) filter (where `+d.wasAnswered("v_xml_cdr.")+`) as answered,
				coalesce(sum(`+d.number("v_xml_cdr", "v_xml_cdr.billsec")+`), 0)::bigint as seconds
			from v_xml_cdr`+from+grouped+`
		)
		select s.period - 1, coalesce(s.domain_uuid::text, ''), coalesce(v_domains.domain_name, '') as domain, s.direction, s.cause,
			s.calls, s.answered, s.seconds
		from sums s left join v_domains using (domain_uuid)
		where s.calls > 0
		order by s.period, lower(v_domains.domain_name), s.domain_uuid, s.direction, s.cause
		limit `+fmt.Sprint(s.Limit), args...)
}

func readCDRGroup(row pgx.CollectableRow) (g CDRGroup, err error) {
	err = row.Scan(&g.Period, &g.DomainUUID, &g.Domain, &g.Direction, &g.Cause, &g.Calls, &g.Answered, &g.Seconds)
	return g, err
}
