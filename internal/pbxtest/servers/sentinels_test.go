package servers

import (
	"testing"
)

// Where the primary is killed a replica takes its place with what the primary had, and the old one
// comes back as a replica. Nothing of it all is left.
func TestNewSentinels(t *testing.T) {
	t.Parallel()
	dir := enterable(t)
	s, err := Start(t.Context(), Options{Dir: dir})
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
	for _, server := range []*Redis{first, set.Sentinels[0]} {
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	var second *Redis
	waitUntil(t, "another server is the primary", func() bool {
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
	waitUntil(t, "the first follows the second", func() bool {
		n, err := c.Exists(t.Context(), "key of the second").Result()
		return err == nil && n == 1
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	checkEmpty(t, dir)
}
