package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestAway(t *testing.T) {
	t.Parallel()
	said := func(code string) error { return fmt.Errorf("reading: %w", &pgconn.PgError{Code: code}) }
	_, refused := pgx.Connect(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, givenUp := pgx.Connect(ended, "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":                       {nil, false},
		"connection refused":            {refused, true},
		"connecting was given up":       {givenUp, false},
		"the server's connection error": {said("08006"), true},
		"it shuts down":                 {said("57P01"), true},
		"it starts":                     {said("57P03"), true},
		"no connection is left":         {said("53300"), true},
		"its disk is full":              {said("53100"), false},
		"its memory is full":            {said("53200"), false},
		"the query was cancelled":       {said("57014"), false},
		"wrong password":                {said("28P01"), false},
		"no such table":                 {said("42P01"), false},
		"two rows with one key":         {said("23505"), false},
		"cut off":                       {fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), true},
		"hung up":                       {fmt.Errorf("reading: %w", io.EOF), true},
		"reset":                         {fmt.Errorf("reading: %w", &net.OpError{Op: "read", Err: syscall.ECONNRESET}), true},
		"the caller gave up":            {fmt.Errorf("reading: %w", context.Canceled), false},
		"the caller's time is over":     {fmt.Errorf("reading: %w", context.DeadlineExceeded), false},
		"cut off as the caller gave up": {errors.Join(context.Canceled, &net.OpError{Op: "read", Err: net.ErrClosed}), false},
		"no rows":                       {pgx.ErrNoRows, false},
		"something else":                {errors.New("odd"), false},
	} {
		if got := Away(c.err); got != c.want {
			t.Errorf("%s: got %v of %v, want %v", name, got, c.err, c.want)
		}
	}
}

// What the driver really says of a server that ends the session, and of the connection afterwards.
func TestAwayOfATerminatedBackend(t *testing.T) {
	t.Parallel()
	pool := open(t)
	conn, err := pool.Acquire(t.Context())
	must(t, err)
	defer conn.Release()
	exec(t, pool, "select pg_terminate_backend($1, 5000)", conn.Conn().PgConn().PID())
	for _, state := range []string{"terminated", "closed"} {
		if _, err := conn.Exec(t.Context(), "select 1"); !Away(err) {
			t.Errorf("%s: got %v, which is not taken for away", state, err)
		}
	}
}

// A query whose own time ran out says nothing of the server.
func TestAwayOfASlowQuery(t *testing.T) {
	t.Parallel()
	pool := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	<-ctx.Done()
	if _, err := pool.Exec(ctx, "select 1"); err == nil || Away(err) {
		t.Errorf("got %v, want an error that is not taken for away", err)
	}
}
