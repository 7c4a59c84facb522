package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Served is a queue that a worker serves, and how many of its jobs it runs at a time.
type Served struct {
	Queue string
	Slots int
}

// LiveWorker is a worker whose last heartbeat is not too old. Name is host:pid; Running are the jobs that it runs, the
// oldest first.
type LiveWorker struct {
	ID      string
	Name    string
	Version string
	Since   time.Time
	SeenAt  time.Time
	Queues  []Served
	Running []Job
}

// LiveWorkers returns the workers that live, by name, with what each runs.
func (c *Client) LiveWorkers(ctx context.Context) ([]LiveWorker, error) {
	rows, err := all[struct {
		ID, Name, Version string
		Since, SeenAt     time.Time
		Served
	}](ctx, c.pool, `
		select id::text, name, version, started_at, seen_at, queue, slots from trunkline.workers
		where seen_at > now() - $1::interval order by name, id, queue`, c.settings.HeartbeatTimeout)
	if err != nil {
		return nil, fmt.Errorf("reading the workers: %w", err)
	}
	var workers []LiveWorker
	var names []string
	for _, row := range rows {
		if n := len(workers); n == 0 || workers[n-1].ID != row.ID {
			workers = append(workers, LiveWorker{ID: row.ID, Name: row.Name, Version: row.Version, Since: row.Since, SeenAt: row.SeenAt})
			names = append(names, row.Name)
		}
		last := &workers[len(workers)-1]
		last.Queues, last.SeenAt = append(last.Queues, row.Served), latest(last.SeenAt, row.SeenAt)
	}
	running, err := all[struct {
		Job
		Worker string
	}](ctx, c.pool, `
		select `+jobColumns+`, worker from trunkline.jobs where state = 'running' and worker = any($1) order by started_at, id`, names)
	if err != nil {
		return nil, fmt.Errorf("reading what the workers run: %w", err)
	}
	for _, r := range running {
		if i := slices.Index(names, r.Worker); i >= 0 {
			workers[i].Running = append(workers[i].Running, r.Job)
		}
	}
	return workers, nil
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
