package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/tenant"
)

// LatelyHours is how many hours EndedLately goes back.
const LatelyHours = 24

// Outcome is how many jobs of a kind ended in a state within one hour, by how many hours ago that was: 0 to
// LatelyHours-1.
type Outcome struct {
	Ago   int
	Kind  Kind
	State State
	Jobs  int64
}

// EndedLately returns how the domains' jobs of the last day have ended.
func (c *Client) EndedLately(ctx context.Context, domains tenant.Domains) ([]Outcome, error) {
	found, err := all[Outcome](ctx, c.pool, `
		select greatest((extract(epoch from now() - hour) / 3600)::int - 1, 0) as ago, kind, state, jobs from (
			select date_bin('1 hour', finished_at, now()) as hour, kind, state, count(*) as jobs from trunkline.jobs
			where finished_at > now() - make_interval(hours => $3) and `+within("$1", "$2")+`
			group by hour, kind, state) as ended
		order by ago, kind, state`, domains.All, domains.UUIDs(), LatelyHours)
	if err != nil {
		return nil, fmt.Errorf("counting the jobs that ended lately: %w", err)
	}
	return found, nil
}

// Waiting is a job that waits for its turn.
type Waiting struct {
	ID      string
	Kind    Kind
	Who     string
	Since   time.Time
	Waiting int64 // how many wait, this one among them
}

// OldestWaiting returns the job of the domains that waits for longest. found: one does.
func (c *Client) OldestWaiting(ctx context.Context, domains tenant.Domains) (oldest Waiting, found bool, err error) {
	oldest, err = one[Waiting](ctx, c.pool, `
		select id::text, kind, created_by_name, queued_at, count(*) over () from trunkline.jobs
		where state = 'queued' and `+within("$1", "$2")+` order by queued_at, id limit 1`, domains.All, domains.UUIDs())
	if errors.Is(err, pgx.ErrNoRows) {
		return oldest, false, nil
	}
	return oldest, err == nil, explained(err, ErrNotFound, "looking for", "that waits for longest")
}
