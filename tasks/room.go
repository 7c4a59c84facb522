package tasks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/config"
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

// lockShared keeps domains from being locked for a job of many while jobs of one take their turns there, and
// lockDomains the other way round, always in the same order.
const lockShared = "select pg_advisory_xact_lock_shared(key) from unnest($1::bigint[]) as key"

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

// waiters are whose room a job takes: a domain's jobs of a queue, those that are urgent apart from the others, so that a
// domain that has asked for too much can still suspend.
type waiters struct {
	queue, domainUUID string
	urgent            bool
}

func (p place) waiters() waiters {
	return waiters{p.kind.Queue(), strings.ToLower(p.domainUUID), p.urgent}
}

// room is what waits already, as one transaction sees it.
type room struct {
	settings config.Settings
	taken    map[waiters]*occupied
}

// occupied is how many jobs wait, and how many items they have together.
type occupied struct{ jobs, items int }

// lockForRoom locks what the jobs need and, with the same round trip, looks what waits in their queues already. Those
// whose transactions do so at the same moment may all get the last room: a bound on what is kept, not a count.
func (c *Client) lockForRoom(ctx context.Context, tx pgx.Tx, places []place) (*room, error) {
	r := &room{settings: c.settings, taken: map[waiters]*occupied{}}
	var domains, locks []string
	for _, p := range places {
		if p.items == 0 {
			domains = append(domains, turnsOf(p.domainUUID))
		}
		locks = append(locks, p.locks...)
		r.taken[p.waiters()] = &occupied{}
	}
	batch := &pgx.Batch{}
	if len(domains) == len(places) { // what is done with many items is planned for how many they are
		batch.Queue("select " + planOnce)
	}
	slices.Sort(domains)
	batch.Queue(lockShared, lockKeys(slices.Compact(domains)))
	batch.Queue(lockNames, lockKeys(locks))
	for w, taken := range r.taken {
		batch.Queue(`
			select count(*), coalesce(sum(items), 0) from (
				select items from trunkline.jobs
				where state = 'queued' and admitted_at is null and kind = any($1)
				and domain_uuid is not distinct from nullif($2, '')::uuid and urgent = $3
				limit $4) as waiting`,
			kindsOf(w.queue), w.domainUUID, w.urgent, c.settings.QueuedJobs).QueryRow(func(row pgx.Row) error { return row.Scan(&taken.jobs, &taken.items) })
	}
	return r, tx.SendBatch(ctx, batch).Close()
}

// take takes the room of one more job, or says why its domain may not have another one wait.
func (r *room) take(p place) error {
	taken := r.taken[p.waiters()]
	const remedy = "send this again when some have ended, or cancel some: GET /v1/jobs?state=queued lists them"
	var refusal *fault.Error
	switch {
	case taken.jobs >= r.settings.QueuedJobs:
		refusal = fault.Errorf(fault.RateLimited, "this domain has %d jobs waiting in the queue %s, the most that one may have (TRUNKLINE_QUEUED_JOBS); "+remedy, taken.jobs, p.kind.Queue())
	case taken.items > 0 && taken.items+p.items > r.settings.QueuedItems: // the first is let in, whatever its size
		refusal = fault.Errorf(fault.RateLimited, "this domain's jobs that wait in the queue %s have %d rows, and with these %d more than one may have (TRUNKLINE_QUEUED_ITEMS, %d); "+remedy,
			p.kind.Queue(), taken.items, p.items, r.settings.QueuedItems)
	default:
		taken.jobs, taken.items = taken.jobs+1, taken.items+p.items
		return nil
	}
	refusal.RetryAfter = fullRetry
	return refusal
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
