package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// Pause says that a queue is paused: by whom, why, and since when.
type Pause struct {
	Queue  string
	By     string
	Reason string
	At     time.Time
}

// QueueStatus is how a queue stands: jobs that wait and that run, for how long the oldest has waited (0 if none does), and
// how many workers serve it, which run so many of its jobs at a time. Paused is nil while jobs begin.
type QueueStatus struct {
	Queue           string
	Queued, Running int64
	Oldest          time.Duration
	Workers, Slots  int
	Paused          *Pause
}

// QueueStatuses returns how every queue stands, in the order of Queues.
func (c *Client) QueueStatuses(ctx context.Context) ([]QueueStatus, error) {
	unfinished, err := c.Unfinished(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := c.Paused(ctx)
	if err != nil {
		return nil, err
	}
	served, err := all[struct {
		Queue          string
		Workers, Slots int
	}](ctx, c.pool, `select queue, count(*), sum(slots) from trunkline.workers where seen_at > now() - $1::interval group by queue`, c.settings.HeartbeatTimeout)
	if err != nil {
		return nil, fmt.Errorf("reading who serves the queues: %w", err)
	}
	statuses := make([]QueueStatus, len(Queues))
	for i, q := range Queues {
		s := &statuses[i]
		s.Queue = q.Name
		for _, u := range unfinished {
			if u.Kind.Queue() == q.Name {
				s.Queued, s.Running, s.Oldest = s.Queued+u.Queued, s.Running+u.Running, max(s.Oldest, u.Oldest)
			}
		}
		for _, by := range served {
			if by.Queue == q.Name {
				s.Workers, s.Slots = by.Workers, by.Slots
			}
		}
		for _, p := range paused {
			if p.Queue == q.Name {
				s.Paused = &p
			}
		}
	}
	return statuses, nil
}

// Paused are the queues that are paused.
func (c *Client) Paused(ctx context.Context) ([]Pause, error) { return Paused(ctx, c.pool) }

// Paused are the queues that are paused, read from the database.
func Paused(ctx context.Context, q postgres.Querier) ([]Pause, error) {
	return postgres.Rows(ctx, q, "reading which queues are paused", pgx.RowToStructByPos[Pause],
		"select queue, paused_by, reason, paused_at from trunkline.paused_queues order by queue")
}

// PausedSince is since when the job waits for its queue to be resumed, nil if it does not.
func (c *Client) PausedSince(ctx context.Context, job Job) (*time.Time, error) {
	if job.State != StateQueued {
		return nil, nil
	}
	return postgres.Value[*time.Time](ctx, c.pool, "asking whether the queue is paused",
		"select (select paused_at from trunkline.paused_queues where queue = $1)", job.Kind.Queue())
}

// PauseQueue has no job of the queue begin until ResumeQueue. What runs goes on; what was let in and has not begun waits in
// its row again, at its turn. Of a queue that is paused already, who did it and when stays. changed: it was not.
func (c *Client) PauseQueue(ctx context.Context, queue, by, reason string) (changed bool, err error) {
	err = pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		// Whoever admits jobs meanwhile has let them in before this, or sees the pause.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("admission")); err != nil {
			return err
		}
		made, err := tx.Exec(ctx, `
			insert into trunkline.paused_queues (queue, paused_by, reason) values ($1, $2, $3) on conflict do nothing`, queue, by, validText(reason))
		if err != nil || made.RowsAffected() == 0 {
			return err
		}
		changed = true
		// Their tasks in Redis have an older dispatch, and come to nothing.
		_, err = tx.Exec(ctx, `
			update trunkline.jobs set admitted_at = null, dispatch = dispatch + 1
			where state = 'queued' and admitted_at is not null and attempt = 0 and kind = any($1)`, kindsOf(queue))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("pausing the queue %s: %w", queue, err)
	}
	return changed, nil
}

// ErrNotPaused: the queue was not paused.
var ErrNotPaused = errors.New("the queue is not paused")

// ResumeQueue has jobs of the queue begin again. Errors: ErrNotPaused.
func (c *Client) ResumeQueue(ctx context.Context, queue string) error {
	gone, err := c.pool.Exec(ctx, "delete from trunkline.paused_queues where queue = $1", queue)
	if err != nil {
		return fmt.Errorf("resuming the queue %s: %w", queue, err)
	}
	if gone.RowsAffected() == 0 {
		return ErrNotPaused
	}
	c.Admit(ctx)
	return nil
}
