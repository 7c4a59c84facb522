package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// jobColumns are the fields of a Job, in their order.
const jobColumns = `id::text, kind, state, coalesce(domain_uuid::text, ''), created_by::text, created_by_name,
	coalesce(external_id, ''), order_keys, urgent, items, domains, params, progress, dispatch, attempt, cancel_requested_at is not null, result, left_hash,
	case when error_code is not null then json_build_object('code', error_code, 'message', error_message) end,
	created_at, started_at, finished_at, coalesce(request_id, ''), case when state = 'running' and parked_at is not null and outcome is null then wake_at end`

// querier is what a statement is asked on: the pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// one runs a statement that returns at most one row, the fields of a T in their order. Errors: pgx.ErrNoRows.
func one[T any](ctx context.Context, q querier, sql string, args ...any) (T, error) {
	rows, _ := q.Query(ctx, sql, args...) // its error is the rows' too
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[T])
}

// all runs a statement that returns any number of such rows.
func all[T any](ctx context.Context, q querier, sql string, args ...any) ([]T, error) {
	rows, _ := q.Query(ctx, sql, args...)
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

// explained is err with what was being done to the job; pgx.ErrNoRows becomes none.
func explained(err, none error, doing, jobID string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return none
	}
	return fmt.Errorf("%s job %s: %w", doing, jobID, err)
}

// validText is what Postgres takes as text: everything but NUL and invalid UTF-8.
func validText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}

// planOnce has the statements of the transaction planned once a connection: their plans are the same whatever they are
// asked, and take longer to make than to carry out. Postgres knows that since version 12. What was planned while the tables
// had a few rows still goes by their indexes when a job of many has ten thousand there.
const planOnce = `case when current_setting('server_version_num')::integer >= 120000 then set_config('plan_cache_mode', 'force_generic_plan', true) end,
	set_config('enable_seqscan', 'off', true)`
