package export

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	// progressInterval is how often Options.Progress is called at most, but for its last call.
	progressInterval = 250 * time.Millisecond
	// finishedInterval is how often Options.Finished is.
	finishedInterval = time.Second
)

// Write writes a source's rows to out, and syncs it. After an error what was written is of no use but for the slices that
// Options.Finished was told of.
//
// The rows are read in one read-only snapshot, in sessions whose time zone is UTC. When ctx ends Write returns within a
// fraction of a second, whatever the server is doing, and pgx has the server stop too. After an error connections may be
// closed, and a pool replaces them.
//
// Errors: ErrTooManyRows, ErrDamaged, ErrOutdated, those of out and of the source, ctx.Err() and its cause, *pgconn.PgError.
func Write(ctx context.Context, source Source, out Out, o Options) (Manifest, error) {
	w := &writer{o: o, source: source, out: out, hash: sha256.New()}
	if w.o.Location == nil {
		w.o.Location = time.UTC
	}
	manifest, err := w.write(ctx)
	if err == nil {
		return manifest, nil
	}
	if ctx.Err() != nil {
		err = stopped(ctx)
	}
	return Manifest{}, fmt.Errorf("export %s: %w", o.Name, err)
}

// writer is one run of Write.
type writer struct {
	o      Options
	source Source
	out    Out

	columns     []column // of the query
	inFile      []column // of the file
	wireFormats pgx.QueryResultFormats
	keyColumns  []int // indexes of columns
	sumColumn   int   // too; -1 if there is none, as the next two
	uuidColumn  int
	countColumn int
	frame       frame
	form        string // as Slice has it
	seen        Seen   // too

	hash     hash.Hash
	rows     int64
	bytes    int64 // of the file
	written  []Slice
	notes    [][]byte
	recorded int // how many of written Options.Finished was told of

	earlierRows []int64 // how many each of Options.Earlier has now
	parts       map[int]EarlierPart
	progress    time.Time
	finished    time.Time
}

func (w *writer) write(ctx context.Context) (Manifest, error) {
	started := time.Now()
	conn, release, err := w.source.Connect(ctx, true)
	if err != nil {
		return Manifest{}, err
	}
	defer release()
	tx, err := beginRead(ctx, conn, "")
	if err != nil {
		return Manifest{}, err
	}
	defer endRead(ctx, tx)
	defer w.closeParts()
	if err := w.describe(ctx, conn); err != nil {
		return Manifest{}, err
	}
	if w.o.Finished != nil || len(w.o.Earlier) > 0 {
		if w.seen, err = Sees(ctx, tx); err != nil {
			return Manifest{}, err
		}
	}
	same, err := w.compareEarlier(ctx, tx)
	if err != nil {
		return Manifest{}, err
	}
	more, releaseMore, err := w.connectMore(ctx, conn)
	defer releaseMore()
	if err != nil {
		return Manifest{}, err
	}
	if err := w.copy(ctx, append([]*pgx.Conn{conn}, more...), same); err != nil {
		return Manifest{}, err
	}
	if err := w.out.Sync(); err != nil {
		return Manifest{}, fmt.Errorf("syncing: %w", err)
	}
	return w.manifest(started), nil
}

// describe finds out what the query's columns are.
func (w *writer) describe(ctx context.Context, conn *pgx.Conn) error {
	sql, _, err := w.source.Rows(w.o.Span)
	if err != nil {
		return err
	}
	statement, err := conn.Prepare(ctx, "", sql)
	if err != nil {
		return fmt.Errorf("preparing the query: %w", err)
	}
	if w.columns, err = newColumns(statement.Fields, w.o); err != nil {
		return err
	}
	if w.inFile, err = fileColumns(w.columns, w.o); err != nil {
		return err
	}
	w.wireFormats = wireFormats(w.columns)
	for _, name := range w.o.KeyColumns {
		at, err := find(w.columns, name)
		if err != nil {
			return err
		}
		w.keyColumns = append(w.keyColumns, at)
	}
	for _, c := range []struct {
		name string
		at   *int
	}{{w.o.SumColumn, &w.sumColumn}, {w.o.UUIDColumn, &w.uuidColumn}, {w.o.CountColumn, &w.countColumn}} {
		if *c.at = -1; c.name == "" {
			continue
		}
		if *c.at, err = find(w.columns, c.name); err != nil {
			return err
		}
	}
	if w.uuidColumn >= 0 && w.columns[w.uuidColumn].kind != kindUUID {
		return fmt.Errorf("the column %s is no uuid", w.o.UUIDColumn)
	}
	if w.countColumn >= 0 && w.columns[w.countColumn].kind != kindBool {
		return fmt.Errorf("the column %s is no boolean", w.o.CountColumn)
	}
	if w.o.SliceRows > 0 && (len(w.keyColumns) == 0 || w.columns[w.keyColumns[0]].kind != kindTimestamptz) {
		return errors.New("slices are cut by a timestamptz, which must be the first key column")
	}
	if _, w.frame, err = newEncoder(w.inFile, len(w.columns), w.o); err != nil {
		return err
	}
	w.form, err = w.formOf()
	return err
}

// copy moves all rows from the server into the file. same says which earlier slices are taken over.
func (w *writer) copy(ctx context.Context, conns []*pgx.Conn, same []bool) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var group errgroup.Group
	run := func(step func() error) {
		group.Go(func() error {
			err := w.runStep(step)
			if err != nil {
				fail(err) // the first one counts: what it stops fails too
			}
			return err
		})
	}
	pieces := make(chan *piece, max(bufferCount, len(conns)))
	if err := w.readAll(ctx, conns, same, pieces, run); err != nil {
		fail(err)
	}
	run(func() error { return w.assemble(ctx, pieces) })
	_ = group.Wait() // its error is the cause
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return nil
}

// runStep runs one of the steps that go on side by side.
func (w *writer) runStep(step func() error) error {
	if w.o.Background {
		return inBackground(step)
	}
	return step()
}

// assemble writes the pieces in their order, as one file.
func (w *writer) assemble(ctx context.Context, pieces <-chan *piece) error {
	w.finished = time.Now()
	if err := w.putPacked(ctx, w.frame.head); err != nil {
		return err
	}
	for {
		p, more, err := receive(ctx, pieces)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := w.putPiece(ctx, p); err != nil {
			return err
		}
	}
	if w.uuidColumn >= 0 && w.o.Finished != nil && w.recorded < len(w.written) {
		if err := w.tellFinished(ctx); err != nil {
			return err
		}
	}
	offsets := make([]int64, len(w.written))
	for i, s := range w.written {
		offsets[i] = s.Offset
	}
	foot, err := w.frame.foot(w.notes, offsets)
	if err != nil {
		return err
	}
	if err := w.putPacked(ctx, foot); err != nil {
		return err
	}
	if w.bytes == 0 && w.o.Compression != None { // no row and nothing around rows
		if err := w.putMember(ctx, nil); err != nil {
			return err
		}
	}
	if w.o.Progress != nil {
		w.o.Progress(w.rows, w.bytes)
	}
	return nil
}

// putPiece writes a piece.
func (w *writer) putPiece(ctx context.Context, p *piece) error {
	offset, crc := w.bytes, crc32.New(castagnoli)
	if p.kept != nil {
		if err := w.putKept(ctx, p, crc); err != nil {
			return err
		}
	} else {
		for {
			c, more, err := receive(ctx, p.chunks)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			crc.Write(c.bytes)
			if err := w.put(ctx, c.bytes); err != nil {
				return err
			}
			c.giveBack()
			if err := w.count(c.rows); err != nil {
				return err
			}
		}
	}
	s := p.slice
	s.Part, s.Offset, s.Bytes, s.CRC = w.o.Part, offset, w.bytes-offset, crc.Sum32()
	w.written, w.notes = append(w.written, s), append(w.notes, p.note)
	if w.o.Finished == nil || time.Since(w.finished) < cmp.Or(w.o.finishedInterval, finishedInterval) {
		return nil
	}
	return w.tellFinished(ctx)
}

// tellFinished tells of the slices that are written since it did so last.
func (w *writer) tellFinished(ctx context.Context) error {
	w.finished = time.Now()
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	first := w.recorded
	w.recorded = len(w.written)
	if err := w.o.Finished(ctx, first, w.written[first:]); err != nil {
		return err
	}
	for i := range w.written[first:] {
		w.written[first+i].Keys = nil
	}
	return nil
}

// castagnoli is the polynomial of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// count counts rows that are written.
func (w *writer) count(rows int64) error {
	w.rows += rows
	if w.o.MaxRows > 0 && w.rows > w.o.MaxRows {
		return ErrTooManyRows
	}
	if now := time.Now(); w.o.Progress != nil && now.Sub(w.progress) >= progressInterval {
		w.progress = now
		w.o.Progress(w.rows, w.bytes)
	}
	return nil
}

// putPacked writes what is no slice, packed by itself as slices are.
func (w *writer) putPacked(ctx context.Context, text []byte) error {
	if len(text) == 0 || w.o.Compression == None {
		return w.put(ctx, text)
	}
	return w.putMember(ctx, text)
}

// putMember writes a gzip member or zstd frame. A file without any is none to the programs that unpack it.
func (w *writer) putMember(ctx context.Context, text []byte) error {
	var packed bytes.Buffer
	packer, err := NewPacker(&packed, w.o.Compression)
	if err != nil {
		return err
	}
	if _, err := packer.Write(text); err != nil {
		return err
	}
	if err := packer.Close(); err != nil {
		return err
	}
	return w.put(ctx, packed.Bytes())
}

// put writes bytes of the file.
func (w *writer) put(ctx context.Context, content []byte) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	if err := w.out.WaitForSpace(ctx, w.bytes+int64(len(content))); err != nil {
		return err
	}
	w.hash.Write(content)
	if _, err := w.out.Write(content); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	w.bytes += int64(len(content))
	return nil
}

// receive receives from a channel, unless ctx ends first. more is false if it was closed.
func receive[T any](ctx context.Context, from <-chan T) (value T, more bool, err error) {
	select {
	case value, more = <-from:
		return value, more, nil
	case <-ctx.Done():
		return value, false, stopped(ctx)
	}
}

// stopped is the error of a context that has ended: ctx.Err(), with its cause if it has another.
func stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}

// manifest describes the file once it is complete.
func (w *writer) manifest(started time.Time) Manifest {
	m := Manifest{
		File:        w.o.Name,
		Format:      w.o.Format,
		Compression: w.o.Compression,
		TimeZone:    w.o.Location.String(),
		Rows:        w.rows,
		Bytes:       w.bytes,
		SHA256:      hex.EncodeToString(w.hash.Sum(nil)),
		Seen:        w.seen,
		KeyColumns:  w.o.KeyColumns,
		StartedAt:   started.UTC(),
	}
	for _, c := range w.inFile {
		m.Columns = append(m.Columns, c.name)
	}
	if w.sumColumn >= 0 {
		m.Sum = new(float64)
	}
	for i := range w.written {
		s := &w.written[i]
		m.Counted += s.Counted
		if s.Rows > 0 {
			if m.LastKey = s.LastKey; m.FirstKey == nil {
				m.FirstKey = s.FirstKey
			}
		}
		switch {
		case m.Sum == nil:
		case s.Sum == nil:
			m.Sum = nil
		default:
			m.Sum = finite(*m.Sum + *s.Sum)
		}
	}
	finished := time.Now()
	m.FinishedAt = finished.UTC()
	m.Seconds = finished.Sub(started).Seconds()
	return m
}
