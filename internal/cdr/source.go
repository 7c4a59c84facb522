package cdr

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// furtherPatience is how long a further connection is waited for; without it an export is slower, and no other.
const furtherPatience = 100 * time.Millisecond

// cdrs is where an export's rows come from.
type cdrs struct {
	pool   *pgxpool.Pool
	db     *fusionpbx.DB
	filter fusionpbx.CDRFilter
	share  int // as Exporter has it
}

// ConnectionsName is the application_name of the connections that export jobs read through.
const ConnectionsName = "trunkline export"

// Connect implements export.Source.
func (s cdrs) Connect(ctx context.Context, first bool) (*pgx.Conn, func(), error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if !first {
		waiting, cancel = context.WithTimeout(ctx, furtherPatience)
	}
	defer cancel()
	conn, err := s.pool.Acquire(waiting)
	switch {
	case err == nil && first:
		return conn.Conn(), conn.Release, nil
	case err == nil:
		within, err := s.withinShare(ctx, conn)
		if !within || err != nil {
			conn.Release()
			return nil, nil, err
		}
		return conn.Conn(), conn.Release, nil
	case !first && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return nil, nil, nil
	}
	return nil, nil, err
}

// withinShare reports whether exports, this connection included, have no more of the server's connections than they may.
func (s cdrs) withinShare(ctx context.Context, conn *pgxpool.Conn) (bool, error) {
	return postgres.Value[bool](ctx, conn, "counting the connections of exports", `
		select count(*) * 100 <= current_setting('max_connections')::integer * $1::integer
		from pg_stat_activity where application_name = $2`, s.share, ConnectionsName)
}

// Rows implements export.Source.
func (s cdrs) Rows(span export.Span) (string, []any, error) { return s.db.CDRQuery(s.within(span)) }

// Nth implements export.Source.
func (s cdrs) Nth(span export.Span, n int64) (string, []any, error) {
	return s.db.NthCDRQuery(s.within(span), n)
}

// Compare implements export.Source.
func (s cdrs) Compare(ctx context.Context, tx pgx.Tx, slices []export.Slice) ([]export.Compared, error) {
	spans := make([]fusionpbx.CDRSpan, len(slices))
	for i, slice := range slices {
		spans[i] = fusionpbx.CDRSpan{Start: slice.From, Before: slice.Seen.Before}
	}
	found, err := s.db.In(tx).CompareCDRs(ctx, s.within(export.Span{From: slices[0].From, To: slices[len(slices)-1].To}), spans)
	if err != nil {
		return nil, err
	}
	compared := make([]export.Compared, len(found))
	for i, f := range found {
		compared[i] = export.Compared{Rows: f.CDRs, Newer: f.Newer}
	}
	return compared, nil
}

func (s cdrs) within(span export.Span) fusionpbx.CDRFilter {
	f := s.filter
	f.Start, f.End = span.From, span.To
	return f
}
