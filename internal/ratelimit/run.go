package ratelimit

import (
	"context"
	"time"
)

// maxBatch is how many questions go to Redis at once.
const maxBatch = 512

// Run asks Redis until ctx is done: all the questions that came while the last ones were on their way
// go together, so that a busy front end costs few round trips. Once Redis has not answered nobody waits
// for it: it is asked again beside the callers, who are answered from this process's counts meanwhile.
func (l *Limiter) Run(ctx context.Context) error {
	close(l.running)
	defer close(l.ended)
	var back chan struct{} // closed once Redis answers again; nil: it does
	for {
		select {
		case <-ctx.Done():
			if back != nil {
				<-back
			}
			return nil
		case <-back:
			back = nil
			l.log.Info("Redis answers again; requests are counted together")
		case q := <-l.asked:
			batch := l.gather(q)
			if back != nil {
				leaveToCallers(batch)
				continue
			}
			if err := l.askRedis(ctx, batch); err != nil {
				if ctx.Err() != nil {
					return nil // who waits sees that Run has ended
				}
				l.log.Warn("Redis does not answer; this process counts requests by itself until it does", "error", err)
				leaveToCallers(batch)
				back = make(chan struct{})
				go func() {
					defer close(back)
					l.awaitRedis(ctx)
				}()
			}
		}
	}
}

// gather takes what else waits.
func (l *Limiter) gather(first *question) []*question {
	batch := []*question{first}
	for len(batch) < maxBatch {
		select {
		case q := <-l.asked:
			batch = append(batch, q)
		default:
			return batch
		}
	}
	return batch
}

// leaveToCallers has each caller count by itself.
func leaveToCallers(batch []*question) {
	for _, q := range batch {
		q.answer <- count{}
	}
}

// askRedis answers the questions, or none of them where it fails. What Redis says is kept before anyone
// hears it, so that what a caller has been told is never forgotten.
func (l *Limiter) askRedis(ctx context.Context, batch []*question) error {
	groups := grouped(batch)
	if err := l.evaluate(ctx, groups); err != nil {
		return err
	}
	now := l.now()
	for _, g := range groups {
		l.counters.set(g.id, g.n, now.Add(g.left))
		g.answer()
	}
	return nil
}

// awaitRedis asks now and then, until Redis answers or ctx is done. It has something counted, since a
// Redis that answers may still not write.
func (l *Limiter) awaitRedis(ctx context.Context) {
	tick := time.NewTicker(redisPause)
	defer tick.Stop()
	probe := grouped([]*question{{id: "probe", budget: Budget{Limit: 1, Window: redisPause / 2}, amount: 1}})
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.evaluate(ctx, probe) == nil {
			return
		}
	}
}
