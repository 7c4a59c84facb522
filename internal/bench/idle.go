package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// idleSpan is how long an idle worker and its Redis are watched.
const idleSpan = 20 * time.Second

// idle measures what a worker with nothing to do costs, Redis included, in percent of one processor.
func (b *bench) idle(ctx context.Context) error {
	p, err := b.start(ctx, "worker")
	if err != nil {
		return err
	}
	defer p.stop()
	// The start itself is not idling.
	if err := wait(ctx, 2*time.Second); err != nil {
		return err
	}
	before, err := b.idleCPU(p)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := wait(ctx, idleSpan); err != nil {
		return err
	}
	after, err := b.idleCPU(p)
	if err != nil {
		return err
	}
	figure("idle_cpu_percent", 100*(after-before)/time.Since(began).Seconds(), "%")
	return nil
}

func (b *bench) idleCPU(p *process) (float64, error) {
	worker, err := cpuSeconds(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	server, err := b.redisPID()
	if err != nil {
		return 0, err
	}
	used, err := cpuSeconds(server)
	return worker + used, err
}

// redisPID asks Redis for its process.
func (b *bench) redisPID() (int, error) {
	client := redis.NewClient(&redis.Options{Addr: b.Servers.RedisAddr()})
	defer client.Close()
	info, err := client.Info(context.Background(), "server").Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if pid, found := strings.CutPrefix(line, "process_id:"); found {
			return strconv.Atoi(strings.TrimSpace(pid))
		}
	}
	return 0, errors.New("the Redis server does not tell its process")
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
