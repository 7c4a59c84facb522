package tasks

import (
	"context"
	"fmt"
	"time"
)

// forgetInterval is how often one process looks for secrets and rows past their time.
const forgetInterval = time.Minute

// forgetOld wipes the secrets of failed jobs and deletes the rows of ended ones past their time.
func (c *Client) forgetOld(ctx context.Context, o SweepOptions, report *SweepReport) error {
	if time.Since(c.forgot) < forgetInterval {
		return nil
	}
	c.forgot = time.Now()
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
