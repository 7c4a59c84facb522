package servers_test

import (
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"

	"github.com/redis/go-redis/v9"
)

// client returns a client that does not try again.
func client(t testing.TB, url string) *redis.Client {
	t.Helper()
	return pbxtest.RedisClient(t, url, func(o *redis.Options) { o.MaxRetries = -1 })
}

// A Redis of one's own refuses connections while it is killed, comes back on its address with what it
// had acknowledged, and can come back without it.
func TestNewRedis(t *testing.T) {
	t.Parallel()
	r := pbxtest.NewRedis(t)
	c := client(t, r.URL())
	policy, err := c.ConfigGet(t.Context(), "maxmemory-policy").Result()
	if err != nil || policy["maxmemory-policy"] != "noeviction" {
		t.Errorf("maxmemory-policy is %v, %v; want noeviction", policy, err)
	}
	check := func(after string, want int64) {
		t.Helper()
		if got, err := c.Exists(t.Context(), "key").Result(); err != nil || got != want {
			t.Errorf("after %s: %d keys, %v; want %d", after, got, err, want)
		}
	}
	set := func() {
		t.Helper()
		if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}

	set()
	for range 2 { // the second time it is dead already
		if err := r.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("the killed server answers")
	}
	if err := r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("Restart", 1)
	if err := r.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("FlushAll", 0)
	set()
	if err := r.RestartEmpty(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("RestartEmpty", 0)
}

// Each test has a Redis database to itself, and the next one that gets it finds it empty.
func TestRedisURL(t *testing.T) {
	t.Parallel()
	urls := make(map[string]bool)
	t.Run("all at once", func(t *testing.T) {
		for range 5 {
			url := pbxtest.RedisURL(t)
			if urls[url] {
				t.Errorf("%s was given twice", url)
			}
			urls[url] = true
			c := client(t, url)
			if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Errorf("%s has %d keys, %v; want none", url, n, err)
			}
			if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
				t.Error(err)
			}
		}
	})
	for url := range urls {
		if n, err := client(t, url).Exists(t.Context(), "key").Result(); err != nil || n != 0 {
			t.Errorf("%s was not emptied: %d keys, %v", url, n, err)
		}
	}
}

// A client that knows the authority is answered, one that does not is not.
func TestRedisWithTLSAndPassword(t *testing.T) {
	t.Parallel()
	authority, err := servers.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := pbxtest.NewRedis(t, servers.WithTLS(authority), servers.WithPassword("secret"), servers.WithPolicy("allkeys-lru"))
	options, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	if options.TLSConfig == nil || options.Password != "secret" {
		t.Errorf("the URL %s has no TLS or no password", r.URL())
	}
	options.MaxRetries = -1
	stranger := redis.NewClient(options)
	defer stranger.Close()
	if err := stranger.Ping(t.Context()).Err(); err == nil {
		t.Error("a client that does not know the authority was answered")
	}
	c := r.Client()
	defer c.Close()
	policy, err := c.ConfigGet(t.Context(), "maxmemory-policy").Result()
	if err != nil || policy["maxmemory-policy"] != "allkeys-lru" {
		t.Errorf("maxmemory-policy is %v, %v; want allkeys-lru", policy, err)
	}
}
