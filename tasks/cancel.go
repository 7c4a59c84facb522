package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

// cancelPatience is how long a request to cancel waits for a job's row, which the worker holds while it ends the job: giving
// the file of an export its name in a bucket that hangs takes minutes.
const cancelPatience = 2 * time.Second

// lockNotAvailable is what Postgres calls a lock that was not had in time.
const lockNotAvailable = "55P03"

// Cancel ends a queued job that no attempt has touched, and asks a running one to stop; its worker
// sees that at its next heartbeat. A job that has ended is ErrState, and one that is about to a fault.Unavailable.
func (c *Client) Cancel(ctx context.Context, id string, domains tenant.Domains) (Job, error) {
	job, err := c.Get(ctx, id, domains)
	if err != nil {
		return Job{}, err
	}
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select set_config('lock_timeout', $1, true)", fmt.Sprintf("%dms", cancelPatience.Milliseconds())); err != nil {
			return err
		}
		job, err = cancel(ctx, tx, id)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		if job, err = c.Get(ctx, id, domains); err == nil {
			err = ErrState
		}
		return job, err
	}
	if said, is := errors.AsType[*pgconn.PgError](err); is && said.Code == lockNotAvailable {
		return job, &fault.Error{Code: fault.Unavailable, Passes: true, RetryAfter: cancelPatience, Cause: err, JobID: id,
			Message: "the job is about to end, and is not cancelled; ask what has become of it, and again if it goes on"}
	}
	if err == nil && job.State.Done() {
		c.Finished(ctx, id)
	}
	return job, explained(err, ErrState, "cancelling", id)
}

func cancel(ctx context.Context, tx pgx.Tx, id string) (Job, error) {
	// A queued job with an earlier attempt may have left half of its work behind: a worker takes it up
	// once more to put that right.
	return one[Job](ctx, tx, `
		update trunkline.jobs set
			cancel_requested_at = coalesce(cancel_requested_at, now()),
			state         = case when `+untouched+` then 'cancelled' else state end,
			sealed        = case when `+untouched+` then null else sealed end,
			error_code    = case when `+untouched+` then 'cancelled' end,
			error_message = case when `+untouched+` then 'cancelled before it began' end,
			finished_at   = case when `+untouched+` then now() end
		where id = $1 and state in ('queued', 'running')
		returning `+jobColumns, id)
}

const untouched = "(state = 'queued' and attempt = 0)"

// Retry queues a failed, partial or cancelled job again with the parameters it had, in a turn of its own: of many items,
// those that have not succeeded. Secrets that were wiped
// make it ErrState: the caller has to send the request again.
func (c *Client) Retry(ctx context.Context, id string, domains tenant.Domains) (Job, error) {
	return c.RetryWith(ctx, id, domains, nil)
}

// RetryWith is Retry with these secrets in place of those that the job had; nil: with the same.
func (c *Client) RetryWith(ctx context.Context, id string, domains tenant.Domains, secrets any) (Job, error) {
	job, err := c.Get(ctx, id, domains)
	if err != nil {
		return Job{}, err
	}
	sealed, err := c.seal(job.ID, secrets)
	if err != nil {
		return Job{}, err
	}
	var retried Job
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		in := job.place()
		room, err := c.lockForRoom(ctx, tx, []place{in})
		if err != nil {
			return err
		}
		if err := room.take(in); err != nil {
			return err
		}
		after := []string{}
		if job.Items > 0 {
			if after, err = queueItems(ctx, tx, job.ID, job.Domains); err != nil {
				return err
			}
		}
		retried, err = one[Job](ctx, tx, `
			update trunkline.jobs set state = 'queued', sealed = coalesce($4, sealed), order_keys = `+inherited("order_keys")+`,
				after = $5::uuid[], `+freshRun+`
			where id = $1 and dispatch = $2 and state in ('failed', 'cancelled', 'partial') and ($3 or sealed is not null)
			returning `+jobColumns, job.ID, job.Dispatch, !job.Kind.entry().needsSecrets, sealed, after)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return job, ErrState
	}
	if fault.Is(err, fault.RateLimited) {
		return Job{}, err
	}
	if err != nil {
		return Job{}, fmt.Errorf("retrying job %s: %w", id, err)
	}
	c.Admit(ctx)
	return retried, nil
}
