package api

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// shared asks a question for any number of callers at once, and keeps the answer for those who come
// soon after. An answer that is more than half of maxAge old is still given, while the next one is
// fetched behind it: where callers keep coming nobody waits.
type shared[T any] struct {
	ask     func(context.Context) (T, error)
	maxAge  time.Duration // no older answer is given; counted from when the question was asked
	timeout time.Duration // of the question
	now     func() time.Time

	last atomic.Pointer[asked[T]] // the last good answer

	mu      sync.Mutex
	current *asked[T] // the question under way, nil for none
}

// asked is one question. answer and err are there once done is closed.
type asked[T any] struct {
	at     time.Time
	done   chan struct{}
	answer T
	err    error
}

func newShared[T any](maxAge, timeout time.Duration, ask func(context.Context) (T, error)) *shared[T] {
	return &shared[T]{ask: ask, maxAge: maxAge, timeout: timeout, now: time.Now}
}

// get returns an answer that is at most maxAge old, or else waits for the one of the question under
// way, which it starts where there is none. An error is not kept: the next caller asks again.
func (s *shared[T]) get(ctx context.Context) (T, error) {
	if last := s.last.Load(); last != nil {
		age := s.now().Sub(last.at)
		if age > s.maxAge/2 && age <= s.maxAge {
			s.start()
		}
		if age <= s.maxAge {
			return last.answer, nil
		}
	}
	question := s.start()
	select {
	case <-question.done:
		return question.answer, question.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// start returns the question under way, or an answer that came in the meantime, or asks.
func (s *shared[T]) start() *asked[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return s.current
	}
	if last := s.last.Load(); last != nil && s.now().Sub(last.at) <= s.maxAge/2 {
		return last
	}
	question := &asked[T]{at: s.now(), done: make(chan struct{})}
	s.current = question
	// Not the caller's context: others wait for the same answer. The time-out ends it.
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
		defer cancel()
		question.answer, question.err = s.ask(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if question.err == nil {
			s.last.Store(question)
		}
		s.current = nil
		close(question.done)
	}()
	return question
}
