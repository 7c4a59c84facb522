package tasks

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// Secrets opens the sealed part of a job that has ended into v, and reports whether it is still there. It is
// that of the job as it was read: one that was queued again since has none here.
func (c *Client) Secrets(ctx context.Context, job Job, v any) (found bool, err error) {
	sealed, err := one[struct{ Part []byte }](ctx, c.pool, `
		select sealed from trunkline.jobs where id = $1 and dispatch = $2 and sealed is not null and finished_at is not null`, job.ID, job.Dispatch)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, explained(err, ErrNotFound, "reading the secrets of", job.ID)
	}
	return true, c.keys.Open(job.ID, sealed.Part, v)
}
