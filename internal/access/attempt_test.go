package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/fault"
)

// Guesses that come all at once are as many as those that come one by one.
func TestGuessesAllAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names func(i int) string
		want  int32
	}{
		"of one name":    {func(int) string { return "admin" }, 5},
		"of many names":  {func(i int) string { return fmt.Sprint("name", i) }, 20},
		"of a few names": {func(i int) string { return fmt.Sprint("name", i%3) }, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := gateOf(5, 20)
				var checked, refused atomic.Int32
				allCame := make(chan struct{})
				var wg sync.WaitGroup
				for i := range 300 {
					wg.Go(func() {
						_, err := g.login(t.Context(), someAddress, c.names(i), func() error {
							checked.Add(1)
							<-allCame
							return fault.Errorf(fault.AuthenticationFailed, "wrong")
						})
						if fault.Is(err, fault.RateLimited) {
							refused.Add(1)
						}
					})
				}
				synctest.Wait()
				close(allCame)
				wg.Wait()
				if checked.Load() != c.want || refused.Load() != 300-c.want {
					t.Errorf("%d passwords were looked at and %d refused, want %d and the rest", checked.Load(), refused.Load(), c.want)
				}
				wantNoneUnderWay(t, g)
			})
		})
	}
}

func wantNoneUnderWay(t *testing.T, g *Gate) {
	t.Helper()
	if d := g.limiter.Peek(t.Context(), checking(g.ofAddress(someAddress))); d.Remaining != d.Limit {
		t.Errorf("%d are still under way", d.Limit-d.Remaining)
	}
}

// However many have the right password at once, and few failures are left: nobody is refused.
func TestRightPasswordsAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(5, 20)
		for i := range 19 {
			g.login(t.Context(), someAddress, fmt.Sprint("typo", i), wrong)
		}
		var wg sync.WaitGroup
		allCame := make(chan struct{})
		for i := range 100 {
			wg.Go(func() {
				if _, err := g.login(t.Context(), someAddress, fmt.Sprint("name", i), func() error {
					<-allCame
					return nil
				}); err != nil {
					t.Errorf("refused: %v", err)
				}
			})
		}
		synctest.Wait()
		close(allCame)
		wg.Wait()
	})
}

// A check that comes to no end, because the database is away or the caller has gone, is neither a
// failure nor does it make up for one, and gives its turn to the next.
func TestChecksWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	g := gateOf(2, 20)
	away := errors.New("the database is away")
	for _, check := range []func() error{wrong, func() error { return away }, func() error { return away }} {
		g.login(t.Context(), someAddress, "admin", check)
	}
	if d := g.limiter.Peek(t.Context(), g.ofUser(someAddress, countedName("admin"))); d.Remaining != 1 {
		t.Errorf("%d failures are left, want 1", d.Remaining)
	}
	g.login(t.Context(), someAddress, " ADMIN", wrong)
	if _, err := g.login(t.Context(), someAddress, "admin", right); !fault.Is(err, fault.RateLimited) {
		t.Errorf("the right password after too many wrong ones: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	_, err := gateOf(1, 1).login(ctx, someAddress, "admin", func() error {
		stop()
		return context.Cause(ctx)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Who waits for a turn and hangs up does not wait on.
func TestHangingUpInTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(1, 1)
		busy := make(chan struct{})
		go g.login(t.Context(), someAddress, "admin", func() error { <-busy; return nil })
		synctest.Wait()
		ctx, hangUp := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := g.login(ctx, someAddress, "admin", right)
			ended <- err
		}()
		synctest.Wait()
		hangUp()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(busy)
		synctest.Wait()
		wantNoneUnderWay(t, g)
	})
}

// A name that is refused is refused also where its password is remembered, which would otherwise show
// itself, and only there.
func TestRememberedPasswordDoesNotShowItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in no time, since it is not remembered for long
		check, n := counted(time.Second, 0)
		check.gate = gateOf(3, 20)
		right, wrong := Credentials{Username: "admin", Password: "right"}, Credentials{Username: "Admin", Password: "wrong"}
		for range 3 {
			if _, err := check.Authenticate(t.Context(), t.Context(), someAddress, right); err != nil {
				t.Fatal(err)
			}
			if _, err := check.Authenticate(t.Context(), t.Context(), someAddress, wrong); !unauthenticated(err) {
				t.Fatal(err)
			}
		}
		if n.users.Load() != 4 {
			t.Fatalf("%d look-ups, want the right password's and 3 more", n.users.Load())
		}
		if _, err := check.Authenticate(t.Context(), t.Context(), someAddress, right); !fault.Is(err, fault.RateLimited) {
			t.Errorf("a remembered password of a name that is refused: %v", err)
		}
		if _, err := check.Authenticate(t.Context(), t.Context(), netip.MustParseAddr("192.0.2.11"), right); err != nil {
			t.Errorf("from another address: %v", err)
		}
		if _, err := check.Authenticate(t.Context(), t.Context(), someAddress, Credentials{Username: "other", Password: "right"}); err != nil {
			t.Errorf("another name: %v", err)
		}
	})
}
