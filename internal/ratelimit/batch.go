package ratelimit

import (
	"context"
	"errors"
	"time"
)

// maxBatch is how many questions go to Redis at once.
const maxBatch = 512

var errNoAnswer = errors.New("no answer")

// askRedis asks Redis, and reports false if it does not answer. All questions that come while others are
// on their way go together after those, so that a busy front end costs few round trips. A caller that
// comes while none is on its way sends its own, so that nothing has to be kept running for it.
func (l *Limiter) askRedis(ctx context.Context, q *question) bool {
	if l.redis == nil {
		return false
	}
	l.mu.Lock()
	if l.away {
		l.mu.Unlock()
		l.probe()
		return false
	}
	q.answered = make(chan bool, 1)
	l.waiting = append(l.waiting, q)
	first := !l.onTheWay
	l.onTheWay = true
	l.mu.Unlock()
	if first {
		l.send(ctx)
	}
	return <-q.answered
}

// send sends the questions that wait to Redis, and after them those that came meanwhile.
func (l *Limiter) send(ctx context.Context) {
	l.mu.Lock()
	batch := l.waiting
	if len(batch) > maxBatch {
		batch, l.waiting = batch[:maxBatch:maxBatch], batch[maxBatch:]
	} else {
		l.waiting = nil
	}
	l.mu.Unlock()
	err := errNoAnswer // also if it panics
	defer func() { l.received(ctx, batch, err) }()
	err = l.evaluate(ctx, batch)
}

// received passes on the answers. What Redis said is kept before a caller is told, so that what it was
// told is not forgotten.
func (l *Limiter) received(ctx context.Context, batch []*question, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.log.Warn("Redis does not answer; this process counts requests by itself until it does", "error", err)
		l.away, l.probeAt = true, time.Now().Add(redisPause)
		batch, l.waiting = append(batch, l.waiting...), nil
	}
	for _, q := range batch {
		if err == nil {
			l.keep(q)
		}
		q.answered <- err == nil
	}
	if l.onTheWay = len(l.waiting) > 0; l.onTheWay {
		go l.send(ctx)
	}
}

// probe asks Redis now and then, in the background, until it answers. It has something counted, since a
// Redis that answers may still not write.
func (l *Limiter) probe() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Before(l.probeAt) {
		return
	}
	l.probeAt = now.Add(l.Timeout + redisPause) // one at a time
	go func() {
		probe := Step{Budget: Budget{Key: "probe", Limit: 1, Window: redisPause / 2}, Amount: 1}
		err := l.evaluate(context.Background(), []*question{newQuestion([]Step{probe})})
		l.mu.Lock()
		defer l.mu.Unlock()
		l.probeAt = time.Now().Add(redisPause)
		if err == nil {
			l.away = false
			l.log.Info("Redis answers again; requests are counted together")
		}
	}()
}
