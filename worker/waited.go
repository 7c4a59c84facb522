package worker

import (
	"sync/atomic"
	"time"
)

// waitedFor is how long after a job that people wait for exports still make room: the next one of a row of calls comes soon
// after.
const waitedFor = 100 * time.Millisecond

// waited knows when this worker last had a job that people wait for.
type waited struct{ last atomic.Pointer[time.Time] }

// see is called when such a job begins and when it ends. What lies between is mostly waiting for a switch.
func (w *waited) see() {
	now := time.Now()
	w.last.Store(&now)
}

// lately reports whether there was one lately.
func (w *waited) lately() bool {
	last := w.last.Load()
	return last != nil && time.Since(*last) < waitedFor
}
