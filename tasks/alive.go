package tasks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Role is what a process without an address of its own is there for.
type Role string

// The roles that a process is asked for by Alive. It may have both.
const (
	RoleWorker    Role = "worker"
	RoleScheduler Role = "scheduler"
)

// aliveKey is a sorted set of the processes of a role on one host: the pid, and until when it counts as
// alive, in milliseconds. Its writer and its reader have the same host and clock.
func aliveKey(role Role, host string) string { return "trunkline:alive:" + string(role) + ":" + host }

// MarkAlive notes in Redis that this process has just done a round of its work, and that it counts as alive
// for as long as lasts.
func (c *Client) MarkAlive(ctx context.Context, role Role, lasts time.Duration) error {
	host, err := os.Hostname()
	if err == nil {
		now, key := time.Now(), aliveKey(role, host)
		_, err = c.redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.ZAdd(ctx, key, redis.Z{Score: float64(now.Add(lasts).UnixMilli()), Member: os.Getpid()})
			p.ZRemRangeByScore(ctx, key, "-inf", strconv.FormatInt(now.UnixMilli(), 10))
			p.Expire(ctx, key, 2*lasts)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("noting that the %s works: %w", role, err)
	}
	return nil
}

// Alive returns nil if a process of that role works on this host, or in this container: it is there,
// its last round of work reached Postgres and Redis and is not too long ago, and a worker serves every
// queue. Otherwise the error says what is missing.
func Alive(ctx context.Context, rdb redis.UniversalClient, role Role) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("asking for this host's name: %w", err)
	}
	members, err := rdb.ZRangeByScore(ctx, aliveKey(role, host), &redis.ZRangeBy{
		Min: "(" + strconv.FormatInt(time.Now().UnixMilli(), 10), Max: "+inf",
	}).Result()
	if err != nil {
		return fmt.Errorf("asking Redis for the %s: %w; check TRUNKLINE_REDIS_URL and that Redis runs", role, err)
	}
	reason := fmt.Errorf("no %s works on %s: none runs here, or Postgres or Redis is away from it; look at its log", role, host)
	for _, member := range members {
		pid, err := strconv.Atoi(member)
		if err != nil || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) { // somebody else's process counts too
			continue
		}
		if role == RoleScheduler {
			return nil
		}
		if reason = takesJobs(rdb, host, pid); reason == nil {
			return nil
		}
	}
	return reason
}

// takesJobs returns nil if the process serves every queue, as asynq has it.
func takesJobs(rdb redis.UniversalClient, host string, pid int) error {
	servers, err := asynq.NewInspectorFromRedisClient(rdb).Servers()
	if err != nil {
		return fmt.Errorf("asking Redis for the queues that are served: %w", err)
	}
	var missing []string
	for _, q := range Queues {
		missing = append(missing, q.Name)
	}
	for _, server := range servers {
		if server.Host == host && server.PID == pid && server.Status == "active" {
			missing = slices.DeleteFunc(missing, func(name string) bool { return server.Queues[name] > 0 })
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the worker %s:%d serves no queue %s; it starts, stops, or has lost Redis: look at its log", host, pid, strings.Join(missing, ", "))
	}
	return nil
}
