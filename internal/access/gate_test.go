package access

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/fault"
)

func TestDelayAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failures      int
		longest, want time.Duration
	}{
		{0, 2 * time.Second, 0},
		{1, 2 * time.Second, 0},
		{2, 2 * time.Second, 250 * time.Millisecond},
		{3, 2 * time.Second, 500 * time.Millisecond},
		{5, 2 * time.Second, 2 * time.Second},
		{6, 2 * time.Second, 2 * time.Second},
		{4, 900 * time.Millisecond, 900 * time.Millisecond},
		{math.MaxInt, time.Hour, time.Hour},
		{10, 0, 0},
	} {
		if got := delayAfter(c.failures, c.longest); got != c.want {
			t.Errorf("%d failures, at most %s: got %s, want %s", c.failures, c.longest, got, c.want)
		}
	}
}

// An answer that is held back is let go when the caller hangs up or the server stops, and what more
// there are than may be held back is not.
func TestHeldAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(100, 100)
		g.limits.MaxDelay = time.Hour
		for i := range 20 {
			g.login(t.Context(), someAddress, fmt.Sprint(i), func() error { return fault.Errorf(fault.AuthenticationFailed, "wrong") })
		}
		caller, hangUp := context.WithCancel(t.Context())
		server, stop := context.WithCancel(t.Context())
		began := time.Now()
		released := make(chan bool, maxHeld)
		for range maxHeld / 2 {
			go func() { g.Hold(caller, server, someAddress); released <- true }()
			go func() { g.Hold(t.Context(), server, someAddress); released <- true }()
		}
		synctest.Wait()
		g.Hold(t.Context(), server, someAddress) // one too many
		if len(released) != 0 {
			t.Errorf("%d answers were not held back", len(released))
		}
		hangUp()
		synctest.Wait()
		if len(released) != maxHeld/2 {
			t.Errorf("%d were let go when their callers hung up, want %d", len(released), maxHeld/2)
		}
		stop()
		synctest.Wait()
		if len(released) != maxHeld || len(g.held) != 0 {
			t.Errorf("%d were let go, want all %d; %d are still held", len(released), maxHeld, len(g.held))
		}
		if time.Since(began) != 0 {
			t.Error("the answers had to be waited for")
		}
	})
}
