package audit

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// writeInterval is how often the denials that were gathered are written.
	writeInterval = time.Second
	// writeTimeout bounds writing them once.
	writeTimeout = 5 * time.Second
	// maxDistinct is how many different denials of one minute this process writes as rows of their own:
	// under an endless flood some 13 million rows in 90 days.
	maxDistinct = 100
	// maxWaiting is how many rows this process keeps while the database is away.
	maxWaiting = 10_000
	// alikeSpan is the time within which denials that are alike are one row.
	alikeSpan = time.Minute
)

// ActionOverflow is the action of the row that counts the denials beyond maxDistinct and maxWaiting.
const ActionOverflow = "overflow"

// alike is what the denials of one row have in common.
type alike struct {
	minute                              time.Time
	address, who, action, code, ownerID string
}

// compare orders rows. Every process writes them in the same order, so that no two wait for each other.
func (a alike) compare(b alike) int {
	return cmp.Or(a.minute.Compare(b.minute), cmp.Compare(a.address, b.address), cmp.Compare(a.who, b.who),
		cmp.Compare(a.action, b.action), cmp.Compare(a.code, b.code), cmp.Compare(a.ownerID, b.ownerID))
}

// count is how often and when.
type count struct {
	first, last time.Time
	times       int64
	requestID   string
}

func (c count) plus(d count) count {
	if c.times == 0 {
		return d
	}
	if d.first.Before(c.first) {
		c.first, c.requestID = d.first, d.requestID
	}
	if d.last.After(c.last) {
		c.last = d.last
	}
	c.times += d.times
	return c
}

// gathered are the denials that wait to be written.
type gathered struct {
	waiting  map[alike]count
	overflow count
	minute   time.Time          // the one that seen is about
	seen     map[alike]struct{} // what has a row in this minute, waiting or written
	repeated map[alike]int64    // what came again, that the log has not been told of
}

// add reports whether it is the first of its kind in its minute.
func (g *gathered) add(key alike, c count) (first bool) {
	if !key.minute.Equal(g.minute) {
		g.minute = key.minute
		clear(g.seen)
	}
	_, known := g.seen[key]
	_, waits := g.waiting[key]
	if !known && len(g.seen) >= maxDistinct || !waits && len(g.waiting) >= maxWaiting {
		g.spill(c)
		g.repeated[alike{minute: key.minute, action: ActionOverflow}] += c.times
		return false
	}
	g.seen[key] = struct{}{}
	g.waiting[key] = g.waiting[key].plus(c)
	if known {
		g.repeated[key] += c.times
	}
	return !known
}

// spill counts what gets no row of its own. While the database is away that is one count and no more.
func (g *gathered) spill(c count) {
	if g.overflow.last.After(c.last) {
		c.last = g.overflow.last
	}
	g.overflow = count{first: c.last, last: c.last, times: g.overflow.times + c.times}
}

// Denial notes a refused request. It does no I/O: Run writes within a second or so, and denials that are
// alike within a minute are one row. It reports whether this is the first of them, of which the caller's log
// should have a line; of the others Run logs how many they were.
func (l *Log) Denial(d Denial) (first bool) {
	now := time.Now().UTC()
	key := alike{
		minute: now.Truncate(alikeSpan), address: cleaned(d.Address), who: cleaned(d.Who),
		action: cleaned(d.Endpoint), code: cleaned(d.Code), ownerID: cleanedUUID(d.DomainUUID),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.denied.add(key, count{first: now, last: now, times: 1, requestID: cleaned(d.RequestID)})
}

// Run writes the denials once a second until ctx is done, and what is left then.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(writeInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		l.Flush(ctx)
		l.logRepeated(time.Now())
	}
	l.logRepeated(time.Now().Add(alikeSpan))
	return nil
}

// logRepeated logs what was denied again and again in the minutes that have ended.
func (l *Log) logRepeated(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range slices.SortedFunc(maps.Keys(l.denied.repeated), alike.compare) {
		if !now.Before(key.minute.Add(alikeSpan)) {
			l.log.Warn("denied again", "address", key.address, "who", key.who, "endpoint", key.action, "denied", key.code,
				"times", l.denied.repeated[key], "minute", key.minute)
			delete(l.denied.repeated, key)
		}
	}
}

// Flush writes what waits. If the database is away that waits on, up to maxWaiting rows, and the log says
// so once. A batch whose outcome was lost with the connection is written again: a count can then be too
// high, never too low.
func (l *Log) Flush(ctx context.Context) {
	l.writing.Lock()
	defer l.writing.Unlock()
	batch := l.take()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	err := l.write(ctx, batch)
	if unwritable(err) {
		batch = batchInASCII(batch)
		err = l.write(ctx, batch)
	}
	if err != nil {
		l.giveBack(batch)
		if !l.away {
			l.log.Error("denials not written to the audit; they are kept and written when the database answers", "rows", len(batch), "error", err)
		}
		l.away = true
		return
	}
	if l.away {
		l.log.Info("denials are written to the audit again", "rows", len(batch))
		l.away = false
	}
}

// take empties what waits, and makes the overflow a row of its own.
func (l *Log) take() map[alike]count {
	l.mu.Lock()
	defer l.mu.Unlock()
	batch := l.denied.waiting
	l.denied.waiting = map[alike]count{}
	if o := l.denied.overflow; o.times > 0 {
		batch[alike{minute: o.first.Truncate(alikeSpan), action: ActionOverflow}] = o
		l.denied.overflow = count{}
	}
	return batch
}

func (l *Log) giveBack(batch map[alike]count) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, c := range batch {
		_, waits := l.denied.waiting[key]
		if key.action == ActionOverflow || !waits && len(l.denied.waiting) >= maxWaiting {
			l.denied.spill(c)
			continue
		}
		l.denied.waiting[key] = l.denied.waiting[key].plus(c)
	}
}

func (l *Log) write(ctx context.Context, denied map[alike]count) error {
	const sql = `
		insert into trunkline.audit as a (id, kind, minute, at, last_at, times, address, who, action, code, domain_uuid, request_id)
		values ($1, 'denial', $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, '')::uuid, $11)
		on conflict (minute, address, who, action, code, coalesce(domain_uuid, '00000000-0000-0000-0000-000000000000')) where kind = 'denial'
		do update set times = a.times + excluded.times, at = least(a.at, excluded.at), last_at = greatest(a.last_at, excluded.last_at)`
	var batch pgx.Batch // which is one transaction
	for _, key := range slices.SortedFunc(maps.Keys(denied), alike.compare) {
		c := denied[key]
		batch.Queue(sql, uuid.Must(uuid.NewV7()), key.minute, c.first, c.last, c.times,
			key.address, key.who, key.action, key.code, key.ownerID, c.requestID)
	}
	return l.pool.SendBatch(ctx, &batch).Close()
}

// batchInASCII is the batch for a database whose encoding lacks some of Unicode.
func batchInASCII(batch map[alike]count) map[alike]count {
	plain := make(map[alike]count, len(batch))
	for key, c := range batch {
		key.address, key.who, key.action, key.code = inASCII(key.address), inASCII(key.who), inASCII(key.action), inASCII(key.code)
		c.requestID = inASCII(c.requestID)
		plain[key] = plain[key].plus(c)
	}
	return plain
}
