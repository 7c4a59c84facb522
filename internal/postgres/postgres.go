// Package postgres opens the connection pool, reads what statements return, locks by name, tells a
// server that is away from a query that failed, and keeps Trunkline's own schema up to date. It knows
// the server and our migrations, and nothing of what the tables mean.
package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// connectTimeout bounds one attempt to reach the server.
	connectTimeout = 5 * time.Second
	// cancelGrace is how long a cancelled query has to end by itself, after the server was asked to
	// stop it, before its connection is closed.
	cancelGrace = 2 * time.Second
)

// sessionSettings make the server notice within seconds that a client's host is gone, and drop its locks:
// without them that takes the system's keep-alive of two hours.
var sessionSettings = map[string]string{
	"tcp_keepalives_idle":                 "5",
	"tcp_keepalives_interval":             "2",
	"tcp_keepalives_count":                "3",
	"tcp_user_timeout":                    "10000", // ms
	"idle_in_transaction_session_timeout": "60000", // ms
}

// Open returns a pool of at most maxConns connections to the database at url, which has answered once.
//
// A query whose context ends is cancelled on the server too, so that an abandoned export does not go
// on sorting. If the database is SQL_ASCII, so is the client encoding: the server would otherwise
// refuse to send a caller name that is not valid UTF-8. Times are read in UTC.
func Open(ctx context.Context, url string, maxConns int) (*pgxpool.Pool, error) {
	pool, err := openPool(ctx, "trunkline", url, maxConns, nil)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("the database does not answer: %w", err)
	}
	return pool, nil
}

// OpenBulk is Open for connections through which many rows come, under an application_name by which the server's
// administrator, and we, can tell them. The database need not answer yet.
func OpenBulk(ctx context.Context, name, url string, maxConns int) (*pgxpool.Pool, error) {
	return openPool(ctx, name, url, maxConns, dialBulk)
}

// openPool opens a pool whose connections are dialled so; nil: as usual.
func openPool(ctx context.Context, name, url string, maxConns int, dial pgconn.DialFunc) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("the database's URL cannot be read: %w; write it as postgres://user:password@host:port/database", err)
	}
	cfg.MaxConns = int32(maxConns)
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	if dial != nil {
		cfg.ConnConfig.DialFunc = dial
	}
	cfg.ConnConfig.RuntimeParams["application_name"] = name
	for setting, value := range sessionSettings {
		cfg.ConnConfig.RuntimeParams[setting] = value
	}
	cfg.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		inUTC := &pgtype.TimestamptzCodec{ScanLocation: time.UTC}
		conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: inUTC})
		if conn.PgConn().ParameterStatus("server_encoding") != "SQL_ASCII" {
			return nil
		}
		_, err := conn.Exec(ctx, "set client_encoding to 'SQL_ASCII'")
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return pool, nil
}
