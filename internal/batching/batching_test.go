package batching

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// doubling doubles numbers, as soon as it may, and keeps its batches.
type doubling struct {
	*Batches[int, int]
	may     chan struct{}
	batches [][]int
}

func newDoubling(most int) *doubling {
	d := &doubling{may: make(chan struct{})}
	d.Batches = New(most, nil, func(_ context.Context, asked []int) []int {
		d.batches = append(d.batches, slices.Sorted(slices.Values(asked)))
		<-d.may
		answers := make([]int, len(asked))
		for i, n := range asked {
			answers[i] = 2 * n
		}
		return answers
	})
	return d
}

func TestWhoComesMeanwhileSharesTheNextBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoubling(3)
		var callers sync.WaitGroup
		for n := range 5 {
			callers.Go(func() {
				if got, err := d.Do(t.Context(), "", n); err != nil || got != 2*n {
					t.Errorf("got %d, %v for %d", got, err, n)
				}
			})
			synctest.Wait() // in this order
		}
		close(d.may)
		callers.Wait()
		want := [][]int{{0}, {1, 2, 3}, {4}}
		if !slices.EqualFunc(d.batches, want, slices.Equal) {
			t.Errorf("got batches %v, want %v", d.batches, want)
		}
	})
}

// However much is asked about one thing, another one's turn comes after that one's next batch.
func TestThingsTakeTurnsAtTheSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		may := make(chan struct{})
		var done []string
		slots := NewSlots(1)
		b := New(1, slots, func(_ context.Context, asked []string) []string {
			<-may
			done = append(done, asked[0])
			return asked
		})
		other := New(1, slots, func(_ context.Context, asked []string) []string {
			<-may
			done = append(done, asked[0])
			return asked
		})
		var callers sync.WaitGroup
		ask := func(of *Batches[string, string], about, what string) {
			callers.Go(func() { _, _ = of.Do(t.Context(), about, what) })
			synctest.Wait()
		}
		for range 3 {
			ask(b, "flood", "flood")
		}
		ask(b, "quiet", "quiet")
		ask(other, "flood", "elsewhere")
		close(may)
		callers.Wait()
		if want := []string{"flood", "quiet", "elsewhere", "flood", "flood"}; !slices.Equal(done, want) {
			t.Errorf("done were %v, want %v", done, want)
		}
	})
}

func TestWhatIsAboutSomethingElseDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		b := New(3, nil, func(_ context.Context, asked []string) []string {
			if asked[0] == "slow" {
				<-slow
			}
			return asked
		})
		var callers sync.WaitGroup
		callers.Go(func() { _, _ = b.Do(t.Context(), "one", "slow") })
		synctest.Wait()
		if got, err := b.Do(t.Context(), "another", "fast"); err != nil || got != "fast" {
			t.Errorf("got %q, %v", got, err)
		}
		close(slow)
		callers.Wait()
		synctest.Wait()
		if len(b.waiting) > 0 {
			t.Errorf("%d of what nobody waits for are kept", len(b.waiting))
		}
	})
}

// What has not begun is not done for a caller who left; what has is waited for.
func TestACallerWhoLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoubling(3)
		ctx, leave := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		var callers sync.WaitGroup
		callers.Go(func() {
			if got, err := d.Do(ctx, "", 1); err != nil || got != 2 {
				t.Errorf("got %d, %v of what had begun, want 2", got, err)
			}
		})
		synctest.Wait()
		callers.Go(func() {
			if _, err := d.Do(ctx, "", 2); !errors.Is(err, gone) {
				t.Errorf("got %v of what had not begun, want why its caller left", err)
			}
		})
		synctest.Wait()
		leave(gone)
		synctest.Wait()
		close(d.may)
		callers.Wait()
		if want := [][]int{{1}}; !slices.EqualFunc(d.batches, want, slices.Equal) {
			t.Errorf("got batches %v, want %v", d.batches, want)
		}
	})
}

func TestAPanicIsTheCallersAndTheNextBatchIsDone(t *testing.T) {
	t.Parallel()
	b := New(3, nil, func(_ context.Context, asked []int) []int {
		if asked[0] == 0 {
			panic("zero")
		}
		return asked
	})
	func() {
		defer func() {
			if p := recover(); p == nil || !strings.Contains(p.(string), "zero") {
				t.Errorf("got panic %v, want that of the batch", p)
			}
		}()
		_, _ = b.Do(t.Context(), "", 0)
	}()
	if got, err := b.Do(t.Context(), "", 1); err != nil || got != 1 {
		t.Errorf("got %d, %v after a panic, want 1", got, err)
	}
}
