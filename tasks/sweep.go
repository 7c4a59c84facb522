package tasks

import (
	"context"
	"fmt"
	"time"

	"trunkline/internal/postgres"
)

// forgetInterval is how often one process looks for secrets and rows past their time.
const forgetInterval = time.Minute

// SweepReport counts what a sweep did.
type SweepReport struct {
	Redispatched int // jobs whose worker or task was lost
	Woken        int // parked jobs whose time had come
	Admitted     int // jobs whose turn had come unnoticed
	Failed       int // jobs that lost too many workers
	Wiped        int // failed jobs whose secrets were wiped
	Deleted      int // job rows past their retention
}

// duties are what a sweep does, in this order: a job that may not be run again must not be queued first.
// Each adds to the report what it did, also if it fails in the middle.
var duties = []func(*Client, context.Context, *SweepReport) error{
	(*Client).foldCounts,
	(*Client).failWorkerless,
	(*Client).requeueWorkerless,
	(*Client).redispatchLost,
	(*Client).wakeSleeping,
	(*Client).admitMissed,
	(*Client).forgetOld,
}

// Sweep puts right what was lost and forgets what is past its time. It stops at the first failure. While
// another process sweeps it does nothing. It may run in any number of processes, and in each once at a time.
func (c *Client) Sweep(ctx context.Context) (SweepReport, error) {
	var report SweepReport
	lock, err := postgres.TryLock(ctx, c.pool, "sweep")
	if err != nil || lock == nil {
		return report, err
	}
	defer lock.Release(ctx)
	for _, duty := range duties {
		if err := duty(c, ctx, &report); err != nil {
			return report, err
		}
	}
	return report, nil
}

// forgetOld wipes the secrets of failed jobs and deletes the rows of ended ones past their time.
func (c *Client) forgetOld(ctx context.Context, report *SweepReport) error {
	if time.Since(c.forgot) < forgetInterval {
		return nil
	}
	c.forgot = time.Now()
	wiped, err := one[struct{ Jobs int }](ctx, c.pool, `
		with wiped as (
			update trunkline.jobs set sealed = null
			where state in ('failed', 'partial') and sealed is not null and finished_at < now() - $1::interval
			returning id, items
		), items as (
			update trunkline.items set sealed = null from wiped
			where wiped.items > 0 and job_id = wiped.id and sealed is not null
		)
		select count(*) from wiped`, c.settings.SecretRetention)
	if err != nil {
		return fmt.Errorf("wiping old secrets: %w", err)
	}
	report.Wiped = wiped.Jobs
	deleted, err := c.pool.Exec(ctx, `delete from trunkline.jobs where finished_at < now() - $1::interval`, c.settings.JobRetention)
	if err != nil {
		return fmt.Errorf("deleting old jobs: %w", err)
	}
	report.Deleted = int(deleted.RowsAffected())
	return nil
}
