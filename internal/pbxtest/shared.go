package pbxtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"trunkline/internal/pbxtest/servers"

	"github.com/redis/go-redis/v9"
)

// shared is the one pair of servers of a test binary. They start when a test first asks for them, so
// that a run of tests that need none, and every worker of a fuzz run, starts none.
var shared struct {
	mu   sync.Mutex
	main bool // Main is running: somebody will close what is started
	pair *servers.Pair
	err  error
	free []int // numbers of the Redis databases that no test uses

	s3       *servers.S3
	s3Folder *servers.Folder
	s3Err    error
}

// Main runs the tests of a package, stops the servers that they used and returns the exit status. Where
// a server is not installed it says what to install and returns 1: tests are never skipped.
//
//	func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }
func Main(m *testing.M) int {
	if err := servers.Installed(); err != nil {
		fmt.Fprintf(os.Stderr, "The tests need a Postgres and a Redis server of their own:\n%v\n", err)
		return 1
	}
	shared.mu.Lock()
	shared.main = true
	shared.mu.Unlock()

	code := m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	var failed []error
	if shared.s3 != nil {
		failed = append(failed, shared.s3.Close())
	}
	if shared.s3Folder != nil {
		failed = append(failed, shared.s3Folder.Remove())
	}
	if shared.pair != nil {
		failed = append(failed, shared.pair.Close())
	}
	if err := errors.Join(failed...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Servers returns the servers that the tests of this binary share.
func Servers(t testing.TB) *servers.Pair {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		t.Fatal("pbxtest: the package has no func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }")
	}
	if shared.pair == nil && shared.err == nil {
		// Not the test's context: the servers outlive the test.
		shared.pair, shared.err = servers.Start(context.Background(), servers.Options{})
		for n := servers.RedisDatabases - 1; n >= 0; n-- {
			shared.free = append(shared.free, n)
		}
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.pair
}

// RedisURL returns the URL of a Redis database that is empty and this test's alone until it ends.
// Published messages are not: Redis has one set of channels for all its databases.
func RedisURL(t testing.TB) string {
	t.Helper()
	s := Servers(t)
	number, err := takeRedisDatabase()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := giveRedisDatabase(s, number); err != nil {
			t.Error(err)
		}
	})
	return s.RedisURL(number)
}

// RedisClient is a client of the Redis database at url, which is closed when the test ends.
func RedisClient(t testing.TB, url string, change ...func(*redis.Options)) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(options)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// NewRedis starts a Redis for this test alone, to be killed, restarted or emptied.
func NewRedis(t testing.TB, opts ...servers.RedisOption) *servers.Redis {
	t.Helper()
	r, err := Servers(t).NewRedis(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, r)
	return r
}

// NewSentinels starts a Redis with replicas and Sentinels for this test alone.
func NewSentinels(t testing.TB, opts ...servers.RedisOption) *servers.Sentinels {
	t.Helper()
	s, err := Servers(t).NewSentinels(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s)
	return s
}

// NewServers starts a Postgres and a Redis for this test alone, to be restarted, or copied to a standby.
func NewServers(t testing.TB) *servers.Pair {
	t.Helper()
	s, err := servers.Start(t.Context(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s)
	return s
}

// StartSSHD starts a private sshd for this test: see [servers.StartSSHD].
func StartSSHD(t testing.TB, more string) *servers.SSHD {
	t.Helper()
	s, err := servers.StartSSHD(t.Context(), t.TempDir(), more)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// StartSMTPD starts a private mail server for this test: see [servers.StartSMTPD].
func StartSMTPD(t testing.TB) *servers.SMTPD {
	t.Helper()
	s, err := servers.StartSMTPD(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// StartNginx starts a private nginx for this test and returns its host:port: see [servers.StartNginx].
func StartNginx(t testing.TB, site func(listen string) string, files map[string]string) (listen string) {
	t.Helper()
	n, err := servers.StartNginx(t.Context(), t.TempDir(), site, files)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("nginx said: %s", n.Log())
		}
	})
	return n.Addr()
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
func giveRedisDatabase(s *servers.Pair, number int) error {
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
