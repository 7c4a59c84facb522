package redis

import (
	"context"
	"log/slog"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// awayLately is how long it counts that Redis did not answer, and answeredLately that it did.
	awayLately     = time.Second
	answeredLately = 50 * time.Millisecond
	// toldInterval is how often the log is told that Redis is still away.
	toldInterval = time.Minute
)

// Watch knows whether Redis answers, and tells the log: why it does not, once and then once a minute, and when it
// does again. It may be used from several goroutines.
type Watch struct {
	client goredis.UniversalClient
	log    *slog.Logger

	mu    sync.Mutex
	asked time.Time
	away  bool
	told  time.Time // when the log was last told that it is away
}

// NewWatch returns a watch on the client's Redis.
func NewWatch(client goredis.UniversalClient, log *slog.Logger) *Watch {
	return &Watch{client: client, log: log}
}

// Away asks Redis for an answer, unless it was asked a moment ago, and reports whether there is none.
func (w *Watch) Away(ctx context.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	lately := answeredLately
	if w.away {
		lately = awayLately
	}
	if time.Since(w.asked) < lately {
		return w.away
	}
	if err := Ping(ctx, w.client); ctx.Err() == nil {
		w.note(err)
	}
	return w.away
}

// Note takes what another question has shown: nil, or why there was no answer.
func (w *Watch) Note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(err)
}

func (w *Watch) note(err error) {
	now := time.Now()
	w.asked, w.away = now, err != nil
	switch {
	case err == nil && !w.told.IsZero():
		w.log.Info("Redis answers again")
		w.told = time.Time{}
	case err != nil && now.Sub(w.told) >= toldInterval:
		w.log.Warn("no Redis to carry tasks; jobs wait in Postgres until there is one", "error", err)
		w.told = now
	}
}
