package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/pbxtest"
)

// most is how many values a test's cache keeps.
const most = 100

func newTest[V any]() *Cache[V] { return New[V](Options{Most: most, ReadTimeout: time.Minute}) }

// reading is something to read that counts how often it is read.
type reading struct {
	asked atomic.Int32
	holds time.Duration
	err   error
}

func (r *reading) read(context.Context) (int32, time.Duration, error) {
	n := r.asked.Add(1)
	<-time.After(50 * time.Millisecond) // what the reading takes
	return n, r.holds, r.err
}

func TestRead(t *testing.T) {
	t.Parallel()
	errAway := errors.New("away")
	for name, c := range map[string]struct {
		reading *reading
		after   time.Duration // between the two times that it is asked for, from the end of the first reading
		want    int32         // readings
	}{
		"at once":                    {&reading{holds: time.Second}, 0, 1},
		"just within its time":       {&reading{holds: time.Second}, 949 * time.Millisecond, 1},
		"its time from before it":    {&reading{holds: time.Second}, 950 * time.Millisecond, 2},
		"an answer of no time":       {&reading{}, 0, 2},
		"an answer past its time":    {&reading{holds: -time.Second}, 0, 2},
		"a time shorter than it was": {&reading{holds: 50 * time.Millisecond}, 0, 2},
		"an error":                   {&reading{holds: time.Second, err: errAway}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newTest[int32]()
				for i := range 2 {
					got, err := r.Read(t.Context(), "key", c.reading.read)
					if !errors.Is(err, c.reading.err) || got != min(int32(i)+1, c.want) {
						t.Errorf("got %d, %v", got, err)
					}
					pbxtest.Pass(c.after)
				}
				if got := c.reading.asked.Load(); got != c.want {
					t.Errorf("it was read %d times, want %d", got, c.want)
				}
			})
		})
	}
}

func TestReadsOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, what := newTest[int32](), &reading{holds: time.Second}
		gone, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Read(gone, "key", what.read); !errors.Is(err, context.Canceled) {
				t.Errorf("who hung up got %v", err)
			}
		})
		for range 20 {
			wg.Go(func() {
				if _, err := r.Read(t.Context(), "key", what.read); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		hangUp()
		wg.Wait()
		if what.asked.Load() != 1 {
			t.Errorf("read %d times", what.asked.Load())
		}
		if _, err := r.Read(t.Context(), "another", what.read); err != nil || what.asked.Load() != 2 {
			t.Errorf("another key: %v, %d readings", err, what.asked.Load())
		}
	})
}

func TestIsBounded(t *testing.T) {
	t.Parallel()
	c := newTest[int]()
	for i := range most + 100 {
		c.Put(fmt.Sprint(i), i, time.Now().Add(time.Hour))
		if _, ok := c.Get("0"); !ok {
			t.Fatalf("the one that is used all the time went after %d others", i)
		}
	}
	if n := c.Len(); n > most {
		t.Errorf("%d are remembered, the bound is %d", n, most)
	}
	if _, ok := c.Get("1"); ok {
		t.Error("the one that was used longest ago is still there")
	}
}

func TestAddKeepsWhatThereIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTest[int]()
		for i, want := range []bool{true, false, true} {
			if got := c.Add("key", i, time.Now().Add(time.Second)); got != want {
				t.Errorf("number %d: got %t", i, got)
			}
			if got, ok := c.Get("key"); !ok || got != i/2*2 {
				t.Errorf("number %d: got %d, %t", i, got, ok)
			}
			pbxtest.Pass(500 * time.Millisecond)
		}
	})
}
