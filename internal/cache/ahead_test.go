package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/pbxtest"
)

// question is one whose answers are numbered, asked through a cache that reads ahead.
type question struct {
	*Cache[int]
	asked   atomic.Int64
	release chan struct{} // an answer waits for a value, until it is closed
	fails   atomic.Bool
}

const maxAge = time.Second

func newQuestion() *question {
	return &question{Cache: New[int](Options{Most: 1, ReadTimeout: time.Minute, Ahead: true}), release: make(chan struct{})}
}

func (q *question) get(ctx context.Context) (int, error) {
	return q.Read(ctx, "", q.read)
}

func (q *question) read(context.Context) (int, time.Duration, error) {
	n := q.asked.Add(1)
	<-q.release
	if q.fails.Load() {
		return 0, maxAge, errors.New("no answer")
	}
	return int(n), maxAge, nil
}

func (q *question) want(t *testing.T, when string, answer int, asked int64) {
	t.Helper()
	got, err := q.get(t.Context())
	if err != nil || got != answer {
		t.Errorf("%s: got answer %d, %v; want %d", when, got, err, answer)
	}
	synctest.Wait() // until no question is under way
	if n := q.asked.Load(); n != asked {
		t.Errorf("%s: asked %d times, want %d", when, n, asked)
	}
}

func TestAheadIsAskedOnceForMany(t *testing.T) {
	t.Parallel()
	q := newQuestion()
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

func TestAheadReadsAnewBehindTheCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuestion()
		close(q.release)
		q.want(t, "first", 1, 1)
		pbxtest.Pass(maxAge / 2)
		q.want(t, "at half its age", 1, 1)
		pbxtest.Pass(time.Nanosecond)
		q.want(t, "beyond half its age", 1, 2) // the present answer, and the next is fetched
		q.want(t, "after that", 2, 2)
		pbxtest.Pass(maxAge - 1)
		q.want(t, "just before its full age", 2, 3)
		pbxtest.Pass(maxAge)
		q.want(t, "too old", 4, 4)
	})
}

// A caller who finds the answer too old waits, and one who finds it good does not, while the same
// question is under way.
func TestAheadWaitsOnlyIfItMust(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuestion()
		go func() { q.release <- struct{}{} }()
		q.want(t, "first", 1, 1)
		pbxtest.Pass(maxAge/2 + 1)
		for range 3 {
			if got, err := q.get(t.Context()); err != nil || got != 1 {
				t.Errorf("got %d, %v; want the present answer", got, err)
			}
		}
		pbxtest.Pass(maxAge)
		waited := make(chan int)
		go func() {
			got, err := q.get(t.Context())
			if err != nil {
				t.Error(err)
			}
			waited <- got
		}()
		synctest.Wait() // it waits for the question under way
		close(q.release)
		if got := <-waited; got != 2 {
			t.Errorf("got answer %d, want that of the question under way", got)
		}
	})
}

func TestAheadKeepsNoError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuestion()
		close(q.release)
		q.want(t, "first", 1, 1)
		q.fails.Store(true)
		pbxtest.Pass(maxAge/2 + 1)
		q.want(t, "while the next fails", 1, 2)
		pbxtest.Pass(maxAge)
		if got, err := q.get(t.Context()); err == nil {
			t.Errorf("got %d; want the error, not an answer that is too old", got)
		}
		q.fails.Store(false)
		q.want(t, "well again", 4, 4)
	})
}

// What is read anew is never older than the call; those who come while one reads share the next.
func TestReadAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuestion()
		anew := func() int {
			got, err := q.ReadAnew(t.Context(), "", q.read)
			if err != nil {
				t.Error(err)
			}
			return got
		}
		first, others := make(chan int), make(chan int, 50)
		go func() { first <- anew() }()
		synctest.Wait()
		for range cap(others) {
			go func() { others <- anew() }()
		}
		synctest.Wait()
		close(q.release)
		if got := <-first; got != 1 {
			t.Errorf("the first got %d", got)
		}
		for range cap(others) {
			if got := <-others; got != 2 {
				t.Errorf("one that came later got %d, want what was read after it came", got)
			}
		}
		q.want(t, "what is kept", 2, 2)
		if got := anew(); got != 3 {
			t.Errorf("anew at once: got %d", got)
		}
	})
}

func TestAheadLetsACallerGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQuestion()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := q.get(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(q.release)
		q.want(t, "the others", 1, 1)
	})
}
