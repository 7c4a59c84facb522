package fusionpbx

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// NthCDRQuery is the statement that reads the start_stamp of the nth CDR of the filter, in their order, or nothing if there are
// fewer.
func (d *DB) NthCDRQuery(f CDRFilter, n int64) (sql string, args []any, err error) {
	cdrs, args, err := d.withLate(f, func(CDRFilter) (string, error) { return "select v_xml_cdr.start_stamp from v_xml_cdr", nil })
	return fmt.Sprintf("%s order by start_stamp limit 1 offset %d", cdrs, n-1), args, err
}

// CDRSpan is a span that is cut out of a filter's window: it begins at Start, and ends where the next one begins. Before is
// the txid of the transaction from which on its CDRs are newer ones.
type CDRSpan struct {
	Start  time.Time
	Before int64
}

// CDRsOfSpan are the CDRs of a span, and whether any of them is a newer one.
type CDRsOfSpan struct {
	CDRs  int64
	Newer bool
}

// CompareCDRs are those of the filter's window in the spans that it is cut into, the first of which begins at its Start. It
// can tell for two thousand million transactions back.
//
// A row says in which transaction it was written as it is now, and has the age of that. What was written so long ago that
// the numbers have begun anew counts as newer: its age cannot be told.
func (d *DB) CompareCDRs(ctx context.Context, f CDRFilter, spans []CDRSpan) ([]CDRsOfSpan, error) {
	cdrs, args, err := d.withLate(f, func(CDRFilter) (string, error) {
		return "select v_xml_cdr.start_stamp, age(v_xml_cdr.xmin) as age from v_xml_cdr", nil
	})
	if err != nil {
		return nil, err
	}
	starts, befores := make([]time.Time, len(spans)), make([]int64, len(spans))
	for i, span := range spans {
		starts[i], befores[i] = span.Start, span.Before
	}
	args = append(args, starts, befores)
	type found struct {
		span int
		CDRsOfSpan
	}
	rows, err := postgres.Rows(ctx, d.q, "comparing CDRs", func(row pgx.CollectableRow) (f found, err error) {
		err = row.Scan(&f.span, &f.CDRs, &f.Newer)
		return f, err
	}, fmt.Sprintf(`
		select span, cdrs, youngest <= age((($%d::bigint[])[span] %% 4294967296)::text::xid) from (
			select width_bucket(start_stamp, $%d::timestamptz[]) as span, count(*) as cdrs, min(age) as youngest
			from (%s) as cdrs group by 1) as spans`, len(args), len(args)-1, cdrs), args...)
	if err != nil {
		return nil, err
	}
	all := make([]CDRsOfSpan, len(spans))
	for _, f := range rows {
		all[f.span-1] = f.CDRsOfSpan
	}
	return all, nil
}

// FoundCDR is a CDR by its UUID and its time.
type FoundCDR struct {
	UUID       [16]byte
	DomainUUID string // "": none
	Start      time.Time
}

// NewerCDRs are those of the filter's CDRs that a transaction of that txid or a later one wrote, as CompareCDRs tells, or with
// all of them whoever wrote them.
func (d *DB) NewerCDRs(ctx context.Context, f CDRFilter, before int64, all bool) ([]FoundCDR, error) {
	cdrs, args, err := d.withLate(f, func(CDRFilter) (string, error) {
		return "select v_xml_cdr.xml_cdr_uuid as id, coalesce(v_xml_cdr.domain_uuid::text, '') as domain, v_xml_cdr.start_stamp as at, v_xml_cdr.xmin as wrote from v_xml_cdr", nil
	})
	if err != nil {
		return nil, err
	}
	args = append(args, all, before)
	return postgres.Rows(ctx, d.q, "looking for CDRs that came late", pgx.RowToStructByPos[FoundCDR], fmt.Sprintf(
		"select id, domain, at from (%s) as cdrs where $%d or age(wrote) <= age(($%d::bigint %% 4294967296)::text::xid) order by at, id", cdrs, len(args)-1, len(args)), args...)
}
