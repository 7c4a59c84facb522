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
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Window is how long requests are counted together.
const Window = time.Minute

const (
	// redisTimeout is the Timeout of a new limiter.
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
	// Timeout bounds one question to Redis; a caller waits for it. It is set before Run runs, or left.
	Timeout time.Duration

	redis    redis.UniversalClient
	log      *slog.Logger
	now      func() time.Time
	counters *counters
	asked    chan *question
	running  chan struct{} // closed once Run runs
	ended    chan struct{} // closed once it has ended

	firstAsked sync.Once
	late       chan struct{} // closed once Run should have run
}

// New returns a limiter that counts in Redis.
func New(rdb redis.UniversalClient, log *slog.Logger) *Limiter {
	return &Limiter{
		Timeout: redisTimeout,
		redis:   rdb, log: log, now: time.Now, counters: newCounters(maxCounters),
		asked: make(chan *question, maxBatch), running: make(chan struct{}), ended: make(chan struct{}), late: make(chan struct{}),
	}
}

// Take counts one against the budget, unless it is used up: a refusal is not counted.
func (l *Limiter) Take(ctx context.Context, b Budget) Decision { return l.ask(ctx, b, 1) }

// Peek says how the budget stands, and counts nothing.
func (l *Limiter) Peek(ctx context.Context, b Budget) Decision { return l.ask(ctx, b, 0) }

// Clear forgets what was counted under the key.
func (l *Limiter) Clear(ctx context.Context, key string) {
	l.ask(ctx, Budget{Key: key, Window: Window}, forget)
}

// hashed keeps callers' own words out of Redis, and bounds them.
func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// forget, as an amount, is to begin anew.
const forget = -1

// question is one budget that Redis is asked about.
type question struct {
	id     string
	budget Budget
	amount int        // to be counted; 0: none; less: to be given back
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
		case c = <-q.answer: // Run answers every question, within about Timeout
		case <-l.ended:
		}
	}
	now := l.now()
	if !c.known {
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

// starts waits for Run a moment, which is over once for all: front end and limiter start side by side.
func (l *Limiter) starts(ctx context.Context) bool {
	l.firstAsked.Do(func() { time.AfterFunc(l.Timeout, func() { close(l.late) }) })
	select {
	case <-l.running:
	case <-l.late:
	case <-ctx.Done():
	}
	return l.runs()
}
