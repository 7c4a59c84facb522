package scheduler

import (
	"context"
	"log/slog"
	"time"

	"trunkline/internal/sealing"
)

// KeyKeeper has all that an old secret key has sealed or hashed done again with the one in use, after a
// rotation, and drops old keys that nothing names. Any number of processes may have one.
type KeyKeeper struct {
	Keys   *sealing.Keys
	Rehash func(context.Context) error // hashes again what can be
	Log    *slog.Logger
}

// Run looks now, and then once a minute until ctx is done.
func (k *KeyKeeper) Run(ctx context.Context) error {
	tick := time.Tick(pruneInterval)
	for {
		if err := k.keep(ctx); err != nil && ctx.Err() == nil {
			k.Log.Warn("what an old secret key has sealed stays so for now", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
	}
}

func (k *KeyKeeper) keep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	if err := k.Keys.Refresh(ctx); err != nil || !k.Keys.Rotated() {
		return err
	}
	if err := k.Rehash(ctx); err != nil {
		return err
	}
	done, err := k.Keys.Upkeep(ctx)
	if done.Resealed > 0 || done.Dropped > 0 {
		k.Log.Info("old secret keys", "sealed_again", done.Resealed, "dropped", done.Dropped, "still_named", done.Old)
	}
	return err
}
