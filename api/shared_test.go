package api

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// testQuestion is a question whose answers are numbered, with a clock of the test's own.
type testQuestion struct {
	*shared[int]
	asked   atomic.Int64
	clock   atomic.Int64  // since some moment, in nanoseconds
	release chan struct{} // an answer waits for a value, until it is closed
	fails   atomic.Bool
}

const testMaxAge = time.Second

func newTestQuestion(t *testing.T) *testQuestion {
	t.Helper()
	q := &testQuestion{release: make(chan struct{})}
	q.shared = newShared(testMaxAge, time.Minute, func(context.Context) (int, error) {
		n := q.asked.Add(1)
		<-q.release
		if q.fails.Load() {
			return 0, errors.New("no answer")
		}
		return int(n), nil
	})
	began := time.Now()
	q.now = func() time.Time { return began.Add(time.Duration(q.clock.Load())) }
	return q
}

func (q *testQuestion) pass(d time.Duration) { q.clock.Add(int64(d)) }

// quiet waits until no question is under way.
func (q *testQuestion) quiet() {
	q.mu.Lock()
	current := q.current
	q.mu.Unlock()
	if current != nil {
		<-current.done
	}
}

func (q *testQuestion) want(t *testing.T, when string, answer int, asked int64) {
	t.Helper()
	got, err := q.get(t.Context())
	if err != nil || got != answer {
		t.Errorf("%s: got answer %d, %v; want %d", when, got, err, answer)
	}
	q.quiet()
	if n := q.asked.Load(); n != asked {
		t.Errorf("%s: asked %d times, want %d", when, n, asked)
	}
}

func TestSharedIsAskedOnceForMany(t *testing.T) {
	t.Parallel()
	q := newTestQuestion(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got, err := q.get(t.Context()); err != nil || got != 1 {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
	close(q.release)
	wg.Wait()
	if n := q.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}

func TestSharedRefreshesAhead(t *testing.T) {
	t.Parallel()
	q := newTestQuestion(t)
	close(q.release)
	q.want(t, "first", 1, 1)
	q.pass(testMaxAge / 2)
	q.want(t, "at half its age", 1, 1)
	q.pass(1)
	q.want(t, "beyond half its age", 1, 2) // the present answer, and the next is fetched
	q.want(t, "after that", 2, 2)
	q.pass(testMaxAge)
	q.want(t, "at its full age", 2, 3)
	q.pass(testMaxAge + 1)
	q.want(t, "too old", 4, 4)
}

// A caller who finds the answer too old waits, and one who finds it good does not, while the same
// question is under way.
func TestSharedWaitsOnlyWhereItMust(t *testing.T) {
	t.Parallel()
	q := newTestQuestion(t)
	go func() { q.release <- struct{}{} }()
	q.want(t, "first", 1, 1)
	q.pass(testMaxAge/2 + 1)
	for range 3 {
		if got, err := q.get(t.Context()); err != nil || got != 1 {
			t.Errorf("got %d, %v; want the present answer", got, err)
		}
	}
	q.pass(testMaxAge)
	waited := make(chan int)
	go func() {
		got, err := q.get(t.Context())
		if err != nil {
			t.Error(err)
		}
		waited <- got
	}()
	close(q.release)
	if got := <-waited; got != 2 {
		t.Errorf("got answer %d, want that of the question under way", got)
	}
}

func TestSharedKeepsNoError(t *testing.T) {
	t.Parallel()
	q := newTestQuestion(t)
	close(q.release)
	q.want(t, "first", 1, 1)
	q.fails.Store(true)
	q.pass(testMaxAge/2 + 1)
	q.want(t, "while the next fails", 1, 2)
	q.pass(testMaxAge)
	if got, err := q.get(t.Context()); err == nil {
		t.Errorf("got %d; want the error, not an answer that is too old", got)
	}
	q.fails.Store(false)
	q.want(t, "well again", 4, 4)
}

func TestSharedLetsACallerGo(t *testing.T) {
	t.Parallel()
	q := newTestQuestion(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.get(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(q.release)
	q.want(t, "the others", 1, 1)
}
