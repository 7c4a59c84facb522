package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
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
	return a.change(ctx, a.client.pool, `
		update trunkline.jobs set parked_at = now(), wake_at = $3, admitted_at = null, worker = null, progress = $4
		where id = $1 and attempt = $2 and state = 'running'`, wake, Progress{Note: note})
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
// outcome: this job, or of a job of many these items, changes what they wait for. ended gets their ids; the caller tells
// of their ends with Finished once the transaction is committed.
func (a *Attempt) Supersede(batch *pgx.Batch, items []int, code, message string, ended func(ids []string)) {
	// What waits for its outcome is little, and looked at first: of a job of many, thousands of turns may be this job's.
	batch.Queue(`
		with awaited as materialized (select key, turn, job_id from trunkline.turns where not holds)
		update trunkline.jobs set state = 'failed', error_code = $2, error_message = $3, finished_at = now()
		where state = 'running' and outcome is not null and id = any(array(
			select earlier.job_id from awaited as earlier join trunkline.turns as mine on mine.key = earlier.key
			where mine.job_id = $1 and ($4::integer[] is null or mine.item = any($4)) and earlier.turn < mine.turn))
		returning id::text`, a.Job.ID, code, message, items).Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("ending the jobs that job %s supersedes: %w", a.Job.ID, err)
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
