package tasks

import (
	"context"
	"fmt"

	"trunkline/internal/config"
	"trunkline/internal/postgres"
)

// Serving is what a worker serves, as it tells the others.
type Serving struct {
	ID     string // a UUID of its own
	Name   string // for people
	Shared bool   // the PBX has several domains

	Version string // its build
}

// Serve notes that the worker lives and serves every queue, for as long as a heartbeat is good for.
func (c *Client) Serve(ctx context.Context, s Serving) error {
	var queues []string
	var slots []int
	for _, q := range Queues {
		queues = append(queues, q.Name)
		slots = append(slots, q.Concurrency(c.settings))
	}
	_, err := c.pool.Exec(ctx, `
		insert into trunkline.workers (id, name, shared, version, queue, slots)
		select $1, $2, $3, $6, queue, slots from unnest($4::text[], $5::integer[]) as served (queue, slots)
		on conflict (id, queue) do update set shared = excluded.shared, seen_at = now()`,
		s.ID, s.Name, s.Shared, queues, slots, s.Version)
	if err != nil {
		return fmt.Errorf("noting what worker %s serves: %w", s.Name, err)
	}
	return nil
}

// ServeNoMore takes back what Serve noted, and forgets workers that ended without doing so.
func (c *Client) ServeNoMore(ctx context.Context, s Serving) error {
	_, err := c.pool.Exec(ctx, `delete from trunkline.workers where id = $1 or seen_at < now() - interval '1 day'`, s.ID)
	if err != nil {
		return fmt.Errorf("noting that worker %s stops: %w", s.Name, err)
	}
	return nil
}

// usualSlots are those of one worker with these settings.
func usualSlots(queue string, settings config.Settings) int {
	for _, q := range Queues {
		if q.Name == queue {
			return q.Concurrency(settings)
		}
	}
	return 0
}

// Workers is how many workers serve.
func (c *Client) Workers(ctx context.Context) (int, error) {
	return postgres.Value[int](ctx, c.pool, "counting workers", "select count(distinct id) from trunkline.workers where seen_at > now() - $1::interval", c.settings.HeartbeatTimeout)
}
