package ratelimit

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"trunkline/internal/pbxtest"
)

// silent is the URL of a Redis that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, closeAll := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { conn.Close() })
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		closeAll()
		<-ended
	})
	return "redis://" + listener.Addr().String()
}

// A Redis that says nothing costs the first callers their patience with it, and no others theirs: here
// that is an hour, which these would have to wait for every time that it is asked again.
func TestRedisHangs(t *testing.T) {
	t.Parallel()
	l, out := started(t, silent(t), redisTimeout)
	allowed := 0
	takeAll := func() {
		for i := range 15_000 {
			if l.Take(t.Context(), budget(fmt.Sprint(i%3), 5)).Allowed {
				allowed++
			}
		}
	}
	takeAll()
	if allowed != 15 {
		t.Errorf("%d were allowed, want 5 of each of 3 keys", allowed)
	}
	l.one(t.Context(), budget("1", 5), Forget)
	takeAll()
	if allowed != 20 {
		t.Errorf("%d were allowed, want 5 more of the key that was cleared", allowed)
	}
	if strings.Count(out.String(), "by itself") != 1 || strings.Contains(out.String(), "again") {
		t.Errorf("the log says %s", out)
	}
}

// A Redis that answers and does not write, such as a master that was before a fail-over, does not serve
// either, until it does.
func TestRedisOnlyReads(t *testing.T) {
	t.Parallel()
	server, master := pbxtest.NewRedis(t), pbxtest.NewRedis(t)
	l, out := started(t, server.URL(), patience)
	replicaOf := func(host, port string) {
		t.Helper()
		if err := l.redis.Do(t.Context(), "REPLICAOF", host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	host, port, err := net.SplitHostPort(master.Addr())
	if err != nil {
		t.Fatal(err)
	}
	replicaOf(host, port)
	if got := takeMany(budget("key", 5), 20, l); got != 5 {
		t.Errorf("%d were allowed, want 5", got)
	}
	if !strings.Contains(out.String(), "by itself") {
		t.Errorf("the log says %s", out)
	}
	replicaOf("NO", "ONE")
	pbxtest.Eventually(t, "Redis is asked again", func() bool {
		l.Peek(t.Context(), budget("key", 5))
		return strings.Contains(out.String(), "answers again")
	})
	if got := takeMany(budget("another", 5), 20, l); got != 5 {
		t.Errorf("%d were allowed, want 5", got)
	}
}

// It is not parallel: it looks at all goroutines.
func TestNothingIsLeftRunning(t *testing.T) {
	server := pbxtest.NewRedis(t)
	before := goleak.IgnoreCurrent()
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), ContextTimeoutEnabled: true})
	l := New(rdb, slog.New(slog.DiscardHandler))
	takeMany(budget("key", 5), 100, l)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	takeMany(budget("key", 5), 100, l)
	if err := rdb.Close(); err != nil {
		t.Fatal(err)
	}
	pbxtest.Eventually(t, "all goroutines end", func() bool { return goleak.Find(before) == nil })
}
