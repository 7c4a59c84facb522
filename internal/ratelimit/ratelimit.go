// Package ratelimit counts what callers do within windows of time, in Redis, so that all front ends
// count together. While Redis does not answer each process counts by itself: it neither lets everything
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

	"trunkline/internal/cache"
)

// Window is how long requests are counted together.
const Window = time.Minute

const (
	// redisTimeout is the Timeout of a new limiter.
	redisTimeout = 250 * time.Millisecond
	// redisPause is how long Redis is not asked after it did not answer.
	redisPause = time.Second
	// maxKeys bounds how many keys a process keeps its own counts of.
	maxKeys = 50_000
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

// Step is what is done with one budget among several.
type Step struct {
	Budget
	Amount int // 1: one is counted; 0: none; -1: one is given back; Forget
	With   int // the number of a step before this one, from 1, whose count counts here too; 0: none
}

// Forget, as an amount, is to begin anew.
const Forget = -2

// Limiter counts. It has nothing that must be kept running.
type Limiter struct {
	// Timeout bounds one question to Redis; a caller waits for it. It is set before the first one, or left.
	Timeout time.Duration

	redis redis.UniversalClient
	log   *slog.Logger
	now   func() time.Time

	mu       sync.Mutex
	waiting  []*question // those that go to Redis next
	onTheWay bool        // others are on their way
	away     bool        // Redis did not answer, and nobody waits for it until it does
	probeAt  time.Time   // when it is asked again then
	// counts are what this process goes by while Redis is away, and until then a copy of what Redis said
	// last, so that nobody's budget starts afresh when it goes.
	counts *cache.Cache[count]
}

// count is how often something was counted in the window that ends at until.
type count struct {
	n     int
	until time.Time
}

// New returns a limiter that counts in Redis, by a client whose commands end with their contexts, or, for
// nil, by itself.
func New(rdb redis.UniversalClient, log *slog.Logger) *Limiter {
	return &Limiter{
		Timeout: redisTimeout,
		redis:   rdb,
		log:     log,
		now:     time.Now,
		counts:  cache.New[count](cache.Options{Most: maxKeys}),
	}
}

// Take counts one against the budget, unless it is used up: a refusal is not counted.
func (l *Limiter) Take(ctx context.Context, b Budget) Decision { return l.one(ctx, b, 1) }

// Peek says how the budget stands, and counts nothing.
func (l *Limiter) Peek(ctx context.Context, b Budget) Decision { return l.one(ctx, b, 0) }

func (l *Limiter) one(ctx context.Context, b Budget, amount int) Decision {
	_, stand := l.All(ctx, Step{Budget: b, Amount: amount})
	return stand[0]
}

// All does all the steps, in one question to Redis; or none of them if a budget of which one is to be counted
// is used up, as its decision then says. It returns how each stands. A caller who hangs up is counted all
// the same: what it did is done.
func (l *Limiter) All(ctx context.Context, steps ...Step) (allowed bool, stand []Decision) {
	q := newQuestion(steps)
	if !l.askRedis(context.WithoutCancel(ctx), q) {
		l.countHere(q)
	}
	return q.allowed, q.stand
}

// hashed keeps callers' own words out of Redis, and bounds them.
func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// countHere counts as the script does.
func (l *Limiter) countHere(q *question) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make([]count, len(q.steps))
	for i, s := range q.steps {
		var ok bool
		if counts[i], ok = l.counts.Get(q.ids[i]); !ok {
			counts[i] = count{until: l.now().Add(s.Window)}
		}
	}
	q.decide(counts)
	q.counts = counts
	l.keep(q)
}

// keep keeps a copy of what the question found. mu is held.
func (l *Limiter) keep(q *question) {
	for i, c := range q.counts {
		l.counts.Put(q.ids[i], c, c.until)
	}
}
