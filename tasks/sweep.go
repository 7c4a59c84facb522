package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

const (
	// lostAfter is how long a queued job's task may go unseen before the sweep looks for it in Redis.
	lostAfter = 3 * time.Second
	// sweepBatch bounds how many queued jobs one sweep looks for.
	sweepBatch = 500
	// forgetInterval is how often one process looks for secrets and rows past their time.
	forgetInterval = time.Minute
)

// SweepOptions are the limits of a sweep; each is a setting.
type SweepOptions struct {
	HeartbeatTimeout time.Duration // a running job without a heartbeat for so long has lost its worker
	MaxAttempts      int           // after so many lost workers the job fails
	SecretRetention  time.Duration // how long a failed job's secrets stay for a retry
	JobRetention     time.Duration // how long an ended job's row is kept
}

// SweepReport counts what a sweep did.
type SweepReport struct {
	Redispatched int // jobs whose worker or task was lost
	Failed       int // jobs that lost too many workers
	Wiped        int // failed jobs whose secrets were wiped
	Deleted      int // job rows past their retention
}

// Sweep dispatches again what has lost its worker or its task, wipes secrets and rows past their
// time. Where another process is sweeping it does nothing. It may run in any number of processes, and
// in each once at a time.
func (c *Client) Sweep(ctx context.Context, o SweepOptions) (SweepReport, error) {
	var report SweepReport
	lock, err := postgres.TryLock(ctx, c.pool, "sweep")
	if err != nil || lock == nil {
		return report, err
	}
	defer lock.Release(ctx)

	failed, err := c.failWorkerless(ctx, o)
	if err != nil {
		return report, err
	}
	report.Failed = failed
	if report.Redispatched, err = c.requeueWorkerless(ctx, o); err != nil {
		return report, err
	}
	lost, err := c.redispatchLost(ctx)
	report.Redispatched += lost
	if err != nil {
		return report, err
	}
	if time.Since(c.forgot) < forgetInterval {
		return report, nil
	}
	c.forgot = time.Now()
	return report, c.forgetOld(ctx, o, &report)
}

// failWorkerless ends the jobs that have lost as many workers as they may.
func (c *Client) failWorkerless(ctx context.Context, o SweepOptions) (int, error) {
	rows, err := c.pool.Query(ctx, ending(`
		update trunkline.jobs set state = 'failed', error_code = $3, finished_at = now(),
			error_message = format('its worker ended in the middle of it %s times; look for the reason in the workers'' log, then retry the job', lost_workers + 1)
				|| case kind when 'provision' then '; until then the gateway''s row may be the new one, and the switches may have it loaded or not' else '' end
		where id in (select id from trunkline.jobs
			where state = 'running' and heartbeat_at < now() - $1::interval and lost_workers + 1 >= $2 for update skip locked)`, noExport, noExport)+`select id::text from ended`, o.HeartbeatTimeout, o.MaxAttempts, fault.WorkerLost)
	if err != nil {
		return 0, fmt.Errorf("sweeping up lost workers: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, fmt.Errorf("sweeping up lost workers: %w", err)
	}
	for _, id := range ids {
		c.Finished(ctx, id)
	}
	return len(ids), nil
}

// requeueWorkerless puts running jobs without a heartbeat back to queued under a new dispatch.
func (c *Client) requeueWorkerless(ctx context.Context, o SweepOptions) (int, error) {
	jobs, err := c.collect(ctx, `
		update trunkline.jobs set state = 'queued', dispatch = dispatch + 1, dispatched_at = now(), queued_at = now(), lost_workers = lost_workers + 1
		where id in (select id from trunkline.jobs
			where state = 'running' and heartbeat_at < now() - $1::interval for update skip locked)
		returning `+jobColumns, o.HeartbeatTimeout)
	if err != nil {
		return 0, fmt.Errorf("sweeping up lost workers: %w", err)
	}
	for _, job := range jobs {
		c.log.Warn("worker lost; job dispatched again", "job", job.ID, "kind", job.Kind, "attempt", job.Attempt)
		c.Enqueue(ctx, job)
	}
	return len(jobs), nil
}

// redispatchLost looks in Redis for the tasks of jobs that have been queued for a while, and makes a
// new one where there is none: it was never enqueued, or Redis lost it.
func (c *Client) redispatchLost(ctx context.Context) (int, error) {
	jobs, err := c.collect(ctx, `
		select `+jobColumns+` from trunkline.jobs
		where state = 'queued' and dispatched_at < now() - $1::interval
		order by dispatched_at limit $2`, lostAfter, sweepBatch)
	if err != nil {
		return 0, fmt.Errorf("sweeping up lost tasks: %w", err)
	}
	var redispatched int
	var seen []string
	for _, job := range jobs {
		waiting, err := c.taskWaits(job)
		if err != nil {
			return redispatched, fmt.Errorf("sweeping up lost tasks: Redis does not answer: %w", err)
		}
		if waiting {
			seen = append(seen, job.ID)
			continue
		}
		again, err := scanJob(c.pool.QueryRow(ctx, `
			update trunkline.jobs set dispatch = dispatch + 1, dispatched_at = now()
			where id = $1 and dispatch = $2 and state = 'queued'
			returning `+jobColumns, job.ID, job.Dispatch))
		if errors.Is(err, pgx.ErrNoRows) {
			continue
		}
		if err != nil {
			return redispatched, fmt.Errorf("dispatching job %s again: %w", job.ID, err)
		}
		c.log.Warn("task lost; job dispatched again", "job", job.ID, "kind", job.Kind)
		c.Enqueue(ctx, again)
		redispatched++
	}
	if len(seen) == 0 {
		return redispatched, nil
	}
	_, err = c.pool.Exec(ctx, `update trunkline.jobs set dispatched_at = now() where id = any($1::uuid[]) and state = 'queued'`, seen)
	return redispatched, err
}

// taskWaits reports whether Redis holds the job's present task in a state from which it will be run.
// A task that is active while its job is still queued belongs to a worker that died in between: a new
// dispatch does no harm where it did not, since only one of the two can claim the job.
func (c *Client) taskWaits(job Job) (bool, error) {
	info, err := c.inspector.GetTaskInfo(string(job.Kind), taskID(job.ID, job.Dispatch))
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound), errors.Is(err, asynq.ErrQueueNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return info.State == asynq.TaskStatePending || info.State == asynq.TaskStateScheduled || info.State == asynq.TaskStateRetry, nil
}

// forgetOld wipes the secrets of failed jobs and deletes the rows of ended ones past their time.
func (c *Client) forgetOld(ctx context.Context, o SweepOptions, report *SweepReport) error {
	wiped, err := c.pool.Exec(ctx, `
		update trunkline.jobs set sealed = null
		where state = 'failed' and sealed is not null and finished_at < now() - $1::interval`, o.SecretRetention)
	if err != nil {
		return fmt.Errorf("wiping old secrets: %w", err)
	}
	report.Wiped = int(wiped.RowsAffected())
	deleted, err := c.pool.Exec(ctx, `delete from trunkline.jobs where finished_at < now() - $1::interval`, o.JobRetention)
	if err != nil {
		return fmt.Errorf("deleting old jobs: %w", err)
	}
	report.Deleted = int(deleted.RowsAffected())
	return nil
}

func (c *Client) collect(ctx context.Context, sql string, args ...any) ([]Job, error) {
	rows, err := c.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Job, error) { return scanJob(row) })
}
