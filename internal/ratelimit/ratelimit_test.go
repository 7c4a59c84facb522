package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"trunkline/internal/pbxtest"
)

// patience is how long a Redis may take that is there: the machine may be slow.
const patience = 20 * time.Second

// started returns a limiter on the Redis of that URL, and its log.
func started(t testing.TB, url string, timeout time.Duration) (*Limiter, *pbxtest.LogBuffer) {
	t.Helper()
	rdb := pbxtest.RedisClient(t, url, func(o *redis.Options) { o.ContextTimeoutEnabled = true }) // as our own
	out := &pbxtest.LogBuffer{}
	l := New(rdb, slog.New(slog.NewTextHandler(out, nil)))
	l.Timeout = timeout
	return l, out
}

func budget(key string, limit int) Budget { return Budget{Key: key, Limit: limit, Window: time.Minute} }

// takeMany takes at once from all the limiters, and returns how many were allowed.
func takeMany(b Budget, each int, limiters ...*Limiter) int {
	var allowed atomic.Int32
	var wg sync.WaitGroup
	for _, l := range limiters {
		for range each {
			wg.Go(func() {
				if l.Take(context.Background(), b).Allowed {
					allowed.Add(1)
				}
			})
		}
	}
	wg.Wait()
	return int(allowed.Load())
}

func TestTwoProcessesShareABudget(t *testing.T) {
	t.Parallel()
	url := pbxtest.RedisURL(t)
	one, _ := started(t, url, patience)
	two, _ := started(t, url, patience)
	// The second's clock is an hour ahead: Redis's alone counts.
	two.now = func() time.Time { return time.Now().Add(time.Hour) }
	if got := takeMany(budget("shared", 100), 80, one, two); got != 100 {
		t.Errorf("%d were allowed, want 100", got)
	}
	d := two.Peek(t.Context(), budget("shared", 100))
	if d.Allowed || d.Remaining != 0 || d.Limit != 100 {
		t.Errorf("got %+v", d)
	}
	if other := one.Take(t.Context(), budget("other", 100)); !other.Allowed || other.Remaining != 99 {
		t.Errorf("another key: got %+v", other)
	}
}

// A budget is whole again after its window, and a refusal does not lengthen that.
func TestWindowEnds(t *testing.T) {
	t.Parallel()
	l, _ := started(t, pbxtest.RedisURL(t), patience)
	b := Budget{Key: "short", Limit: 1, Window: 300 * time.Millisecond}
	first := l.Take(t.Context(), b)
	if !first.Allowed || time.Until(first.Reset) > b.Window {
		t.Fatalf("got %+v", first)
	}
	if l.Take(t.Context(), b).Allowed {
		t.Fatal("over the limit")
	}
	pbxtest.Eventually(t, "the window ends though it is asked all the time", func() bool { return l.Take(t.Context(), b).Allowed })
}

func TestPeekAndClear(t *testing.T) {
	t.Parallel()
	l, _ := started(t, pbxtest.RedisURL(t), patience)
	b := budget("peeked", 2)
	for range 3 {
		if d := l.Peek(t.Context(), b); !d.Allowed || d.Remaining != 2 {
			t.Fatalf("a peek was counted: %+v", d)
		}
	}
	l.Take(t.Context(), b)
	l.Take(t.Context(), b)
	if d := l.Peek(t.Context(), b); d.Allowed {
		t.Fatalf("got %+v", d)
	}
	l.one(t.Context(), b, Forget)
	if d := l.Peek(t.Context(), b); !d.Allowed || d.Remaining != 2 {
		t.Errorf("not cleared: %+v", d)
	}
}

// Redis goes away in the middle: what was counted still counts, the limit holds, and when Redis is back
// it is asked again.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	server := pbxtest.NewRedis(t)
	l, out := started(t, server.URL(), patience)
	b := budget("away", 10)
	for range 6 {
		l.Take(t.Context(), b)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := takeMany(b, 50, l); got != 4 {
		t.Errorf("without Redis %d were allowed, want the 4 that were left", got)
	}
	if got := takeMany(budget("new", 10), 50, l); got != 10 {
		t.Errorf("without Redis %d of a new budget were allowed, want 10", got)
	}
	if strings.Count(out.String(), "by itself") != 1 {
		t.Errorf("the log says %s", out)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	pbxtest.Eventually(t, "Redis is asked again", func() bool {
		l.Take(t.Context(), budget("back", 1000))
		return strings.Contains(out.String(), "answers again")
	})
}

func TestScriptIsLoadedAgain(t *testing.T) {
	t.Parallel()
	l, _ := started(t, pbxtest.RedisURL(t), patience)
	l.Take(t.Context(), budget("flushed", 5))
	if err := l.redis.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if d := l.Take(t.Context(), budget("flushed", 5)); d.Remaining != 3 {
		t.Errorf("got %+v, want 3 left", d)
	}
}

// Keys reach Redis hashed and with an end.
func TestKeys(t *testing.T) {
	t.Parallel()
	l, _ := started(t, pbxtest.RedisURL(t), patience)
	for _, key := range []string{"", "a\x00b", "trunkline:limit:*", strings.Repeat("x", 1<<16)} {
		if d := l.Take(t.Context(), budget(key, 2)); !d.Allowed || d.Remaining != 1 {
			t.Errorf("%.20q: got %+v", key, d)
		}
	}
	keys, err := l.redis.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 4 {
		t.Fatalf("got %q, %v", keys, err)
	}
	for _, key := range keys {
		left, err := l.redis.PTTL(t.Context(), key).Result()
		if err != nil || left <= 0 || len(key) > 64 {
			t.Errorf("%q ends in %s, %v", key, left, err)
		}
	}
}

// Without a Redis, or with one that is nowhere, the limiter counts by itself, and answers.
func TestNoRedis(t *testing.T) {
	t.Parallel()
	nowhere, _ := started(t, "redis://127.0.0.1:1", patience)
	for name, l := range map[string]*Limiter{"nowhere": nowhere, "none": New(nil, slog.New(slog.DiscardHandler))} {
		if got := takeMany(budget("early", 3), 10, l); got != 3 {
			t.Errorf("%s: %d were allowed, want 3", name, got)
		}
		if got := takeMany(budget("late", 3), 200, l); got != 3 {
			t.Errorf("%s: %d were allowed, want 3", name, got)
		}
	}
}

// A caller who has hung up is counted all the same, and does not make Redis seem away.
func TestCallerWhoHasHungUp(t *testing.T) {
	t.Parallel()
	l, out := started(t, pbxtest.RedisURL(t), patience)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	l.Take(gone, budget("key", 5))
	if d := l.Peek(t.Context(), budget("key", 5)); d.Remaining != 4 || out.String() != "" {
		t.Errorf("got %+v, and the log says %s", d, out)
	}
}

func TestCountersAreBounded(t *testing.T) {
	t.Parallel()
	l := New(nil, slog.New(slog.DiscardHandler))
	for i := range maxKeys + 100 {
		l.Take(t.Context(), budget(fmt.Sprint(i), 5))
	}
	if n := l.counts.Len(); n != maxKeys {
		t.Errorf("%d counters are kept, want %d", n, maxKeys)
	}
}
