package tasks

import (
	"context"
	"fmt"
)

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
