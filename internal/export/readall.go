package export

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// connectMore takes further connections, as many as are wanted and to be had, in the snapshot of the first.
func (w *writer) connectMore(ctx context.Context, first *pgx.Conn) (more []*pgx.Conn, release func(), err error) {
	var ends []func()
	release = func() {
		for _, end := range ends {
			end()
		}
	}
	if w.o.Connections < 2 || w.o.SliceRows == 0 {
		return nil, release, nil
	}
	var snapshot string
	if err := first.QueryRow(ctx, "select pg_export_snapshot()").Scan(&snapshot); err != nil {
		return nil, release, fmt.Errorf("sharing the snapshot: %w", err)
	}
	if !snapshotName.MatchString(snapshot) {
		return nil, release, fmt.Errorf("the server calls its snapshot %q, which is no name of one", snapshot)
	}
	for range w.o.Connections - 1 {
		conn, giveBack, err := w.source.Connect(ctx, false)
		if err != nil {
			return nil, release, err
		}
		if conn == nil {
			break
		}
		ends = append(ends, giveBack)
		tx, err := beginRead(ctx, conn, snapshot)
		if err != nil {
			return nil, release, err
		}
		ends[len(ends)-1] = func() { endRead(ctx, tx); giveBack() }
		more = append(more, conn)
	}
	return more, release, nil
}

// snapshotName is what Postgres calls an exported snapshot.
var snapshotName = regexp.MustCompile(`^[0-9A-F-]+$`)

// readAll has all rows read through the connections, by run, and the file's pieces sent in their order; pieces is closed
// behind the last one. same says which earlier slices are taken over.
func (w *writer) readAll(ctx context.Context, conns []*pgx.Conn, same []bool, pieces chan<- *piece, run func(func() error)) error {
	q := &queue{w: w, same: same, pieces: pieces, rest: w.o.Span, ahead: bufferCount}
	if len(conns) > 1 {
		q.ahead = aheadBuffers
	}
	for _, conn := range conns {
		r, err := w.newReader(ctx, conn, q.ahead)
		if err != nil {
			return err
		}
		if r.packer != nil {
			run(r.packer.run)
		}
		run(func() error {
			if r.packer != nil {
				defer close(r.packer.in)
			}
			if len(conns) > 1 {
				return r.share(ctx, q)
			}
			return r.whole(ctx, q)
		})
	}
	return nil
}

// whole reads all by itself. Slices that are to be written again and follow each other, and all that follows the last of
// them, are read in one go: where there is no index each question reads the whole table.
func (r *reader) whole(ctx context.Context, q *queue) error {
	defer close(q.pieces)
	for {
		again, first, last, err := q.again(ctx)
		if err != nil {
			return err
		}
		if last {
			return r.stream(ctx, Span{From: startOf(again, q.rest), To: q.rest.To}, again, first, q.pieces)
		}
		if err := r.stream(ctx, Span{From: again[0].From, To: again[len(again)-1].To}, again, first, q.pieces); err != nil {
			return err
		}
	}
}

// startOf is where the first of the spans begins, or what is behind them.
func startOf(spans []Span, behind Span) time.Time {
	if len(spans) > 0 {
		return spans[0].From
	}
	return behind.From
}

// share reads a slice after the other, while other readers do so too.
func (r *reader) share(ctx context.Context, q *queue) error {
	for {
		p, err := q.next(ctx, r.conn)
		if p == nil || err != nil {
			return err
		}
		if err := r.fill(ctx, p); err != nil {
			return err
		}
	}
}

// queue hands out pieces to be read, and sends all pieces in their order.
type queue struct {
	w      *writer
	same   []bool
	pieces chan<- *piece
	ahead  int // how many buffers of a piece may be on their way

	mu     sync.Mutex
	sent   int   // how many of the earlier slices
	rows   int64 // 0 if none are before rest
	rest   Span  // what is behind them
	closed bool
}

// earlier is the next earlier slice that is to be read again; nil: there are no more.
func (q *queue) earlier(ctx context.Context) (*piece, error) {
	for ; q.sent < len(q.same); q.sent++ {
		s := &q.w.o.Earlier[q.sent]
		p := newPiece(s.Span, q.rows == 0, q.ahead)
		q.rows += q.w.earlierRows[q.sent]
		q.rest.From = s.To
		if q.same[q.sent] {
			p.kept = s
		}
		if err := send(ctx, q.pieces, p); err != nil {
			return nil, err
		}
		if p.kept == nil {
			q.sent++
			return p, nil
		}
	}
	return nil, nil
}

// again sends the earlier slices that are kept, up to the next one that is to be written again, and returns that one and
// those that follow it. first says that no rows are before them, last that no earlier slice is behind them.
func (q *queue) again(ctx context.Context) (spans []Span, first, last bool, err error) {
	first = q.rows == 0
	for ; q.sent < len(q.same); q.sent++ {
		s := &q.w.o.Earlier[q.sent]
		switch {
		case !q.same[q.sent]:
			spans = append(spans, s.Span)
		case len(spans) > 0:
			return spans, first, false, nil
		default:
			p := newPiece(s.Span, first, q.ahead)
			p.kept = s
			if err := send(ctx, q.pieces, p); err != nil {
				return nil, false, false, err
			}
			first = first && q.w.earlierRows[q.sent] == 0
		}
		q.rows += q.w.earlierRows[q.sent]
		q.rest.From = s.To
	}
	return spans, first, true, nil
}

// next is the next piece to be read; nil: there are no more. Where its slice ends it finds out through the connection.
func (q *queue) next(ctx context.Context, conn *pgx.Conn) (*piece, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p, err := q.earlier(ctx); p != nil || err != nil {
		return p, err
	}
	if q.closed {
		return nil, nil
	}
	end, found, err := q.nth(ctx, conn, q.w.o.SliceRows)
	if err != nil {
		return nil, err
	}
	p := newPiece(q.rest, q.rows == 0, q.ahead)
	if found {
		p.span.To = end.Add(stampTick)
		q.rest.From, q.rows = p.span.To, q.rows+q.w.o.SliceRows
		return p, send(ctx, q.pieces, p)
	}
	p.last, q.closed = true, true
	defer close(q.pieces)
	if _, found, err = q.nth(ctx, conn, 1); !found || err != nil {
		return nil, err
	}
	return p, send(ctx, q.pieces, p)
}

// nth is the time of the nth row of what is left, if there are so many.
func (q *queue) nth(ctx context.Context, conn *pgx.Conn, n int64) (at time.Time, found bool, err error) {
	sql, args, err := q.w.source.Nth(q.rest, n)
	if err != nil {
		return at, false, err
	}
	switch err := conn.QueryRow(ctx, sql, args...).Scan(&at); {
	case errors.Is(err, pgx.ErrNoRows):
		return at, false, nil
	case err != nil:
		return at, false, fmt.Errorf("looking for a slice's end: %w", err)
	}
	return at.UTC(), true, nil
}
