package worker

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

const (
	// paceLooks is how often the pace of a delivery is looked at within the time over which it is measured.
	paceLooks = 10
	// paceAsking bounds the question whether others wait.
	paceAsking = 2 * time.Second
)

// pace is how fast a delivery goes. Whoever runs the server that it goes to decides that, and others wait for the slot meanwhile:
// one that is too slow is put off while they do, and otherwise goes on for as long as it takes.
type pace struct {
	w       *Worker
	job     tasks.Job
	bytes   atomic.Int64 // that have gone over connections
	yields  bool         // whether it has been put off; only the watching goroutine looks at it until that has ended
	cancel  context.CancelCauseFunc
	watched chan struct{} // closed when the watching has ended
}

// watchPace returns a context that ends with a *fault.Error if the delivery is put off, and how fast it goes, which somebody
// stops once it is recorded what has become of the delivery.
func (w *Worker) watchPace(ctx context.Context, job tasks.Job) (context.Context, *pace) {
	p := &pace{w: w, job: job, watched: make(chan struct{})}
	ctx, p.cancel = context.WithCancelCause(ctx)
	go p.watch(ctx)
	return ctx, p
}

// moved says that so many bytes have gone over a connection.
func (p *pace) moved(bytes int) { p.bytes.Add(int64(bytes)) }

// stop ends the watching. The slot is another's from then on, so that the next delivery can be put off.
func (p *pace) stop() {
	p.cancel(nil)
	<-p.watched
	if p.yields {
		p.w.yielding.Unlock()
	}
}

// watch puts the delivery off when it is too slow and others wait. One that has no connection, as to a folder of this host, is
// never too slow.
func (p *pace) watch(ctx context.Context) {
	defer close(p.watched)
	s := p.w.o.Settings
	if s.DeliverLeastRate == 0 {
		return
	}
	least := int64(float64(s.DeliverLeastRate) * s.DeliverSlowAfter.Seconds())
	tick := time.NewTicker(max(s.DeliverSlowAfter/paceLooks, 1))
	defer tick.Stop()
	looks := []int64{0}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		looks = append(looks, p.bytes.Load())
		if len(looks) <= paceLooks {
			continue
		}
		moved := looks[paceLooks] - looks[0]
		looks = looks[1:]
		if looks[paceLooks-1] > 0 && moved < least && p.yield(ctx) {
			p.cancel(tooSlow(moved, s))
			return
		}
	}
}

// yield reports whether the delivery is to be put off since others wait, one at a time in this process: whoever waits starts
// before the next one is looked at, and no more are put off than are waited for.
func (p *pace) yield(ctx context.Context) bool {
	if !p.w.yielding.TryLock() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, paceAsking)
	defer cancel()
	wait, err := p.w.o.Tasks.OthersWait(ctx, p.job)
	if err != nil {
		p.w.o.Log.Debug("not known whether others wait for the slot of a slow delivery", "job", p.job.ID, "error", err)
	}
	if p.yields = err == nil && wait; !p.yields {
		p.w.yielding.Unlock()
	}
	return p.yields
}

func tooSlow(moved int64, s config.Settings) error {
	return &fault.Error{Code: fault.Timeout, Passes: true, Message: fmt.Sprintf(
		"the server is slow (%d bytes in %s, where %s a second are the least, TRUNKLINE_DELIVER_LEAST_RATE) and deliveries of others waited, so that this one was put off; it takes as long as it needs when none wait",
		moved, s.DeliverSlowAfter, s.DeliverLeastRate)}
}
