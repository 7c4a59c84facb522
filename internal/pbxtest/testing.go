package pbxtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// shared is the one pair of servers of a test binary. They start when a test first asks for them, so
// that a run of tests that need none, and every worker of a fuzz run, starts none.
var shared struct {
	mu      sync.Mutex
	main    bool // Main is running: somebody will close what is started
	servers *Servers
	err     error
	free    []int // numbers of the Redis databases that no test uses
}

// Main runs the tests of a package, stops the servers that they used and returns the exit status. Where
// a server is not installed it says what to install and returns 1: tests are never skipped.
//
//	func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }
func Main(m *testing.M) int {
	if _, err := findPrograms(); err != nil {
		fmt.Fprintf(os.Stderr, "The tests need a Postgres and a Redis server of their own:\n%v\n", err)
		return 1
	}
	shared.mu.Lock()
	shared.main = true
	shared.mu.Unlock()

	code := m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.servers == nil {
		return code
	}
	if err := shared.servers.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// TestServers returns the servers that the tests of this binary share.
func TestServers(t testing.TB) *Servers {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		t.Fatal("pbxtest: the package has no func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }")
	}
	if shared.servers == nil && shared.err == nil {
		// Not the test's context: the servers outlive the test.
		shared.servers, shared.err = Start(context.Background(), ServersOptions{})
		for n := RedisDatabases - 1; n >= 0; n-- {
			shared.free = append(shared.free, n)
		}
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.servers
}

// Database makes a database with FusionPBX's tables for this test alone and returns its URL. It is
// dropped when the test ends, also where connections are still open.
func Database(t testing.TB, v Version, opts ...DatabaseOption) string {
	t.Helper()
	s := TestServers(t)
	name := "test_" + strings.ToLower(rand.Text())
	url, err := s.CreateDatabase(t.Context(), name, v, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.DropDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return url
}

// RedisURL returns the URL of a Redis database that is empty and this test's alone until it ends.
// Published messages are not: Redis has one set of channels for all its databases.
func RedisURL(t testing.TB) string {
	t.Helper()
	s := TestServers(t)
	number, err := takeRedisDatabase()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := giveRedisDatabase(s, number); err != nil {
			t.Error(err)
		}
	})
	return s.redis.url(number)
}

// NewRedis starts a Redis for this test alone, to be killed, restarted or emptied.
func NewRedis(t testing.TB, opts ...RedisOption) *RedisServer {
	t.Helper()
	r, err := TestServers(t).NewRedis(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, r)
	return r
}

// NewSentinels starts a Redis with replicas and Sentinels for this test alone.
func NewSentinels(t testing.TB, opts ...RedisOption) *Sentinels {
	t.Helper()
	s, err := TestServers(t).NewSentinels(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s)
	return s
}

func closeAfter(t testing.TB, server io.Closer) {
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

func takeRedisDatabase() (int, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	last := len(shared.free) - 1
	if last < 0 {
		return 0, errors.New("pbxtest: more tests ask for a Redis database at once than there are")
	}
	number := shared.free[last]
	shared.free = shared.free[:last]
	return number, nil
}

// giveRedisDatabase empties the database and lets another test have it.
func giveRedisDatabase(s *Servers, number int) error {
	client := redis.NewClient(&redis.Options{Addr: s.RedisAddr(), DB: number})
	defer client.Close()
	if err := client.FlushDB(context.Background()).Err(); err != nil {
		return fmt.Errorf("emptying Redis database %d: %w", number, err)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.free = append(shared.free, number)
	return nil
}

const (
	// eventuallyPatience bounds a wait for a condition, on a machine that may be slow.
	eventuallyPatience = 60 * time.Second
	eventuallyPoll     = 5 * time.Millisecond
)

// Eventually waits until the condition holds; the test fails, saying what never happened, where it
// does not within a minute.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventuallyPatience)
	defer cancel()
	tick := time.NewTicker(eventuallyPoll)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

// LogBuffer is a log that a test can read while it is written.
type LogBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
