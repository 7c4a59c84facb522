package tasks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

// fullRetry is when whoever was refused for want of room is told to come back.
const fullRetry = 10 * time.Second

// place is where a job is to wait: for which it has to be locked, and for which it counts.
type place struct {
	locks      []string
	kind       Kind
	domainUUID string
	urgent     bool
	items      int // a job of many locks the domains of its items by itself, once they are written
}

func (n NewJob) place() place {
	return place{locks: n.locks(), kind: n.Kind, domainUUID: n.DomainUUID, urgent: n.Urgent, items: len(n.Items)}
}

func (j Job) place() place {
	return place{locks: j.OrderKeys, kind: j.Kind, domainUUID: j.DomainUUID, urgent: j.Urgent, items: j.Items}
}

// lockDomain keeps the domain from being locked for a job of many while a job of one takes its turn there, and
// lockDomains the other way round, always in the same order.
const lockDomain = "select pg_advisory_xact_lock_shared($1), " + planOnce

func lockDomains(ctx context.Context, tx pgx.Tx, domains []string) error {
	names := make([]string, len(domains))
	for i, domain := range domains {
		names[i] = turnsOf(domain)
	}
	if _, err := tx.Exec(ctx, lockNames, lockKeys(names)); err != nil {
		return fmt.Errorf("locking the turns of domains: %w", err)
	}
	return nil
}

func turnsOf(domain string) string { return "domain " + strings.ToLower(domain) }

// lockForRoom locks what the job needs and, with the same round trip, looks whether the domain may have
// another job wait in the queue; full is why not. What is urgent has room of its own, so that a domain that has
// asked for too much can still suspend. Those who ask at the same moment may all get the last room: a bound on what
// is kept, not a count.
func (c *Client) lockForRoom(ctx context.Context, tx pgx.Tx, p place) (full, err error) {
	var waiting, items int
	batch := &pgx.Batch{}
	if p.items == 0 {
		batch.Queue(lockDomain, lockKeys([]string{turnsOf(p.domainUUID)})[0])
	}
	batch.Queue(lockNames, lockKeys(p.locks))
	batch.Queue(`
		select count(*), coalesce(sum(items), 0) from (
			select items from trunkline.jobs
			where state = 'queued' and admitted_at is null and kind = any($1)
			and domain_uuid is not distinct from nullif($2, '')::uuid and urgent = $3
			limit $4) as waiting`,
		kindsOf(p.kind.Queue()), p.domainUUID, p.urgent, c.settings.QueuedJobs).QueryRow(func(row pgx.Row) error { return row.Scan(&waiting, &items) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	const remedy = "send this again when some have ended, or cancel some: GET /v1/jobs?state=queued lists them"
	var refusal *fault.Error
	switch {
	case waiting >= c.settings.QueuedJobs:
		refusal = fault.Errorf(fault.RateLimited, "this domain has %d jobs waiting in the queue %s, the most that one may have (TRUNKLINE_QUEUED_JOBS); "+remedy, waiting, p.kind.Queue())
	case items > 0 && items+p.items > c.settings.QueuedItems: // the first is let in, whatever its size
		refusal = fault.Errorf(fault.RateLimited, "this domain's jobs that wait in the queue %s have %d rows, and with these %d more than one may have (TRUNKLINE_QUEUED_ITEMS, %d); "+remedy,
			p.kind.Queue(), items, p.items, c.settings.QueuedItems)
	default:
		return nil, nil
	}
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
