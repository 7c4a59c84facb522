package worker

import (
	"context"
	"sync"
)

// gatewayLocks lets one job of this worker at a time work on a gateway, so that several requests for
// the same one are carried out in turn. Between workers the row decides: who finds it changed says so.
type gatewayLocks struct {
	held sync.Map // by gateway: a channel that is closed when it is free again
}

// lock waits until the gateway is free, or ctx ends: then there is nothing to unlock.
func (l *gatewayLocks) lock(ctx context.Context, gateway string) (unlock func()) {
	free := make(chan struct{})
	for {
		held, busy := l.held.LoadOrStore(gateway, free)
		if !busy {
			return func() {
				l.held.Delete(gateway)
				close(free)
			}
		}
		select {
		case <-held.(chan struct{}):
		case <-ctx.Done():
			return func() {}
		}
	}
}
