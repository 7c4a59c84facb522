package tasks

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

// fullRetry is when whoever was refused for want of room is told to come back.
const fullRetry = 10 * time.Second

// lockForRoom locks the names and, with the same round trip, looks whether the domain may have
// another job wait in the queue; full is why not. What is urgent has room of its own, so that a domain that has
// asked for too much can still suspend. Those who ask at the same moment may all get the last room: a bound on what
// is kept, not a count.
func (c *Client) lockForRoom(ctx context.Context, tx pgx.Tx, names []string, kind Kind, domainUUID string, urgent bool) (full, err error) {
	var waiting int
	batch := &pgx.Batch{}
	batch.Queue(lockNames, lockKeys(names))
	batch.Queue(`
		select count(*) from (
			select from trunkline.jobs
			where state = 'queued' and admitted_at is null and kind = any($1)
			and domain_uuid is not distinct from nullif($2, '')::uuid and urgent = $3
			limit $4) as waiting`,
		kindsOf(kind.Queue()), domainUUID, urgent, c.settings.QueuedJobs).QueryRow(func(row pgx.Row) error { return row.Scan(&waiting) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil || waiting < c.settings.QueuedJobs {
		return nil, err
	}
	refusal := fault.Errorf(fault.RateLimited, "this domain has %d jobs waiting in the queue %s, the most that one may have (TRUNKLINE_QUEUED_JOBS); "+
		"send this again when some have ended, or cancel some: GET /v1/jobs?state=queued lists them", waiting, kind.Queue())
	refusal.RetryAfter = fullRetry
	return refusal, nil
}

// kindsOf are those whose jobs wait in the queue.
func kindsOf(queue string) (of []Kind) {
	for _, e := range kinds {
		if e.queue == queue {
			of = append(of, e.kind)
		}
	}
	return of
}
