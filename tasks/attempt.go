package tasks

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/internal/fault"
)

// Attempt is one run of a job by one worker. Everything it writes names the attempt's number, so that
// a run which was given up for lost changes nothing when it comes back.
type Attempt struct {
	Job    Job
	client *Client
	sealed []byte
}

// Claim takes the job of a task for this worker: queued becomes running under the next attempt. A
// task that is late gets ErrNotClaimed.
func (c *Client) Claim(ctx context.Context, jobID string, dispatch int, worker string) (*Attempt, error) {
	answer, err := c.claims.Do(ctx, "", claim{jobID, dispatch, worker})
	if err = cmp.Or(err, answer.err); err != nil {
		return nil, fmt.Errorf("claiming job %s: %w", jobID, err)
	}
	if answer.attempt == nil {
		return nil, ErrNotClaimed
	}
	return answer.attempt, nil
}

// Secrets opens the sealed part of the job into v.
func (a *Attempt) Secrets(v any) error {
	if a.sealed == nil {
		return nil
	}
	return a.client.keys.Open(a.Job.ID, a.sealed, v)
}

// SaveSecrets queues that v is sealed into the job's row, for the caller's transaction. The batch fails with ErrFenced if
// the job is no longer this attempt's, or one of others that share the batch. The row stays locked until the transaction ends.
func (a *Attempt) SaveSecrets(batch *pgx.Batch, v any) error {
	sealed, err := a.client.keys.Seal(a.Job.ID, v)
	if err != nil {
		return err
	}
	q := shared(batch, `
		update trunkline.jobs set sealed = saved.sealed from unnest($1::uuid[], $2::integer[], $3::bytea[]) as saved (job, number, sealed)
		where id = saved.job and attempt = saved.number and state = 'running'`)
	ids := addTo(q, 0, a.Job.ID)
	addTo(q, 1, a.Job.Attempt)
	addTo(q, 2, sealed)
	q.Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != int64(len(ids)) {
			return ErrFenced
		}
		return nil
	})
	return nil
}

// shared is the statement in the batch by which all attempts do the same, each adding to the lists that it is asked with:
// what a statement costs by itself is more than what a row does.
func shared(batch *pgx.Batch, sql string) *pgx.QueuedQuery {
	for _, q := range batch.QueuedQueries {
		if q.SQL == sql {
			return q
		}
	}
	return batch.Queue(sql)
}

// addTo adds to one of the statement's lists, and returns it.
func addTo[T any](q *pgx.QueuedQuery, n int, values ...T) []T {
	if n == len(q.Arguments) {
		q.Arguments = append(q.Arguments, []T{})
	}
	list := append(q.Arguments[n].([]T), values...)
	q.Arguments[n] = list
	return list
}

// fenced is ErrFenced if a statement that names the attempt has touched no row.
func fenced(tag pgconn.CommandTag) error {
	if tag.RowsAffected() == 0 {
		return ErrFenced
	}
	return nil
}

// Fence locks the job's row in the caller's transaction, or fails with ErrFenced.
func (a *Attempt) Fence(ctx context.Context, tx pgx.Tx) error {
	return a.change(ctx, tx, `select from trunkline.jobs where id = $1 and attempt = $2 and state = 'running' for update`)
}

// Heartbeat says that the attempt lives and how far it has come, and returns whether somebody asked
// for the job to be cancelled. One that is late, after the attempt has parked the job, leaves the note of what that waits for.
// ErrFenced: stop, the job is no longer yours.
func (a *Attempt) Heartbeat(ctx context.Context, p Progress) (cancelRequested bool, err error) {
	err = a.client.pool.QueryRow(ctx, `
		update trunkline.jobs set heartbeat_at = now(), progress = case when parked_at is null then $3 else progress end
		where id = $1 and attempt = $2 and state = 'running'
		returning cancel_requested_at is not null`, a.Job.ID, a.Job.Attempt, p).Scan(&cancelRequested)
	return cancelRequested, explained(err, ErrFenced, "heartbeat of", a.Job.ID)
}

// Succeed ends the job with its result and wipes its secrets.
func (a *Attempt) Succeed(ctx context.Context, result any, p Progress) error {
	s, err := a.success(result, p)
	if err != nil {
		return err
	}
	answer, err := a.client.successes.Do(ctx, "", s)
	return cmp.Or(err, answer)
}

// SucceedIn is Succeed in the caller's transaction, for a job whose last step must not happen twice.
func (a *Attempt) SucceedIn(ctx context.Context, tx pgx.Tx, result any, p Progress) error {
	s, err := a.success(result, p)
	if err != nil {
		return err
	}
	return succeed(ctx, tx, []success{s})[0]
}

// Partial ends a job of many of which some items succeeded and some did not. Its secrets stay for a retry until the sweep
// wipes them.
func (a *Attempt) Partial(ctx context.Context, result any, p Progress) error {
	outcome, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encoding the result of job %s: %w", a.Job.ID, err)
	}
	return a.change(ctx, a.client.pool, `
		update trunkline.jobs set state = 'partial', result = $3, progress = $4, finished_at = now()
		where id = $1 and attempt = $2 and state = 'running'`, outcome, p)
}

// Leaver is a result that knows what it leaves behind, as a keyed hash: a request that is repeated gets the result
// only while that stands.
type Leaver interface{ Leaves() []byte }

func leftBy(result any) []byte {
	if l, ok := result.(Leaver); ok {
		return l.Leaves()
	}
	return nil
}

// Fail ends the job with the failure. Its secrets stay for a retry until the sweep wipes them.
func (a *Attempt) Fail(ctx context.Context, f *fault.Error) error {
	return a.change(ctx, a.client.pool, `
		update trunkline.jobs set state = 'failed', error_code = $3, error_message = $4, finished_at = now()
		where id = $1 and attempt = $2 and state = 'running'`, f.Code, validText(f.Message))
}

// Cancelled ends the job as cancelled, says what stands, and wipes its secrets.
func (a *Attempt) Cancelled(ctx context.Context, message string) error {
	return a.change(ctx, a.client.pool, `
		update trunkline.jobs set state = 'cancelled', error_code = 'cancelled', error_message = $3, sealed = null, finished_at = now()
		where id = $1 and attempt = $2 and state = 'running'`, validText(message))
}

// HandBack returns the job to the queue under a new dispatch, for another worker; its turn and its slot stay.
// The caller enqueues the job that it returns.
func (a *Attempt) HandBack(ctx context.Context) (Job, error) {
	job, err := one[Job](ctx, a.client.pool, `
		update trunkline.jobs set state = 'queued', dispatch = dispatch + 1, dispatched_at = now(), queued_at = now(), worker = null
		where id = $1 and attempt = $2 and state = 'running'
		returning `+jobColumns, a.Job.ID, a.Job.Attempt)
	return job, explained(err, ErrFenced, "handing back", a.Job.ID)
}

// change runs one statement that touches or returns the job's row, and whose first two parameters are the
// job's id and this attempt's number.
func (a *Attempt) change(ctx context.Context, q execer, sql string, args ...any) error {
	tag, err := q.Exec(ctx, sql, append([]any{a.Job.ID, a.Job.Attempt}, args...)...)
	if err != nil {
		return fmt.Errorf("writing job %s: %w", a.Job.ID, err)
	}
	return fenced(tag)
}

// execer is what a statement runs on: the pool or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}
