package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

const (
	// lostAfter is how long a queued job's task may go unseen before the sweep looks for it in Redis.
	lostAfter = 3 * time.Second
	// lostBatch bounds how many queued jobs one sweep looks for.
	lostBatch = 500
)

// redispatchLost looks in Redis for the tasks of jobs that have been queued for a while, and makes a
// new one if there is none: it was never enqueued, or Redis lost it.
func (c *Client) redispatchLost(ctx context.Context, report *SweepReport) error {
	jobs, err := all[Job](ctx, c.pool, `
		select `+jobColumns+` from trunkline.jobs
		where state = 'queued' and admitted_at is not null and dispatched_at < now() - $1::interval and kind = any($2)
		order by dispatched_at limit $3`, lostAfter, Kinds, lostBatch)
	if err != nil {
		return fmt.Errorf("sweeping up lost tasks: %w", err)
	}
	var seen []string
	for _, job := range jobs {
		waiting, err := c.taskWaits(job)
		if err != nil {
			return fmt.Errorf("sweeping up lost tasks: Redis does not answer: %w", err)
		}
		if waiting {
			seen = append(seen, job.ID)
			continue
		}
		if err := c.redispatch(ctx, job, report); err != nil {
			return err
		}
	}
	if len(seen) == 0 {
		return nil
	}
	_, err = c.pool.Exec(ctx, `update trunkline.jobs set dispatched_at = now() where id = any($1::uuid[]) and state = 'queued'`, seen)
	return err
}

// redispatch enqueues the job under a new dispatch, unless somebody else was first.
func (c *Client) redispatch(ctx context.Context, job Job, report *SweepReport) error {
	again, err := one[Job](ctx, c.pool, `
		update trunkline.jobs set dispatch = dispatch + 1, dispatched_at = now()
		where id = $1 and dispatch = $2 and state = 'queued'
		returning `+jobColumns, job.ID, job.Dispatch)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("dispatching job %s again: %w", job.ID, err)
	}
	c.log.Warn("task lost; job dispatched again", "job", job.ID, "kind", job.Kind)
	c.Enqueue(ctx, again)
	report.Redispatched++
	return nil
}

// taskWaits reports whether Redis holds the job's present task in a state from which it will be run.
// A task that is active while its job is still queued belongs to a worker that died in between: a new
// dispatch does no harm if it did not, since only one of the two can claim the job.
func (c *Client) taskWaits(job Job) (bool, error) {
	info, err := c.inspector.GetTaskInfo(job.Kind.Queue(), taskID(job.ID, job.Dispatch))
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound), errors.Is(err, asynq.ErrQueueNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return info.State == asynq.TaskStatePending || info.State == asynq.TaskStateScheduled || info.State == asynq.TaskStateRetry, nil
}

// failWorkerless ends the jobs that have lost as many workers as they may.
func (c *Client) failWorkerless(ctx context.Context, report *SweepReport) error {
	unsure := map[Kind]string{}
	for _, e := range kinds {
		if e.unsure != "" {
			unsure[e.kind] = "; " + e.unsure
		}
	}
	failed, err := all[struct{ ID string }](ctx, c.pool, `
		update trunkline.jobs set state = 'failed', error_code = $3, finished_at = now(),
			error_message = format('its worker ended in the middle of it %s times; look for the reason in the workers'' log, then retry the job', lost_workers + 1)
				|| coalesce($4::json->>kind, '')
		where id in (select id from trunkline.jobs
			where state = 'running' and parked_at is null and heartbeat_at < now() - $1::interval and lost_workers + 1 >= $2 for update skip locked)
		returning id::text`, c.settings.HeartbeatTimeout, c.settings.JobMaxAttempts, fault.WorkerLost, unsure)
	if err != nil {
		return fmt.Errorf("sweeping up lost workers: %w", err)
	}
	for _, job := range failed {
		c.publishEnd(ctx, job.ID)
	}
	report.Failed += len(failed)
	return nil
}

// requeueWorkerless puts running jobs without a heartbeat back to queued under a new dispatch. Those of a
// kind that only a newer build knows are left to its sweep, since this one does not know their queue.
func (c *Client) requeueWorkerless(ctx context.Context, report *SweepReport) error {
	jobs, err := all[Job](ctx, c.pool, `
		update trunkline.jobs set state = 'queued', dispatch = dispatch + 1, dispatched_at = now(), queued_at = now(), lost_workers = lost_workers + 1
		where id in (select id from trunkline.jobs
			where state = 'running' and parked_at is null and heartbeat_at < now() - $1::interval and kind = any($2) for update skip locked)
		returning `+jobColumns, c.settings.HeartbeatTimeout, Kinds)
	if err != nil {
		return fmt.Errorf("sweeping up lost workers: %w", err)
	}
	for _, job := range jobs {
		c.log.Warn("worker lost; job dispatched again", "job", job.ID, "kind", job.Kind, "attempt", job.Attempt)
		c.Enqueue(ctx, job)
	}
	report.Redispatched += len(jobs)
	return nil
}
