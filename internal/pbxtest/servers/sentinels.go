package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	sentinelCount = 3
	replicaCount  = 2
	// sentinelQuorum is how many Sentinels must miss the primary before they choose another.
	sentinelQuorum = 2
	// sentinelDown is for how long they must miss it: long enough for a machine that is busy.
	sentinelDown = time.Second
	// sentinelFailover is the time after which they take a fail-over for failed and try again.
	sentinelFailover = 5 * time.Second

	// SentinelMaster is the name of the primary among the Sentinels.
	SentinelMaster = "trunkline"
	// SentinelsRedisPassword is the password of the Redis servers, and SentinelsPassword the Sentinels'.
	SentinelsRedisPassword = "password-of-redis"
	SentinelsPassword      = "password-of-sentinels"
)

// Sentinels is a private Redis that survives the loss of a server: a primary, two replicas, and three
// Sentinels that make a replica the primary when theirs is gone.
type Sentinels struct {
	Servers   []*Redis // the first was the primary to begin with
	Sentinels []*Redis
}

// NewSentinels starts the servers and waits until the Sentinels know the replicas and each other, so
// that from then on the primary may be killed. The options are for all of them. Close of the pair
// stops them too.
func (s *Pair) NewSentinels(ctx context.Context, opts ...RedisOption) (*Sentinels, error) {
	o := redisOptions{persistent: true, password: SentinelsRedisPassword}
	for _, opt := range opts {
		opt(&o)
	}
	set := &Sentinels{}
	if err := s.startSentinels(ctx, set, o); err != nil {
		return nil, errors.Join(fmt.Errorf("starting Redis with Sentinels: %w", err), set.Close())
	}
	return set, s.own(set)
}

func (s *Pair) startSentinels(ctx context.Context, set *Sentinels, o redisOptions) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for range 1 + replicaCount {
		server, err := startRedis(ctx, s.programs, s.newDir("redis"), o)
		if err != nil {
			return err
		}
		set.Servers = append(set.Servers, server)
		o.replicaOf = set.Servers[0].port
	}
	// The Sentinels learn of replicas from the primary, and look there only every ten seconds.
	if err := poll(ctx, "the replicas do not follow the primary", func() bool {
		return set.replicasOnline(ctx) == replicaCount
	}); err != nil {
		return err
	}
	config := sentinelConfig(set.Servers[0].port)
	for range sentinelCount {
		sentinel, err := startRedis(ctx, s.programs, s.newDir("sentinel"), redisOptions{password: SentinelsPassword, tls: o.tls, sentinel: config})
		if err != nil {
			return err
		}
		set.Sentinels = append(set.Sentinels, sentinel)
	}
	return poll(ctx, "the Sentinels do not come to know each other", func() bool {
		return !slices.ContainsFunc(set.Sentinels, func(sentinel *Redis) bool { return !sentinel.knowsAll(ctx) })
	})
}

func sentinelConfig(primary int) string {
	var c strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&c, format+"\n", args...) }
	line("requirepass %s", SentinelsPassword)
	line("sentinel sentinel-pass %s", SentinelsPassword)
	line("sentinel monitor %s 127.0.0.1 %d %d", SentinelMaster, primary, sentinelQuorum)
	line("sentinel auth-pass %s %s", SentinelMaster, SentinelsRedisPassword)
	line("sentinel down-after-milliseconds %s %d", SentinelMaster, sentinelDown.Milliseconds())
	line("sentinel failover-timeout %s %d", SentinelMaster, sentinelFailover.Milliseconds())
	return c.String()
}

// URL is the URL of database 0 of whoever is the primary.
func (s *Sentinels) URL() string {
	var addrs []string
	for _, sentinel := range s.Sentinels {
		addrs = append(addrs, sentinel.Addr())
	}
	scheme := "redis-sentinel"
	if s.Sentinels[0].options.tls != nil {
		scheme = "rediss-sentinel"
	}
	return fmt.Sprintf("%s://:%s@%s/0?master=%s&sentinel_password=%s", scheme, SentinelsRedisPassword,
		strings.Join(addrs, ","), SentinelMaster, SentinelsPassword)
}

// Primary is the server that a Sentinel takes for the primary: one that was killed too, until the
// Sentinels have agreed on another.
func (s *Sentinels) Primary(ctx context.Context) (*Redis, error) {
	var errs []error
	for _, sentinel := range s.Sentinels {
		if !sentinel.running() {
			continue // the client would report the refusal on standard error
		}
		client := sentinel.sentinelClient()
		addr, err := client.GetMasterAddrByName(ctx, SentinelMaster).Result()
		_ = client.Close()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, server := range s.Servers {
			if server.Addr() == net.JoinHostPort(addr[0], addr[1]) {
				return server, nil
			}
		}
		errs = append(errs, fmt.Errorf("a Sentinel names %s, which is none of the servers", addr))
	}
	return nil, fmt.Errorf("asking the Sentinels for the primary: %w", errors.Join(errs...))
}

// Close kills all of them, the Sentinels first, and removes their files.
func (s *Sentinels) Close() error {
	var errs []error
	for _, server := range slices.Concat(s.Sentinels, s.Servers) {
		errs = append(errs, server.Close())
	}
	return errors.Join(errs...)
}

// replicasOnline counts the replicas that have all that the primary has.
func (s *Sentinels) replicasOnline(ctx context.Context) int {
	client := s.Servers[0].client()
	defer client.Close()
	info, err := client.Info(ctx, "replication").Result()
	if err != nil {
		return 0
	}
	return strings.Count(info, "state=online")
}

// knowsAll says whether the Sentinel knows all replicas and all other Sentinels, each as alive.
func (r *Redis) knowsAll(ctx context.Context) bool {
	client := r.sentinelClient()
	defer client.Close()
	master, err := client.Master(ctx, SentinelMaster).Result()
	return err == nil && master["flags"] == "master" && master["num-slaves"] == strconv.Itoa(replicaCount) &&
		master["num-other-sentinels"] == strconv.Itoa(sentinelCount-1) && client.CkQuorum(ctx, SentinelMaster).Err() == nil
}

func (r *Redis) sentinelClient() *redis.SentinelClient {
	return redis.NewSentinelClient(&redis.Options{
		Addr: r.Addr(), Password: r.options.password, TLSConfig: r.options.tls.client(), MaxRetries: -1, DialerRetries: 1, ReadTimeout: redisAnswer,
	})
}

// poll asks until the condition holds or ctx is done.
func poll(ctx context.Context, otherwise string, condition func() bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", otherwise, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}
