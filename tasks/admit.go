package tasks

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// admission lets those who ask for one at the same time share it.
type admission struct {
	asked  atomic.Int64
	mu     sync.Mutex
	served int64 // those who had asked when the last one began
}

// Admit has the jobs start that may: those which no earlier job of what they are about stands before, while their
// queue is not paused and has a slot, and their domain has not had its share of them. Redis knows of no other. A failure is logged
// and left to the sweep: the jobs are safe in their rows.
func (c *Client) Admit(ctx context.Context) {
	// A caller who hangs up must not keep a committed job out of the queue.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), admitTimeout)
	defer cancel()
	if _, err := c.admit(ctx); err != nil {
		c.log.Warn("jobs not admitted; the sweep will", "error", err)
	}
}

// admitTimeout bounds how long one who ends or asks for a job waits for the admission of jobs.
const admitTimeout = 5 * time.Second

func (c *Client) admit(ctx context.Context) (admitted int, err error) {
	asked := c.admission.asked.Add(1)
	c.admission.mu.Lock()
	defer c.admission.mu.Unlock()
	if c.admission.served >= asked {
		return 0, nil // one that began after this was asked for
	}
	served := c.admission.asked.Load()
	jobs, err := c.choose(ctx)
	if err != nil {
		return 0, fmt.Errorf("admitting jobs: %w", err)
	}
	c.admission.served = served
	var enqueuing sync.WaitGroup
	for _, job := range jobs { // all at once, so that a Redis that hangs costs its time-out but once
		enqueuing.Go(func() { c.Enqueue(ctx, job) })
	}
	enqueuing.Wait()
	return len(jobs), nil
}

// choose admits jobs in the database, one process at a time. Of those that wait, the domain that holds the fewest
// slots of the queue goes first, and within it what is urgent; no domain ever holds the last slot of a queue that
// has several, nor more than its share of one whose jobs others can draw out, unless there is no other.
//
// Whether a job has an earlier one before it is asked for each by itself (offset 0): the planner, which takes turns for
// few, would else look for all of theirs at once, each of ten thousand against each.
//
// If the server crashes and forgets an admission, the task finds its job not admitted, and the sweep admits it.
func (c *Client) choose(ctx context.Context) (jobs []Job, err error) {
	var names []string
	var usual, shares []int
	for _, k := range kinds {
		names = append(names, k.queue)
		usual, shares = append(usual, usualSlots(k.queue, c.settings)), append(shares, k.share)
	}
	batch := &pgx.Batch{} // one transaction
	batch.Queue("select pg_advisory_xact_lock($1), set_config('synchronous_commit', 'off', true), "+planOnce, postgres.LockKey("admission"))
	batch.Queue(`
		with queues as (
			select kind, queue, slots, case when not shared or slots = 1 then slots
				when part > 0 then least(greatest(slots / part, 2), slots - 1) else slots - 1 end as share
			from unnest($1::text[], $2::text[], $3::integer[], $5::integer[]) as known (kind, queue, usual, part),
			lateral (select coalesce(sum(slots), usual) as slots, coalesce(bool_or(shared), true) as shared
				from trunkline.workers where workers.queue = known.queue and seen_at > now() - $4::interval) as alive
			where not exists (select from trunkline.paused_queues as paused where paused.queue = known.queue)
		), held as (
			select queue, coalesce(domain_uuid::text, '') as domain, count(*) as jobs from trunkline.jobs join queues using (kind)
			where state in ('queued', 'running') and admitted_at is not null group by 1, 2
		), next as (
			select id, queue, slots, share, urgent, turn, coalesce(held.jobs, 0)
				+ row_number() over (partition by queue, domain order by urgent desc, turn) as nth
			from (select *, coalesce(domain_uuid::text, '') as domain from trunkline.jobs) as j
			join queues using (kind) left join held using (queue, domain)
			where state = 'queued' and admitted_at is null and case when items = 0 then not exists (
				select from (select key, turn from trunkline.turns where job_id = j.id offset 0) as mine,
				lateral (select from trunkline.turns where key = mine.key and turn < mine.turn and holds limit 1) as earlier)
			else not exists (
				select from trunkline.jobs as earlier where earlier.id = any(j.after) and earlier.finished_at is null and earlier.outcome is null) end
		), ranked as (
			select id, slots, coalesce((select sum(jobs) from held where held.queue = next.queue), 0)
				+ row_number() over (partition by queue order by nth, urgent desc, turn) as nth
			from next where nth <= share
		)
		update trunkline.jobs set admitted_at = now(), dispatched_at = now()
		where id = any(array(select id from ranked where nth <= slots)) and state = 'queued' and admitted_at is null
		returning `+jobColumns, Kinds, names, usual, c.settings.HeartbeatTimeout, shares).Query(func(rows pgx.Rows) error {
		jobs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Job])
		return err
	})
	return jobs, c.pool.SendBatch(ctx, batch).Close()
}

// admitMissed admits what nobody admitted when its turn came: the process that should have ended first.
func (c *Client) admitMissed(ctx context.Context, report *SweepReport) error {
	admitted, err := c.admit(ctx)
	report.Admitted += admitted
	return err
}
