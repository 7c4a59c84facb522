package export

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// restRows is how many rows are read, within a millisecond or two, between two rests.
	restRows = 1024
	// rest is how long one takes.
	rest = 4 * time.Millisecond
)

// reader reads slices through one connection, formats them, and sends them on their way.
type reader struct {
	w       *writer
	conn    *pgx.Conn
	encoder encoder
	keys    keys
	buffers *buffers
	packer  *packer // nil: the file is not packed
	ahead   int     // how many buffers of a piece may be on their way

	piece  *piece // being read; nil: none
	buffer []byte
	rows   int64 // in the buffer
	sum    sum
}

// newReader returns a reader on a connection that is in its transaction.
func (w *writer) newReader(ctx context.Context, conn *pgx.Conn, ahead int) (*reader, error) {
	r := &reader{w: w, conn: conn, buffers: newBuffers(ahead), ahead: ahead}
	var err error
	if r.encoder, _, err = newEncoder(w.inFile, len(w.columns), w.o); err != nil {
		return nil, err
	}
	if w.o.Compression != None {
		r.buffers = newBuffers(bufferCount)
		r.packer, err = newPacker(ctx, w.o.Compression, ahead)
	}
	return r, err
}

// fill reads a piece whose bounds are set.
func (r *reader) fill(ctx context.Context, p *piece) error {
	if err := r.begin(ctx, p); err != nil {
		return err
	}
	if err := r.read(ctx, p.span, func(values [][]byte) error { return r.add(ctx, values) }); err != nil {
		return err
	}
	if p.last {
		return r.end(ctx, r.lastTime().Add(stampTick))
	}
	return r.end(ctx, p.span.To)
}

// stream reads a span and cuts it into pieces, which it sends before it fills them: first those spans, and then what is
// behind them as slices are cut. first says that its first row is that of the file.
func (r *reader) stream(ctx context.Context, span Span, bounds []Span, first bool, pieces chan<- *piece) error {
	from := span.From
	begin := func(within Span) error {
		p := newPiece(within, first, r.ahead)
		if err := send(ctx, pieces, p); err != nil {
			return err
		}
		return r.begin(ctx, p)
	}
	endBound := func() error { // of the first of bounds
		if r.piece == nil { // no rows
			if err := begin(bounds[0]); err != nil {
				return err
			}
		}
		from, bounds = bounds[0].To, bounds[1:]
		return r.end(ctx, from)
	}
	err := r.read(ctx, span, func(values [][]byte) error {
		for len(bounds) > 0 && !timeOf(values[r.w.keyColumns[0]]).Before(bounds[0].To) {
			if err := endBound(); err != nil {
				return err
			}
		}
		if len(bounds) == 0 && r.piece != nil && r.isFull(values) {
			from = r.lastTime().Add(stampTick)
			if err := r.end(ctx, from); err != nil {
				return err
			}
		}
		if r.piece == nil {
			within := Span{From: from}
			if len(bounds) > 0 {
				within = bounds[0]
			}
			if err := begin(within); err != nil {
				return err
			}
			first = false
		}
		return r.add(ctx, values)
	})
	for err == nil && len(bounds) > 0 {
		err = endBound()
	}
	if err != nil || r.piece == nil {
		return err
	}
	to := span.To
	if r.w.o.SliceRows > 0 {
		to = r.lastTime().Add(stampTick)
	}
	return r.end(ctx, to)
}

// isFull reports whether the piece ends before the row.
func (r *reader) isFull(values [][]byte) bool {
	most := r.w.o.SliceRows
	return most > 0 && r.piece.slice.Rows >= most && !bytes.Equal(values[r.w.keyColumns[0]], r.keys.last[0].raw)
}

// lastTime is the time of the last row.
func (r *reader) lastTime() time.Time { return timeOf(r.keys.last[0].raw) }

// timeOf is a timestamptz as the server sends it.
func timeOf(raw []byte) time.Time {
	micros := int64(binary.BigEndian.Uint64(raw))
	return time.Unix(postgresEpoch+micros/microsPerSec, micros%microsPerSec*1000).UTC()
}

// read calls add with each row of the span. On an error it stops the server by ending the query's context, since closing
// the rows alone would read the rest first.
func (r *reader) read(ctx context.Context, span Span, add func(values [][]byte) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sql, args, err := r.w.source.Rows(span)
	if err != nil {
		return err
	}
	rows, err := r.conn.Query(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec, r.w.wireFormats}, args...)...)
	if err != nil {
		return fmt.Errorf("the query's arguments: %w", err)
	}
	var sent int64
	for err == nil && rows.Next() {
		if sent++; sent%restRows == 0 {
			r.giveWay()
		}
		err = add(rows.RawValues())
	}
	if err != nil {
		stop()
	}
	rows.Close()
	switch counted := rows.CommandTag().RowsAffected(); {
	case err != nil:
		return err
	case rows.Err() != nil:
		return fmt.Errorf("reading rows: %w", rows.Err())
	case counted != sent:
		return fmt.Errorf("the server counted %d rows and sent %d", counted, sent)
	}
	return nil
}

// giveWay rests if others go first. The database fills its buffer meanwhile and rests too, which no priority of a thread
// here can have it do.
func (r *reader) giveWay() {
	if r.w.o.GiveWay != nil && r.w.o.GiveWay() {
		time.Sleep(rest)
	}
}

// begin begins a piece.
func (r *reader) begin(ctx context.Context, p *piece) error {
	r.piece, r.sum = p, sum{}
	if r.w.uuidColumn >= 0 {
		p.slice.Keys = []byte{}
	}
	r.keys = newKeys(r.w.keyColumns)
	r.encoder.begin(p.first)
	return r.needBuffer(ctx)
}

// add adds a row to the piece.
func (r *reader) add(ctx context.Context, values [][]byte) (err error) {
	w := r.w
	if r.buffer, err = r.encoder.row(r.buffer, values); err != nil {
		return err
	}
	r.keys.see(values, r.piece.slice.Rows == 0)
	if w.sumColumn >= 0 {
		r.sum.add(values[w.sumColumn])
	}
	if w.countColumn >= 0 && string(values[w.countColumn]) == boolTrue {
		r.piece.slice.Counted++
	}
	if w.uuidColumn >= 0 {
		id := values[w.uuidColumn]
		if len(id) != len(UUID{}) {
			return fmt.Errorf("the server sent %d bytes of a row's UUID", len(id))
		}
		key := Key(UUID(id))
		r.piece.slice.Keys = append(r.piece.slice.Keys, key[:]...)
	}
	r.piece.slice.Rows++
	r.rows++
	if len(r.buffer) < bufferSize {
		return nil
	}
	return r.flush(ctx)
}

// end ends the piece, whose span goes up to there.
func (r *reader) end(ctx context.Context, to time.Time) (err error) {
	p := r.piece
	if r.buffer, p.note, err = r.encoder.end(r.buffer); err != nil {
		return err
	}
	if err := r.flush(ctx); err != nil {
		return err
	}
	s := &p.slice
	s.Span, s.First, s.Form, s.Seen, s.Sum = Span{From: p.span.From, To: to}, p.first, r.w.form, r.w.seen, r.sum.total()
	if s.Rows > 0 {
		if s.FirstKey, err = r.keys.text(r.w.columns, r.keys.first); err != nil {
			return err
		}
		if s.LastKey, err = r.keys.text(r.w.columns, r.keys.last); err != nil {
			return err
		}
	}
	r.piece = nil
	if r.packer != nil {
		return send(ctx, r.packer.in, unpacked{piece: p, end: true})
	}
	close(p.chunks)
	return nil
}

// needBuffer gets a buffer if there is none.
func (r *reader) needBuffer(ctx context.Context) error {
	if r.buffer != nil {
		return nil
	}
	var alive bool
	if r.buffer, alive = r.buffers.next(ctx.Done()); !alive {
		return ctx.Err()
	}
	return nil
}

// flush sends the buffer on its way.
func (r *reader) flush(ctx context.Context) error {
	c := chunk{r.buffer, r.rows, r.buffers.free}
	r.buffer, r.rows = nil, 0
	var err error
	if r.packer != nil {
		err = send(ctx, r.packer.in, unpacked{piece: r.piece, chunk: c})
	} else {
		err = send(ctx, r.piece.chunks, c)
	}
	if err != nil {
		return err
	}
	return r.needBuffer(ctx)
}

// send sends to a channel, unless ctx ends first.
func send[T any](ctx context.Context, to chan<- T, value T) error {
	select {
	case to <- value:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sum adds up numbers as Postgres prints them. NULL counts as nothing.
type sum struct {
	whole  int64
	others float64
	failed bool
}

func (s *sum) add(raw []byte) {
	if raw == nil {
		return
	}
	if whole, ok := wholeNumber(raw); ok {
		if s.whole += whole; s.whole > mostWhole {
			s.others, s.whole = s.others+float64(s.whole), 0
		}
		return
	}
	other, err := strconv.ParseFloat(string(raw), 64)
	s.others += other
	s.failed = s.failed || err != nil
}

// mostWhole is the largest sum that is kept whole: a whole number more does not overflow.
const mostWhole = math.MaxInt64 / 2

// total is the sum; nil if there was what is no number, or infinite, or if they are too large together.
func (s *sum) total() *float64 {
	if s.failed {
		return nil
	}
	return finite(float64(s.whole) + s.others)
}

// finite is a number that JSON has, or nil.
func finite(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &f
}

// wholeNumber reads a short number of digits alone, as nearly all are.
func wholeNumber(raw []byte) (n int64, ok bool) {
	if len(raw) == 0 || len(raw) > 15 {
		return 0, false
	}
	for _, b := range raw {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, true
}
