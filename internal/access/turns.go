package access

import (
	"context"
	"sync"
)

// turns lets no more logins be checked at once than may still fail: otherwise one could send a thousand
// at once, before the first of them has failed. Whoever waits for a turn is not refused, since those
// before may have the right password.
type turns struct {
	mu       sync.Mutex
	underWay map[string]int
	failures int           // how many have failed so far
	ended    chan struct{} // closed when one of those under way ends
}

func newTurns() *turns { return &turns{underWay: map[string]int{}, ended: make(chan struct{})} }

// turn is how many logins may still fail under a key.
type turn struct {
	key  string
	left int
}

// take waits until fewer logins are under way under each key than may still fail, which left finds out,
// or until it finds that there is no more waiting. end must be called, with whether the login failed,
// once the failure is counted where left looks.
func (t *turns) take(ctx context.Context, left func() ([]turn, error)) (end func(failed bool), err error) {
	var wanted []turn
	known := -1 // how many had failed when left was asked; after a further failure it is asked again
	for {
		t.mu.Lock()
		failures, ended := t.failures, t.ended
		taken := failures == known && t.free(wanted)
		if taken {
			for _, w := range wanted {
				t.underWay[w.key]++
			}
		}
		t.mu.Unlock()
		if taken {
			return func(failed bool) { t.end(wanted, failed) }, nil
		}
		if failures != known {
			known = failures
			if wanted, err = left(); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-ended:
		}
	}
}

// free reports whether there is room under all the keys. mu is held.
func (t *turns) free(wanted []turn) bool {
	for _, w := range wanted {
		if t.underWay[w.key] >= w.left {
			return false
		}
	}
	return true
}

func (t *turns) end(wanted []turn, failed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range wanted {
		if t.underWay[w.key]--; t.underWay[w.key] == 0 {
			delete(t.underWay, w.key)
		}
	}
	if failed {
		t.failures++
	}
	close(t.ended)
	t.ended = make(chan struct{})
}
