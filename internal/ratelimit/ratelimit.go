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

// forget, as an amount, is to begin anew.
const forget = -1

// Take counts one against the budget, unless it is used up: a refusal is not counted.
func (l *Limiter) Take(ctx context.Context, b Budget) Decision { return l.ask(ctx, b, 1) }

// Peek says how the budget stands, and counts nothing.
func (l *Limiter) Peek(ctx context.Context, b Budget) Decision { return l.ask(ctx, b, 0) }

// Clear forgets what was counted under the key.
func (l *Limiter) Clear(ctx context.Context, key string) {
	l.ask(ctx, Budget{Key: key, Window: Window}, forget)
}

// ask asks Redis, or counts in this process while that does not answer. A caller who hangs up is counted
// all the same: what it did is done.
func (l *Limiter) ask(ctx context.Context, b Budget, amount int) Decision {
	q := &question{asked: asked{id: hashed(b.Key), budget: b, amount: amount}}
	if !l.askRedis(context.WithoutCancel(ctx), q) {
		q.allowed, q.count = l.countHere(q.id, b, amount)
	}
	return Decision{Allowed: q.allowed, Limit: b.Limit, Remaining: max(b.Limit-q.n, 0), Reset: q.until}
}

// hashed keeps callers' own words out of Redis, and bounds them.
func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// countHere counts as the script does.
func (l *Limiter) countHere(id string, b Budget, amount int) (allowed bool, c count) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.counts.Get(id)
	if !ok || amount == forget {
		c = count{until: l.now().Add(b.Window)}
	}
	if allowed = c.n+max(amount, 1) <= b.Limit; allowed {
		c.n += max(amount, 0)
	}
	l.counts.Put(id, c, c.until)
	return allowed, c
}
