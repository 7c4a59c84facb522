package export

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// sessionSettings hold for the export's transaction alone. It may have to wait for room on the disk, or for other
// connections, and is bounded by its caller (transaction_timeout is there from Postgres 17 on). The next three make what is printed, and
// what a query without a zone of its own means, the same on every server. Compiling the query takes
// the server longer than it saves, some 5 % of a million rows. Parallel workers and memory for the sort
// are left as the operator has set them: 64 MB for the sort gained 3 % and costs it in every worker.
const sessionSettings = `
set local idle_in_transaction_session_timeout to 0;
select set_config(name, '0', true) from pg_settings where name = 'transaction_timeout';
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

// beginRead starts the transaction in which the rows are read: one snapshot, nothing written. It is the snapshot that
// another such transaction has exported, or of "" its own.
//
// The encoding is UTF-8, in which Postgres sends every text that its database can hold, but for
// SQL_ASCII: such a database may hold any bytes, and the server would refuse to send those that are
// not UTF-8.
func beginRead(ctx context.Context, conn *pgx.Conn, snapshot string) (pgx.Tx, error) {
	if conn.PgConn().TxStatus() != 'I' {
		return nil, errors.New("the connection is in a transaction already; give the export one of its own")
	}
	encoding := "UTF8"
	if conn.PgConn().ParameterStatus("server_encoding") == uncheckedEncoding {
		encoding = uncheckedEncoding
	}
	begin := "begin isolation level repeatable read read only;"
	if snapshot != "" {
		begin += " set transaction snapshot '" + snapshot + "';"
	}
	begin += " set local client_encoding to '" + encoding + "';" + sessionSettings
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil {
		return nil, fmt.Errorf("starting the transaction: %w", err)
	}
	return tx, nil
}

// endRead ends the transaction. It must run when ctx has ended too, so that the connection can go back
// to its pool; if that fails the connection is closed.
func endRead(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	_ = tx.Rollback(ctx)
}
