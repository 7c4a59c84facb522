package export

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// progressInterval is how often Options.Progress is called at most, but for its last call.
const progressInterval = 250 * time.Millisecond

// Write runs a query and writes its rows to out, and syncs it. After an error what was written is of no
// use.
//
// The rows are read in one read-only snapshot, in a session whose time zone is UTC; conn must not be in
// a transaction. When ctx ends Write returns within a fraction of a second, whatever the server is doing,
// and pgx has the server stop too. After an error conn may be closed, and a pool replaces it.
//
// Errors: ErrTooManyRows, those of out, ctx.Err() and its cause, *pgconn.PgError.
func Write(ctx context.Context, conn *pgx.Conn, sql string, args []any, out Out, o Options) (Manifest, error) {
	manifest, err := write(ctx, conn, sql, args, out, o)
	if err == nil {
		return manifest, nil
	}
	if ctx.Err() != nil {
		err = stopped(ctx)
	}
	return Manifest{}, fmt.Errorf("export %s: %w", o.Name, err)
}

func write(ctx context.Context, conn *pgx.Conn, sql string, args []any, out Out, o Options) (Manifest, error) {
	started := time.Now()
	if o.Location == nil {
		o.Location = time.UTC
	}
	tx, err := beginRead(ctx, conn)
	if err != nil {
		return Manifest{}, err
	}
	defer endRead(ctx, tx)
	statement, err := conn.Prepare(ctx, "", sql) // so that its columns are known before it runs
	if err != nil {
		return Manifest{}, fmt.Errorf("preparing the query: %w", err)
	}
	columns, err := newColumns(statement.Fields, o)
	if err != nil {
		return Manifest{}, err
	}
	w := &writer{o: o, columns: columns, out: out}
	if w.keys, err = newKeys(columns, o.KeyColumns); err != nil {
		return Manifest{}, err
	}
	if err := rename(columns, o.Headers); err != nil {
		return Manifest{}, err
	}
	if w.encoder, err = newEncoder(columns, o); err != nil {
		return Manifest{}, err
	}
	if err := w.copy(ctx, conn, sql, args); err != nil {
		return Manifest{}, err
	}
	if err := out.Sync(); err != nil {
		return Manifest{}, fmt.Errorf("syncing: %w", err)
	}
	return w.manifest(started)
}

// writer is one run of Write.
type writer struct {
	o       Options
	columns []column
	keys    keys
	encoder *encoder
	out     Out
	spool   *spool

	rows     int64
	bytes    int64 // handed to the spool
	progress time.Time
}

// copy moves all rows from the server through the spool. On an error it stops the server by ending the
// query's context, since closing the rows alone would read the rest first.
func (w *writer) copy(ctx context.Context, conn *pgx.Conn, sql string, args []any) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	formats := make(pgx.QueryResultFormats, len(w.columns))
	for i := range w.columns {
		formats[i] = w.columns[i].wireFormat()
	}
	rows, err := conn.Query(ctx, sql, append([]any{pgx.QueryExecModeDescribeExec, formats}, args...)...)
	if err != nil {
		return fmt.Errorf("the query's arguments: %w", err)
	}
	w.spool = newSpool(w.out)
	if err = w.copyRows(ctx, rows); err != nil {
		stop()
	}
	rows.Close()
	spoolErr := w.spool.close()
	counted := rows.CommandTag().RowsAffected()
	switch {
	case err != nil:
		return err
	case rows.Err() != nil:
		return fmt.Errorf("reading rows: %w", rows.Err())
	case spoolErr != nil:
		return spoolErr
	case counted != w.rows:
		return fmt.Errorf("the server counted %d rows and sent %d", counted, w.rows)
	}
	if w.o.Progress != nil {
		w.o.Progress(w.rows, w.bytes)
	}
	return nil
}

func (w *writer) copyRows(ctx context.Context, rows pgx.Rows) error {
	buffer, err := w.spool.next(ctx)
	if err != nil {
		return err
	}
	buffer = append(buffer, w.encoder.head...)
	for rows.Next() {
		if w.o.MaxRows > 0 && w.rows == w.o.MaxRows {
			return ErrTooManyRows
		}
		values := rows.RawValues()
		if buffer, err = w.encoder.row(buffer, values); err != nil {
			return err
		}
		w.keys.see(values, w.rows == 0)
		w.rows++
		if len(buffer) >= bufferSize {
			if buffer, err = w.flush(ctx, buffer); err != nil {
				return err
			}
		}
	}
	// Rows that ended in an error say so once they are closed, before this last buffer could matter.
	_, err = w.flush(ctx, append(buffer, w.encoder.foot...))
	return err
}

// flush hands a buffer to the spool and returns an empty one.
func (w *writer) flush(ctx context.Context, buffer []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, stopped(ctx)
	}
	w.bytes += int64(len(buffer))
	if err := w.out.WaitForSpace(ctx, w.bytes); err != nil {
		return nil, err
	}
	if now := time.Now(); w.o.Progress != nil && now.Sub(w.progress) >= progressInterval {
		w.progress = now
		w.o.Progress(w.rows, w.bytes)
	}
	return w.spool.swap(ctx, buffer)
}

// manifest describes the file once it is complete.
func (w *writer) manifest(started time.Time) (Manifest, error) {
	m := Manifest{
		File:       w.o.Name,
		Format:     w.o.Format,
		TimeZone:   w.o.Location.String(),
		Rows:       w.rows,
		Bytes:      w.spool.bytes,
		SHA256:     hex.EncodeToString(w.spool.sum.Sum(nil)),
		KeyColumns: w.o.KeyColumns,
		StartedAt:  started.UTC(),
	}
	for i := range w.columns {
		m.Columns = append(m.Columns, w.columns[i].name)
	}
	if w.rows > 0 {
		var err error
		if m.FirstKey, err = w.keys.text(w.columns, w.keys.first); err != nil {
			return Manifest{}, err
		}
		if m.LastKey, err = w.keys.text(w.columns, w.keys.last); err != nil {
			return Manifest{}, err
		}
	}
	finished := time.Now()
	m.FinishedAt = finished.UTC()
	m.Seconds = finished.Sub(started).Seconds()
	return m, nil
}

// stopped is the error of a context that has ended: ctx.Err(), with its cause if it has another.
func stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, ctx.Err()) {
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}
