package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Refused reports whether the server refuses the query itself, as it is: of several that were sent together the others may
// do by themselves.
func Refused(err error) bool {
	_, said := errors.AsType[*pgconn.PgError](err)
	return said && !Away(err)
}

// Away reports whether a query failed because the server could not be reached or went away, so that
// the same query may do once it is back, and not because of the query. err must come from the database
// alone: another peer's connection breaks with the same errors.
//
// The server says so itself with SQLSTATE class 08 (connection), class 57P (it starts, stops or ended
// the session) and 53300 (it has no connection left); but not with the rest of class 53 (disk or memory
// is full), since the query may be what needs so much. Else it is away if no connection could be made,
// or one broke. A context that ended says nothing of the server, except while connecting.
func Away(err error) bool {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(said.Code, "08") || strings.HasPrefix(said.Code, "57P") || said.Code == "53300"
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	_, broken := errors.AsType[*net.OpError](err)
	return broken || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, pgconn.ErrConnClosed)
}
