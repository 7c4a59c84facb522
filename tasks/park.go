package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

// A job that only waits for something outside is parked: it is running, and holds neither a worker nor a slot. It has
// no heartbeat, and the sweep leaves it alone.

// Awaited is a parked job whose outcome stands and is only waited for, until Until.
type Awaited struct {
	Attempt
	Outcome json.RawMessage
	Until   time.Time
}

// AwaitOutcome parks the job with the result that it will have. Its secrets are wiped, and later jobs no longer wait
// for it; whoever watches for all ends it.
func (a *Attempt) AwaitOutcome(ctx context.Context, outcome any, until time.Time, note string) error {
	encoded, err := json.Marshal(outcome)
	if err != nil {
		return fmt.Errorf("encoding the outcome of job %s: %w", a.Job.ID, err)
	}
	return a.change(ctx, a.client.pool, `
		update trunkline.jobs set parked_at = now(), wake_at = $4, outcome = $3, left_hash = $6, sealed = null, admitted_at = null,
			worker = null, progress = $5
		where id = $1 and attempt = $2 and state = 'running'`, encoded, until, Progress{Note: note}, leftBy(outcome))
}

// Sleep parks the job until a worker takes it up again. It keeps its secrets, and its turn: later jobs wait for it.
func (a *Attempt) Sleep(ctx context.Context, wake time.Time, note string) error {
	return a.sleep(ctx, a.client.pool, wake, note)
}

// SleepIn is Sleep in the caller's transaction.
func (a *Attempt) SleepIn(ctx context.Context, tx pgx.Tx, wake time.Time, note string) error {
	return a.sleep(ctx, tx, wake, note)
}

func (a *Attempt) sleep(ctx context.Context, q execer, wake time.Time, note string) error {
	return a.change(ctx, q, `
		update trunkline.jobs set parked_at = now(), wake_at = $3, admitted_at = null, worker = null, progress = $4
		where id = $1 and attempt = $2 and state = 'running'`, wake, Progress{Note: validText(note)})
}

// Wake has the parked job be taken up soon, in the caller's transaction, and reports whether it was parked.
func (c *Client) Wake(ctx context.Context, tx pgx.Tx, id string) (bool, error) {
	woken, err := tx.Exec(ctx, `
		update trunkline.jobs set state = 'queued', dispatch = dispatch + 1, queued_at = now(), parked_at = null, wake_at = null
		where id = $1 and state = 'running' and parked_at is not null and outcome is null`, id)
	if err != nil {
		return false, fmt.Errorf("waking job %s: %w", id, err)
	}
	return woken.RowsAffected() == 1, nil
}

// Awaited returns the jobs of that kind whose outcome is waited for.
func (c *Client) Awaited(ctx context.Context, kind Kind) ([]*Awaited, error) {
	found, err := all[struct {
		Job
		Outcome json.RawMessage
		Until   time.Time
	}](ctx, c.pool, `
		select `+jobColumns+`, outcome, wake_at from trunkline.jobs
		where state = 'running' and parked_at is not null and outcome is not null and kind = $1 order by turn`, kind)
	if err != nil {
		return nil, fmt.Errorf("reading the jobs that wait for their outcome: %w", err)
	}
	awaited := make([]*Awaited, len(found))
	for i, f := range found {
		awaited[i] = &Awaited{Attempt: Attempt{Job: f.Job, client: c}, Outcome: f.Outcome, Until: f.Until}
	}
	return awaited, nil
}

// Supersede queues, for the caller's transaction, the end of the earlier jobs of the same thing that only wait for their
// outcome: this job, or of a job of many these items, changes what they wait for. ended gets their ids, or that of another
// attempt that shares the batch does; the caller tells of their ends with Finished once the transaction is committed.
func (a *Attempt) Supersede(batch *pgx.Batch, items []int, message string, ended func(ids []string)) {
	// What waits for its outcome is little, and looked at first: of a job of many, thousands of turns may be this job's.
	q := shared(batch, `
		with awaited as materialized (select key, turn, job_id from trunkline.turns where not holds),
		over as materialized (
			select distinct on (earlier.job_id) earlier.job_id, later.job_id as by
			from awaited as earlier join trunkline.turns as later on later.key = earlier.key and later.turn > earlier.turn
			join unnest($1::uuid[], $2::integer[]) as changed (job, item) on changed.job = later.job_id and changed.item = later.item
			order by earlier.job_id, later.turn desc)
		update trunkline.jobs set state = 'failed', error_code = '`+string(fault.Superseded)+`', error_message = why.message, finished_at = now()
		from over join unnest($3::uuid[], $4::text[]) as why (job, message) on why.job = over.by
		where id = over.job_id and state = 'running' and outcome is not null
		returning id::text`)
	if len(items) == 0 {
		items = []int{0} // as its turns have it
	}
	addTo(q, 0, slices.Repeat([]string{a.Job.ID}, len(items))...)
	addTo(q, 1, items...)
	addTo(q, 2, a.Job.ID)
	addTo(q, 3, message)
	q.Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("ending the jobs that others supersede: %w", err)
		}
		ended(ids)
		return nil
	})
}

// wakeSleeping queues the parked jobs whose time has come, or that were cancelled: a worker takes each up once more.
func (c *Client) wakeSleeping(ctx context.Context, report *SweepReport) error {
	woken, err := c.pool.Exec(ctx, `
		update trunkline.jobs set state = 'queued', dispatch = dispatch + 1, queued_at = now(), parked_at = null, wake_at = null
		where state = 'running' and parked_at is not null and outcome is null and kind = any($1)
		and (wake_at <= now() or cancel_requested_at is not null)`, Kinds)
	if err != nil {
		return fmt.Errorf("waking parked jobs: %w", err)
	}
	report.Woken += int(woken.RowsAffected())
	return nil
}
