package worker

import (
	"context"
	"sync"
)

// gatewayLocks lets one job of this worker at a time work on a gateway, so that several requests for
// the same one are carried out in turn. Between workers the row decides: who finds it changed says so.
type gatewayLocks struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when it is free again
}

// lock waits until the gateway is free, or ctx ends: then there is nothing to unlock.
func (l *gatewayLocks) lock(ctx context.Context, gateway string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		held, busy := l.held[gateway]
		if !busy {
			free := make(chan struct{})
			l.held[gateway] = free
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.held, gateway)
				close(free)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
			return func() {}, context.Cause(ctx)
		}
	}
}
