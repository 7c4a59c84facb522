package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Unfinished is how many jobs of a kind are queued and running, and for how long the oldest one has
// been queued; 0 if none is.
type Unfinished struct {
	Kind            Kind
	Queued, Running int64
	Oldest          time.Duration
}

// Unfinished returns the jobs that have not ended, for every kind in the order of Kinds.
func (c *Client) Unfinished(ctx context.Context) ([]Unfinished, error) {
	counts, err := all[Unfinished](ctx, c.pool, `
		select kind, count(*) filter (where state = 'queued'), count(*) filter (where state = 'running'),
			greatest(now() - min(queued_at) filter (where state = 'queued'), interval '0')
		from unnest($1::text[]) with ordinality as known (kind, place)
		left join (select * from trunkline.jobs where state in ('queued', 'running')) as unfinished using (kind)
		group by kind, place order by place`, Kinds)
	if err != nil {
		return nil, fmt.Errorf("counting unfinished jobs: %w", err)
	}
	return counts, nil
}

// QueueTasks is how many tasks of a queue Redis holds, by asynq's states.
type QueueTasks struct {
	Queue                                       string
	Pending, Active, Scheduled, Retry, Archived int
}

// QueueTasks returns what asynq has in its queues, in the order of Queues. It is a view
// of Redis: how many jobs there are is Unfinished's to say.
func (c *Client) QueueTasks(ctx context.Context) ([]QueueTasks, error) {
	// The inspector knows no context: a Redis that is away is found out before.
	if err := c.PingRedis(ctx); err != nil {
		return nil, err
	}
	var held []QueueTasks
	var err error
	read := make(chan struct{})
	go func() {
		defer close(read)
		held, err = c.queueTasks()
	}()
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("reading the queues: %w", ctx.Err())
	case <-read:
		return held, err
	}
}

func (c *Client) queueTasks() ([]QueueTasks, error) {
	known, err := c.inspector.Queues()
	if err != nil {
		return nil, fmt.Errorf("reading the names of the queues: %w", err)
	}
	held := make([]QueueTasks, len(Queues))
	for i, q := range Queues {
		held[i].Queue = q.Name
		if !slices.Contains(known, q.Name) {
			continue // nothing was ever enqueued
		}
		info, err := c.inspector.GetQueueInfo(q.Name)
		if err != nil {
			return nil, fmt.Errorf("reading the queue %s: %w", q.Name, err)
		}
		held[i] = QueueTasks{Queue: q.Name, Pending: info.Pending, Active: info.Active, Scheduled: info.Scheduled, Retry: info.Retry, Archived: info.Archived}
	}
	return held, nil
}

// Ended counts the jobs of one kind that have ever ended in one state for one reason: Reason is the
// error's code, "" if there was none. A job that is retried and ends again has ended twice. Rows and
// Bytes are what their results count, Seconds the time from a job's start to its end.
type Ended struct {
	Kind        Kind
	State       State
	Reason      string
	Jobs        int64
	Rows, Bytes int64
	Seconds     float64
}

// Sized is a result that counts in the totals: how many rows of data it is, and of how many bytes.
type Sized interface {
	Size() (rows, bytes int64)
}

func sizeOf(result any) (rows, bytes int64) {
	if r, ok := result.(Sized); ok {
		return r.Size()
	}
	return 0, 0
}

// Ended returns the totals since the database was set up, whichever process ran the jobs and whether
// or not their rows are still there. A trigger counts: an end is counted if and only if it happened.
func (c *Client) Ended(ctx context.Context) ([]Ended, error) {
	totals, err := all[Ended](ctx, c.pool, `
		select kind, state, reason, sum(jobs)::bigint, sum(rows)::bigint, sum(bytes)::bigint, sum(seconds)
		from trunkline.job_totals group by kind, state, reason order by kind, state, reason`)
	if err != nil {
		return nil, fmt.Errorf("reading the totals of jobs: %w", err)
	}
	return totals, nil
}
