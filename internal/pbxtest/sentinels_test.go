package pbxtest

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// Where the primary is killed a replica takes its place with what the primary had, and the old one
// comes back as a replica. Nothing of it all is left.
func TestNewSentinels(t *testing.T) {
	t.Parallel()
	dir := enterable(t)
	s, err := Start(t.Context(), ServersOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	set, err := s.NewSentinels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first, err := set.Primary(t.Context())
	if err != nil || first != set.Servers[0] {
		t.Fatalf("got %v, %v; want the first server", first, err)
	}
	c := first.client()
	defer c.Close()
	if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Wait(t.Context(), replicaCount, 0).Result(); err != nil || n != replicaCount {
		t.Fatalf("got %d replicas, %v; want %d", n, err, replicaCount)
	}
	// As where a host is lost that ran both.
	for _, server := range []*RedisServer{first, set.Sentinels[0]} {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	var second *RedisServer
	Eventually(t, "another server is the primary", func() bool {
		second, err = set.Primary(t.Context())
		if err != nil || second == first {
			return false
		}
		c := second.client()
		defer c.Close()
		return c.Set(t.Context(), "key of the second", "value", 0).Err() == nil
	})
	d := second.client()
	defer d.Close()
	if got, err := d.Get(t.Context(), "key").Result(); err != nil || got != "value" {
		t.Errorf("got %q, %v; want what the first had", got, err)
	}
	if err := first.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "the first follows the second", func() bool {
		n, err := c.Exists(t.Context(), "key of the second").Result()
		return err == nil && n == 1
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	checkEmpty(t, dir)
}

// A client that knows the authority is answered, one that does not is not.
func TestRedisWithTLSAndPassword(t *testing.T) {
	t.Parallel()
	authority, err := NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := NewRedis(t, WithTLS(authority), WithPassword("secret"), WithPolicy("allkeys-lru"))
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
	c := r.client()
	defer c.Close()
	policy, err := c.ConfigGet(t.Context(), "maxmemory-policy").Result()
	if err != nil || policy["maxmemory-policy"] != "allkeys-lru" {
		t.Errorf("maxmemory-policy is %v, %v; want allkeys-lru", policy, err)
	}
}
