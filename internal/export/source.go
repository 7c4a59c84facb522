package export

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Source is where a file's rows come from. Rows are ordered by Options.KeyColumns, of which the first is the time that
// spans are of. Connections that read side by side ask it at the same time.
type Source interface {
	// Connect takes a connection that is in no transaction, and says how it is given back. It waits for the first one; any
	// further one it takes only if it is to be had now, else conn is nil.
	Connect(ctx context.Context, first bool) (conn *pgx.Conn, release func(), err error)
	// Rows is the statement that reads the rows of a span in their order.
	Rows(span Span) (sql string, args []any, err error)
	// Nth is the statement that reads the time of the span's nth row, in their order, and none if there are fewer rows.
	Nth(span Span, n int64) (sql string, args []any, err error)
	// Compare counts the rows of each slice's span as the transaction sees them, and finds those that the slice's Seen does
	// not answer for. The slices follow each other.
	Compare(ctx context.Context, tx pgx.Tx, slices []Slice) ([]Compared, error)
}

// Compared are the rows of a slice's span.
type Compared struct {
	Rows int64
	// Newer says that transactions which its snapshot may not have seen wrote some of them. If none did, and there are as many
	// rows as there were, they are the same: whatever changes a row leaves it as one of a newer transaction.
	Newer bool
}

// stampTick is the least that two times of Postgres differ by.
const stampTick = time.Microsecond
