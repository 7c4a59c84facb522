package tasks

import (
	"context"
	"fmt"

	"trunkline/internal/fault"
)

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
			where state = 'running' and heartbeat_at < now() - $1::interval and lost_workers + 1 >= $2 for update skip locked)
		returning id::text`, c.settings.HeartbeatTimeout, c.settings.JobMaxAttempts, fault.WorkerLost, unsure)
	if err != nil {
		return fmt.Errorf("sweeping up lost workers: %w", err)
	}
	for _, job := range failed {
		c.Finished(ctx, job.ID)
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
			where state = 'running' and heartbeat_at < now() - $1::interval and kind = any($2) for update skip locked)
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
