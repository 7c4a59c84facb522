package fusionpbx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

const (
	// CarriedOver is how long before a span a call may have begun to be counted among those that are up in it. Without a
	// bound each question would have to read the whole table.
	CarriedOver = 24 * time.Hour
	// longestCall bounds what is believed of a duration, in seconds.
	longestCall = 366 * 24 * 60 * 60
)

// CDRPeak is the most calls that were up at the same moment of a period.
type CDRPeak struct {
	DomainUUID string // whose, if domains are apart; "": they are no domain's
	Period     int    // from 0
	Channels   int64
	At         time.Time // when so many were up for the first time
}

// CDRPeaks returns the peak of each period in which a call was up, in order, and up to so many of them, in one statement. Starts are where the
// periods begin, the first being the filter's Start. A call is up from start_stamp until end_stamp, at which moment it is no more; if end_stamp
// is missing or not after start_stamp, until its duration has passed, and if that is nothing it never was. Calls that began up to
// CarriedOver before the span are up in it too. Each call counts once unless every row does. Errors: those of CDRQuery.
func (d *DB) CDRPeaks(ctx context.Context, f CDRFilter, starts []time.Time, everyRow bool, limit int) ([]CDRPeak, error) {
	if !f.All && f.DomainUUID == "" {
		return nil, errNoCDRDomain
	}
	start := f.Start
	f.Start = start.Add(-CarriedOver)
	from, args, err := d.cdrsOf(f)
	if err != nil {
		return nil, err
	}
	if !everyRow {
		from += d.countedOnce("v_xml_cdr.", f.Choice)
	}
	return d.peaks(ctx, "null::uuid", from, args, start, starts, limit)
}

// UsagePeaks is CDRPeaks of each domain by itself, ordered by domain.
func (d *DB) UsagePeaks(ctx context.Context, f UsageFilter, starts []time.Time, limit int) ([]CDRPeak, error) {
	return again(ctx, d, func() ([]CDRPeak, error) {
		from := ` where v_xml_cdr.start_stamp >= $1 and v_xml_cdr.start_stamp < $2
			and v_xml_cdr.domain_uuid in (select domain_uuid from v_domains where $3 or domain_uuid = any($4::uuid[]))` + d.countedOnce("v_xml_cdr.", CDRChoice{})
		args := []any{f.Start.Add(-CarriedOver), f.End, f.Domains.All, f.Domains.UUIDs()}
		return d.peaks(ctx, "v_xml_cdr.domain_uuid", from, args, f.Start, starts, limit)
	})
}

// peaks asks for the peaks of the calls that from chooses, whose second argument is the end of the span. Every call is two events, by
// which the number of those that are up changes, and a third, by which it does not, wherever a period begins while it is up. It
// peaks at one that does not lessen it. The database sorts the events, on disk beyond its work_mem.
func (d *DB) peaks(ctx context.Context, domain, from string, args []any, start time.Time, starts []time.Time, limit int) ([]CDRPeak, error) {
	args = append(args, start, starts)
	first, periods := fmt.Sprintf("$%d::timestamptz", len(args)-1), fmt.Sprintf("$%d::timestamptz[]", len(args))
	lasts := "v_xml_cdr.start_stamp + least(greatest(" + d.number("v_xml_cdr", "v_xml_cdr.duration") + ", 0), " + fmt.Sprint(longestCall) + ")::float8 * interval '1 second'"
	ended := lasts
	if d.hasColumn("v_xml_cdr", "end_stamp") {
		const end = "v_xml_cdr.end_stamp::timestamptz"
		ended = "case when " + end + " > v_xml_cdr.start_stamp then " + end + " else " + lasts + " end"
	}
	return postgres.Rows(ctx, d.q, "reading the peaks of CDRs", readCDRPeak, `
		with calls as (
			select domain_uuid, greatest(began, `+first+`) as began, ended
			from (select `+domain+` as domain_uuid, v_xml_cdr.start_stamp as began, `+ended+` as ended from v_xml_cdr`+from+`) chosen
			where ended > greatest(began, `+first+`)
		), events as (
			select domain_uuid, began as at, 1 as change from calls
			union all select domain_uuid, ended, -1 from calls where ended < $2
			union all select domain_uuid, period, 0 from calls,
				unnest((`+periods+`)[width_bucket(began, `+periods+`) + 1:width_bucket(ended, `+periods+`)]) as period
				where width_bucket(began, `+periods+`) < width_bucket(ended, `+periods+`)
		), running as (
			select domain_uuid, at, change, sum(change) over (partition by domain_uuid order by at) as channels from events
		), highest as (
			select domain_uuid, width_bucket(at, `+periods+`) as period,
				max(array[channels::float8, -extract(epoch from at)::float8]) as peak -- of equal ones the first
			from running where change >= 0 and channels > 0 group by 1, 2
		)
		select coalesce(domain_uuid::text, ''), period - 1, peak[1]::bigint, to_timestamp(-peak[2])
		from highest order by domain_uuid, period limit `+fmt.Sprint(limit), args...)
}

func readCDRPeak(row pgx.CollectableRow) (p CDRPeak, err error) {
	err = row.Scan(&p.DomainUUID, &p.Period, &p.Channels, &p.At)
	return p, err
}
