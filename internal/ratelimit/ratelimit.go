// Package ratelimit counts what callers do within windows of time, in Redis, so that all front ends
// count together. Where Redis does not answer each process counts by itself: it neither lets everything
// through nor refuses everything. The package knows nothing of HTTP or of what it counts.
//
// A window begins with the first thing that is counted under a key and lasts a fixed time. Redis keeps
// its end by its own clock, so that clocks that differ between hosts change nothing.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"math"
	"time"

	"github.com/redis/go-redis/v9"
)

// Window is how long requests are counted together.
const Window = time.Minute

const (
	// redisTimeout bounds one question to Redis; a caller waits for it.
	redisTimeout = 250 * time.Millisecond
	// redisPause is how long Redis is not asked after it did not answer.
	redisPause = time.Second
	// keyPrefix begins every key in Redis.
	keyPrefix = "trunkline:limit:"
)

// Decision is how a budget stands once a request was counted, or refused.
type Decision struct {
	Allowed   bool
	Limit     int
	Remaining int
	Reset     time.Time // when the window ends and the whole budget is there again
}

// Budget is what is counted under a name: at most Limit within Window.
type Budget struct {
	Key    string // whatever it says; it is hashed before it reaches Redis
	Limit  int
	Window time.Duration
}

// Limiter counts. Run must run for it to ask Redis; before and after that it counts by itself.
type Limiter struct {
	redis    redis.UniversalClient
	log      *slog.Logger
	now      func() time.Time
	counters *counters
	asked    chan *question
	running  chan struct{} // closed once Run runs
	ended    chan struct{} // closed once it has ended
}

// New returns a limiter that counts in Redis.
func New(rdb redis.UniversalClient, log *slog.Logger) *Limiter {
	return &Limiter{
		redis: rdb, log: log, now: time.Now, counters: newCounters(maxCounters),
		asked: make(chan *question, maxBatch), running: make(chan struct{}), ended: make(chan struct{}),
	}
}

// Take counts one against the budget, unless it is used up: a refusal is not counted.
func (l *Limiter) Take(ctx context.Context, b Budget) Decision { return l.ask(ctx, b, 1) }

// Peek says how the budget stands, and counts nothing.
func (l *Limiter) Peek(ctx context.Context, b Budget) Decision { return l.ask(ctx, b, 0) }

// Give takes one back of what was counted against the budget.
func (l *Limiter) Give(ctx context.Context, b Budget) { l.ask(ctx, b, -1) }

// Clear forgets what was counted under the key.
func (l *Limiter) Clear(ctx context.Context, key string) {
	id := hashed(key)
	l.counters.clear(id)
	if !l.runs() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisTimeout)
	defer cancel()
	if err := l.redis.Del(ctx, keyPrefix+id).Err(); err != nil {
		l.log.Debug("a count was not cleared in Redis; it ends with its window", "error", err)
	}
}

// hashed keeps callers' own words out of Redis, and bounds them.
func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// question is one budget that Redis is asked about.
type question struct {
	id     string
	budget Budget
	amount int
	answer chan count // has room for the one answer
}

// count is how a counter stands: how often, and for how long it still counts.
type count struct {
	allowed bool
	n       int
	left    time.Duration
	known   bool // Redis said so
}

// ask asks Redis through Run, or counts in this process where that does not answer.
func (l *Limiter) ask(ctx context.Context, b Budget, amount int) Decision {
	q := &question{id: hashed(b.Key), budget: b, amount: amount, answer: make(chan count, 1)}
	c := count{}
	if l.hand(ctx, q) {
		select {
		case c = <-q.answer: // Run answers every question, within redisTimeout
		case <-l.ended:
		}
	}
	now := l.now()
	if c.known {
		l.counters.set(q.id, c.n, now.Add(c.left))
	} else {
		c = l.counters.take(q.id, b, amount, now)
	}
	return Decision{Allowed: c.allowed, Limit: b.Limit, Remaining: max(b.Limit-c.n, 0), Reset: now.Add(c.left)}
}

// hand gives the question to Run, and reports false where nobody will answer it.
func (l *Limiter) hand(ctx context.Context, q *question) bool {
	if !l.runs() && !l.starts(ctx) {
		return false
	}
	select {
	case l.asked <- q:
		return true
	case <-l.ended:
	case <-ctx.Done():
	}
	return false
}

// runs reports whether Run was started.
func (l *Limiter) runs() bool {
	select {
	case <-l.running:
		return true
	default:
		return false
	}
}

// starts waits for Run a moment: front end and limiter start side by side.
func (l *Limiter) starts(ctx context.Context) bool {
	timer := time.NewTimer(redisTimeout)
	defer timer.Stop()
	select {
	case <-l.running:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// maxBatch is how many questions go to Redis at once.
const maxBatch = 128

// Run asks Redis until ctx is done: all the questions that came while the last ones were on their way
// go together, so that a busy front end costs few round trips.
func (l *Limiter) Run(ctx context.Context) error {
	close(l.running)
	defer close(l.ended)
	var pause time.Time // Redis did not answer: it is not asked before then
	for {
		var batch []*question
		select {
		case <-ctx.Done():
			return nil
		case q := <-l.asked:
			batch = append(batch, q)
		}
		batch = l.gather(batch)
		if l.now().Before(pause) {
			answer(batch, nil)
			continue
		}
		counts, err := l.evaluate(ctx, batch)
		answer(batch, counts)
		switch {
		case err != nil && pause.IsZero():
			l.log.Warn("Redis does not answer; this process counts requests by itself until it does", "error", err)
			pause = l.now().Add(redisPause)
		case err != nil:
			pause = l.now().Add(redisPause)
		case !pause.IsZero():
			l.log.Info("Redis answers again; requests are counted together")
			pause = time.Time{}
		}
	}
}

// gather takes what else waits.
func (l *Limiter) gather(batch []*question) []*question {
	for len(batch) < maxBatch {
		select {
		case q := <-l.asked:
			batch = append(batch, q)
		default:
			return batch
		}
	}
	return batch
}

// answer gives each question its count; without counts each process counts by itself.
func answer(batch []*question, counts []count) {
	for i, q := range batch {
		if counts == nil {
			q.answer <- count{}
			continue
		}
		q.answer <- counts[i]
	}
}

// script counts each key's amount where its limit allows, and returns for each whether it did, the count
// and the milliseconds that its window still lasts. One call is one atomic step.
var script = redis.NewScript(`
local answers = {}
for i, key in ipairs(KEYS) do
	local amount, limit, window = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
	local n, left = tonumber(redis.call('GET', key) or '0'), redis.call('PTTL', key)
	local allowed = n + math.max(amount, 1) <= limit
	if amount < 0 and n > 0 then
		n = redis.call('DECR', key)
	elseif allowed and amount > 0 then
		n = redis.call('INCRBY', key, amount)
		if left < 0 then
			redis.call('PEXPIRE', key, window)
		end
	end
	if left < 0 then
		left = window
	end
	table.insert(answers, allowed and 1 or 0)
	table.insert(answers, n)
	table.insert(answers, left)
end
return answers`)

var errScript = errors.New("the limit script's answer is not understood")

func (l *Limiter) evaluate(ctx context.Context, batch []*question) ([]count, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	keys, args := make([]string, len(batch)), make([]any, 0, 3*len(batch))
	for i, q := range batch {
		keys[i] = keyPrefix + q.id
		args = append(args, q.amount, q.budget.Limit, q.budget.Window.Milliseconds())
	}
	numbers, err := script.Run(ctx, l.redis, keys, args...).Int64Slice()
	if err != nil {
		return nil, err
	}
	if len(numbers) != 3*len(batch) {
		return nil, errScript
	}
	counts := make([]count, len(batch))
	for i := range batch {
		allowed, n, left := numbers[3*i], numbers[3*i+1], numbers[3*i+2]
		counts[i] = count{allowed: allowed == 1, n: int(min(n, math.MaxInt32)), left: time.Duration(left) * time.Millisecond, known: true}
	}
	return counts, nil
}
