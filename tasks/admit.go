package tasks

import (
	"context"
	"fmt"
	"slices"
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

// candidates are the jobs that may start as soon as there is a slot, in the table ranked, by queue in the order in which they do:
// nth says how many of the queue are held before theirs, nth_of_domain how many its domain then holds. Its arguments are those of
// candidateArgs.
//
// The domain that holds the fewest slots of the queue goes first, and within it what is urgent. Of a queue whose jobs others can
// draw out, the domain goes first whose last slot is longest ago: however many domains have however many jobs there, one that
// has had none comes next. No domain ever holds the last slot of a queue that has several, nor more than its share of one whose
// jobs others can draw out, unless there is no other.
//
// Whether a job has an earlier one before it is asked for each by itself (offset 0): the planner, which takes turns for
// few, would else look for all of theirs at once, each of ten thousand against each.
const candidates = `
		with queues as (
			select kind, queue, slots, part > 0 as drawn, case when not shared or slots = 1 then slots
				when part > 0 then least(greatest(slots / part, 2), slots - 1) else slots - 1 end as share
			from unnest($1::text[], $2::text[], $3::integer[], $5::integer[]) as known (kind, queue, usual, part),
			lateral (select coalesce(sum(slots), usual) as slots, coalesce(bool_or(shared), true) as shared
				from trunkline.workers where workers.queue = known.queue and seen_at > now() - $4::interval) as alive
			where not exists (select from trunkline.paused_queues as paused where paused.queue = known.queue)
		), held as (
			select queue, coalesce(domain_uuid::text, '') as domain, count(*) as jobs from trunkline.jobs join queues using (kind)
			where state in ('queued', 'running') and admitted_at is not null group by 1, 2
		), next as (
			select id, queue, domain, slots, share, drawn, urgent, turn, served_at, coalesce(held.jobs, 0)
				+ row_number() over (partition by queue, domain order by urgent desc, turn) as nth
			from (select *, coalesce(domain_uuid::text, '') as domain from trunkline.jobs) as j
			join queues using (kind) left join held using (queue, domain) left join trunkline.served using (queue, domain)
			where state = 'queued' and admitted_at is null and case when items = 0 then not exists (
				select from (select key, turn from trunkline.turns where job_id = j.id offset 0) as mine,
				lateral (select from trunkline.turns where key = mine.key and turn < mine.turn and holds limit 1) as earlier)
			else not exists (
				select from trunkline.jobs as earlier where earlier.id = any(j.after) and earlier.finished_at is null and earlier.outcome is null) end
		), ranked as (
			select id, queue, domain, slots, drawn, nth as nth_of_domain, coalesce((select sum(jobs) from held where held.queue = next.queue), 0)
				+ row_number() over (partition by queue order by nth, urgent desc, served_at nulls first, turn) as nth
			from next where nth <= share
		)`

// candidateArgs are the arguments $1 to $5 of candidates, for these kinds: all of a queue, or of all queues.
func (c *Client) candidateArgs(of []kindEntry) []any {
	var known []Kind
	var names []string
	var usual, shares []int
	for _, k := range of {
		known, names = append(known, k.kind), append(names, k.queue)
		usual, shares = append(usual, usualSlots(k.queue, c.settings)), append(shares, k.share)
	}
	return []any{known, names, usual, c.settings.HeartbeatTimeout, shares}
}

// choose admits jobs in the database, one process at a time: the candidates for which there are slots.
//
// If the server crashes and forgets an admission, the task finds its job not admitted, and the sweep admits it.
func (c *Client) choose(ctx context.Context) (jobs []Job, err error) {
	batch := &pgx.Batch{} // one transaction
	batch.Queue("select pg_advisory_xact_lock($1), set_config('synchronous_commit', 'off', true), "+planOnce, postgres.LockKey("admission"))
	batch.Queue(candidates+`, noted as (
			insert into trunkline.served (queue, domain, served_at)
			select queue, domain, clock_timestamp() from (select distinct queue, domain from ranked where nth <= slots and drawn) as chosen
			on conflict (queue, domain) do update set served_at = excluded.served_at
		)
		update trunkline.jobs set admitted_at = now(), dispatched_at = now()
		where id = any(array(select id from ranked where nth <= slots)) and state = 'queued' and admitted_at is null
		returning `+jobColumns, c.candidateArgs(kinds)...).Query(func(rows pgx.Rows) error {
		jobs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Job])
		return err
	})
	return jobs, c.pool.SendBatch(ctx, batch).Close()
}

// OthersWait reports whether a job of another domain waits for a slot that the job has: it would start if the job ended, and
// would leave its domain with no more slots than the job's domain has now.
func (c *Client) OthersWait(ctx context.Context, job Job) (bool, error) {
	queue := job.Kind.Queue()
	of := slices.DeleteFunc(slices.Clone(kinds), func(k kindEntry) bool { return k.queue != queue })
	waiting, err := postgres.Value[bool](ctx, c.pool, "looking for jobs that wait for a slot", candidates+`
		select exists (select from ranked join held using (queue)
			where nth > slots and held.domain = $6 and ranked.domain <> $6 and nth_of_domain <= held.jobs)`,
		append(c.candidateArgs(of), job.DomainUUID)...)
	return waiting, err
}

// admitMissed admits what nobody admitted when its turn came: the process that should have ended first.
func (c *Client) admitMissed(ctx context.Context, report *SweepReport) error {
	admitted, err := c.admit(ctx)
	report.Admitted += admitted
	return err
}
