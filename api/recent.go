package api

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// maxRecent bounds how many answers are remembered.
	maxRecent = 4096
	// readTimeLimit bounds one reading, which does not end with the caller who began it.
	readTimeLimit = 15 * time.Second
)

// recent remembers answers for a short time, and reads once for all who ask for the same at one time.
// Errors are not remembered. Keys must not be secrets in the clear.
type recent[V any] struct {
	flights singleflight.Group

	mu    sync.Mutex
	known map[string]remembered[V]
}

type remembered[V any] struct {
	value V
	until time.Time
}

func newRecent[V any]() *recent[V] { return &recent[V]{known: map[string]remembered[V]{}} }

// get returns what is remembered under the key, else what read returns, which is remembered for as long
// as that says, counted from before it was read. With an error the value is what read returned too.
func (r *recent[V]) get(ctx context.Context, key string, read func(ctx context.Context) (value V, holds time.Duration, err error)) (V, error) {
	if value, ok := r.lookUp(key); ok {
		return value, nil
	}
	// The reading goes on when the one who began it hangs up, for those who joined.
	result := r.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeLimit)
		defer cancel()
		began := time.Now()
		value, holds, err := read(ctx)
		if err == nil && holds > 0 {
			r.store(key, value, began.Add(holds))
		}
		return value, err
	})
	select {
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	case got := <-result:
		return got.Val.(V), got.Err
	}
}

func (r *recent[V]) lookUp(key string) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.known[key]
	if !ok || !time.Now().Before(known.until) {
		delete(r.known, key)
		return value, false
	}
	return known.value, true
}

func (r *recent[V]) store(key string, value V, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRecent {
		r.makeRoom()
	}
	r.known[key] = remembered[V]{value, until}
}

// makeRoom forgets what is past its time, and where that is nothing, any one.
func (r *recent[V]) makeRoom() {
	now := time.Now()
	for key, known := range r.known {
		if now.After(known.until) {
			delete(r.known, key)
		}
	}
	for key := range r.known {
		if len(r.known) < maxRecent {
			return
		}
		delete(r.known, key)
	}
}
