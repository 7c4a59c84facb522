package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier is a pool, a connection or a transaction of pgx.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Rows reads all that a statement returns; doing says in errors what for.
func Rows[T any](ctx context.Context, q Querier, doing string, read pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args...) // its error is the rows' too
	all, err := pgx.CollectRows(rows, read)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return all, nil
}

// Value reads the one value that a statement returns.
func Value[T any](ctx context.Context, q Querier, doing, sql string, args ...any) (value T, err error) {
	rows, _ := q.Query(ctx, sql, args...)
	if value, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[T]); err != nil {
		return value, fmt.Errorf("%s: %w", doing, err)
	}
	return value, nil
}
