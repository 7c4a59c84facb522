package tasks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
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

// duties are what a sweep does, in this order: a job that may not be run again must not be queued first.
// Each adds to the report what it did, also if it fails in the middle.
var duties = []func(*Client, context.Context, SweepOptions, *SweepReport) error{
	(*Client).failWorkerless,
	(*Client).requeueWorkerless,
	(*Client).redispatchLost,
	(*Client).forgetOld,
}

// Sweep puts right what was lost and forgets what is past its time. It stops at the first failure. While
// another process sweeps it does nothing. It may run in any number of processes, and in each once at a time.
func (c *Client) Sweep(ctx context.Context, o SweepOptions) (SweepReport, error) {
	var report SweepReport
	lock, err := postgres.TryLock(ctx, c.pool, "sweep")
	if err != nil || lock == nil {
		return report, err
	}
	defer lock.Release(ctx)
	for _, duty := range duties {
		if err := duty(c, ctx, o, &report); err != nil {
			return report, err
		}
	}
	return report, nil
}

func (c *Client) collect(ctx context.Context, sql string, args ...any) ([]Job, error) {
	rows, err := c.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Job, error) { return scanJob(row) })
}
