package export

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sessionSettings hold for the export's transaction alone. The first three make what is printed, and
// what a query without a zone of its own means, the same on every server. Compiling the query takes
// the server longer than it saves, some 5 % of a million rows. Parallel workers and memory for the sort
// are left as the operator has set them: 64 MB for the sort gained 3 % and costs it in every worker.
const sessionSettings = `
set local datestyle to 'ISO';
set local timezone to 'UTC';
set local extra_float_digits to 1;
set local jit to off`

const (
	// rollbackTimeout bounds the end of the transaction, after which the connection is closed instead.
	rollbackTimeout = 2 * time.Second
	// uncheckedEncoding is what Postgres calls the encoding of a database that checks nothing.
	uncheckedEncoding = "SQL_ASCII"
)

// beginRead starts the transaction in which the rows are read: one snapshot, nothing written.
//
// The encoding is UTF-8, in which Postgres sends every text that its database can hold, but for
// SQL_ASCII: such a database may hold any bytes, and the server would refuse to send those that are
// not UTF-8.
func beginRead(ctx context.Context, conn *pgconn.PgConn) error {
	if conn.TxStatus() != 'I' {
		return errors.New("the connection is in a transaction already; give the export one of its own")
	}
	encoding := "UTF8"
	if conn.ParameterStatus("server_encoding") == uncheckedEncoding {
		encoding = uncheckedEncoding
	}
	_, err := conn.Exec(ctx, "begin isolation level repeatable read read only; set local client_encoding to '"+encoding+"';"+sessionSettings).ReadAll()
	if err != nil {
		return fmt.Errorf("starting the transaction: %w", err)
	}
	return nil
}

// endRead ends the transaction. It must run when ctx has ended too, so that the connection can go back
// to its pool; if that fails the connection is closed.
func endRead(ctx context.Context, conn *pgconn.PgConn) {
	if conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "rollback").ReadAll(); err != nil {
		_ = conn.Close(ctx)
	}
}

// query is a statement that the server has parsed, with its arguments.
type query struct {
	statement *pgconn.StatementDescription
	params    pgx.ExtendedQueryBuilder
}

// prepare has the server parse the query, so that its columns are known before it runs.
func prepare(ctx context.Context, conn *pgx.Conn, sql string, args []any) (*query, error) {
	statement, err := conn.PgConn().Prepare(ctx, "", sql, nil)
	if err != nil {
		return nil, fmt.Errorf("preparing the query: %w", err)
	}
	q := &query{statement: statement}
	if err := q.params.Build(conn.TypeMap(), statement, args); err != nil {
		return nil, fmt.Errorf("the query's arguments: %w", err)
	}
	return q, nil
}

// run starts the query. The reader must be closed.
func (q *query) run(ctx context.Context, conn *pgconn.PgConn, columns []column) *pgconn.ResultReader {
	formats := make([]int16, len(columns))
	for i := range columns {
		formats[i] = columns[i].wireFormat()
	}
	return conn.ExecStatement(ctx, q.statement, q.params.ParamValues, q.params.ParamFormats, formats)
}
