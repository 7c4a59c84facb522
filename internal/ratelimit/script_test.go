package ratelimit

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// What is counted in Redis and what a process counts by itself come to the same.
func TestCounting(t *testing.T) {
	t.Parallel()
	inRedis, _ := started(t, pbxtest.RedisURL(t), patience)
	alone, _ := started(t, silent(t), time.Millisecond)
	for name, l := range map[string]*Limiter{"in Redis": inRedis, "alone": alone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			b := budget("counted", 3)
			for i, step := range []struct {
				do        func() Decision
				allowed   bool
				remaining int
			}{
				{func() Decision { return l.Peek(ctx, b) }, true, 3},
				{func() Decision { return l.Take(ctx, b) }, true, 2},
				{func() Decision { return l.Take(ctx, b) }, true, 1},
				{func() Decision { return l.Take(ctx, b) }, true, 0},
				{func() Decision { return l.Take(ctx, b) }, false, 0},
				{func() Decision { return l.Peek(ctx, b) }, false, 0},
				{func() Decision { l.one(ctx, b, Forget); return l.Peek(ctx, b) }, true, 3},
				{func() Decision { return l.Take(ctx, b) }, true, 2},
				{func() Decision { l.one(ctx, budget("nothing", 1), Forget); return l.Take(ctx, b) }, true, 1},
				{func() Decision { return l.Take(ctx, budget("none", 0)) }, false, 0},
			} {
				before := time.Now()
				got := step.do()
				if got.Allowed != step.allowed || got.Remaining != step.remaining {
					t.Errorf("step %d: got %+v, want %t with %d left", i, got, step.allowed, step.remaining)
				}
				if !got.Reset.After(before) || got.Reset.After(time.Now().Add(time.Minute)) {
					t.Errorf("step %d: reset at %s", i, got.Reset)
				}
			}
		})
	}
}

// More questions than go to Redis at once: nobody gets another's answer, and of those with one key as
// many are allowed as may be.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	l, _ := started(t, pbxtest.RedisURL(t), patience)
	var wg sync.WaitGroup
	for i := range 3 * maxBatch {
		wg.Go(func() {
			b := budget(fmt.Sprint("key ", i), i%5)
			for n := range 3 {
				d := l.Take(t.Context(), b)
				if want := n < i%5; d.Allowed != want || d.Limit != i%5 || d.Remaining != max(i%5-n-1, 0) {
					t.Errorf("key %d, take %d: %+v", i, n, d)
				}
			}
		})
	}
	var mu sync.Mutex
	left := map[int]int{}
	for range 3 * maxBatch {
		wg.Go(func() {
			if d := l.Take(t.Context(), budget("one for all", 1000)); d.Allowed {
				mu.Lock()
				defer mu.Unlock()
				left[d.Remaining]++
			}
		})
	}
	wg.Wait()
	if len(left) != 1000 {
		t.Errorf("1000 takes saw %d different numbers left, want one each", len(left))
	}
}

// A window ends when it began to: nothing that comes later moves its end.
func TestWindowIsAnchored(t *testing.T) {
	t.Parallel()
	l, _ := started(t, pbxtest.RedisURL(t), patience)
	b := budget("anchored", 3)
	l.Take(t.Context(), b)
	id := keyPrefix + hashed(b.Key)
	if err := l.redis.PExpire(t.Context(), id, 20*time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		l.Take(t.Context(), b)
		l.Peek(t.Context(), b)
	}
	if left := l.redis.PTTL(t.Context(), id).Val(); left <= 0 || left > 20*time.Second {
		t.Errorf("%s are left of a window of which 20 s were", left)
	}
}

// Whatever somebody left under a key of ours, the limit holds, Redis is not given up, and nobody is
// refused for ever.
func TestForeignValues(t *testing.T) {
	t.Parallel()
	l, out := started(t, pbxtest.RedisURL(t), patience)
	ctx := t.Context()
	id := func(key string) string { return keyPrefix + hashed(key) }
	for key, put := range map[string]func() error{
		"without an end": func() error { return l.redis.Set(ctx, id("without an end"), 1000, 0).Err() },
		"words":          func() error { return l.redis.Set(ctx, id("words"), "many", time.Hour).Err() },
		"a fraction":     func() error { return l.redis.Set(ctx, id("a fraction"), "0.5", time.Hour).Err() },
		"less than none": func() error { return l.redis.Set(ctx, id("less than none"), "-5", time.Hour).Err() },
		"a list":         func() error { return l.redis.LPush(ctx, id("a list"), "x").Err() },
		"a list that ends": func() error {
			err := l.redis.LPush(ctx, id("a list that ends"), "x").Err()
			return errors.Join(err, l.redis.Expire(ctx, id("a list that ends"), time.Hour).Err())
		},
	} {
		if err := put(); err != nil {
			t.Fatal(err)
		}
		if d := l.Peek(ctx, budget(key, 3)); !d.Allowed || d.Remaining != 3 {
			t.Errorf("%s: %+v", key, d)
		}
		if got := takeMany(budget(key, 3), 5, l); got != 3 {
			t.Errorf("%s: %d were allowed, want 3", key, got)
		}
		if left := l.redis.PTTL(ctx, id(key)).Val(); left <= 0 || left > time.Minute {
			t.Errorf("%s: ends in %s", key, left)
		}
	}
	if err := l.redis.Set(ctx, id("no number"), strings.Repeat("9", 30), time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if d := l.Take(ctx, budget("no number", 3)); d.Allowed || d.Remaining != 0 {
		t.Errorf("a count beyond all numbers: %+v", d)
	}
	if out.String() != "" {
		t.Errorf("the log says %s", out)
	}
}
