package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"trunkline/internal/config"
	"trunkline/internal/redis"
)

const (
	// redisTimeout bounds dialling, reading and writing: a Redis that hangs must not hang a caller.
	redisTimeout = time.Second
	// redisCheckTimeout bounds how long a start waits for Redis: jobs are safe without it.
	redisCheckTimeout = 3 * time.Second
	// redisCheckInterval is how often it is looked whether Redis answers.
	redisCheckInterval = 2 * time.Second
)

// OpenRedis is a client of the Redis of the settings, which need not answer.
func OpenRedis(settings config.Settings, log *slog.Logger) (goredis.UniversalClient, error) {
	return redis.Open(redis.Options{
		URL:     settings.RedisURL.Reveal(),
		CAFile:  settings.RedisCA,
		Timeout: redisTimeout,
		Log:     log,
	})
}

// checkRedis refuses a Redis that cannot be used, and logs what is wrong with one that can. One that is
// away does not keep anything from starting: jobs wait in Postgres.
func (s *Service) checkRedis(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisCheckTimeout)
	defer cancel()
	info, err := redis.Check(ctx, s.redis)
	if errors.Is(err, redis.ErrMisconfigured) {
		return fmt.Errorf("this Redis cannot be used: %w", err)
	}
	s.redisWatch.Note(err)
	if err != nil {
		return nil
	}
	s.redisInfo, s.redisAnswered = info, true
	if warning := info.Warning(); warning != "" {
		s.log.Error("Redis has to be set up differently", "warning", warning)
	}
	return nil
}

// watchRedis tells the log when Redis goes away and comes back. One that was away at the start is checked once it
// is there.
func (s *Service) watchRedis(ctx context.Context) error {
	tick := time.Tick(redisCheckInterval)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		if s.redisWatch.Away(ctx) || s.redisAnswered {
			continue
		}
		if err := s.checkRedis(ctx); err != nil {
			return err
		}
	}
}
