package scheduler

import (
	"context"
	"log/slog"
	"time"

	"trunkline/internal/delivery/outbox"
)

// Teller has the ends of jobs told to those who gave a callback_url, once an interval. Any number of processes may have one:
// each end is told by one of them.
type Teller struct {
	Outbox    *outbox.Box
	PublicURL string // where callers reach the front end
	Interval  time.Duration
	Log       *slog.Logger
}

// Run tells until ctx is done. What fails is logged, once until it goes well, and done the next time.
func (t *Teller) Run(ctx context.Context) error {
	tick := time.Tick(t.Interval)
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		err := t.tell(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			t.Log.Warn("the ends of jobs are told to nobody until this passes", "error", err)
		}
		failing = err != nil
	}
}

func (t *Teller) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	_, err := t.Outbox.TellEnds(ctx, t.PublicURL)
	return err
}
