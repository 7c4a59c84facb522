package redis

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"
)

// errDenied is what a Redis in protected mode says to whoever comes from another host.
var errDenied = errors.New("DENIED: it is in protected mode, and lets in no other host without a password; " +
	"give it one (requirepass in redis.conf, the same in TRUNKLINE_REDIS_URL), or bind it to an address that only Trunkline reaches and set protected-mode no")

// denials has a connection fail with what Redis answers to its first command. The client takes any error there for
// that of an old Redis, goes on, and has nothing to tell but that the connection was closed.
type denials struct{}

func (denials) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (denials) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		err := next(ctx, cmd)
		if goredis.HasErrorPrefix(err, "DENIED") {
			cmd.SetErr(errDenied)
			return errDenied
		}
		return err
	}
}

func (denials) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}
