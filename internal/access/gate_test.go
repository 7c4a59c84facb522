package access

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest"
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
		due := time.Now().Add(time.Hour)
		caller, hangUp := context.WithCancel(t.Context())
		server, stop := context.WithCancel(t.Context())
		began := time.Now()
		released := make(chan bool, maxHeld)
		for range maxHeld / 2 {
			go func() { g.hold(caller, server, due); released <- true }()
			go func() { g.hold(t.Context(), server, due); released <- true }()
		}
		synctest.Wait()
		g.hold(t.Context(), server, due) // one too many
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

var errWrong = fault.Errorf(fault.AuthenticationFailed, "wrong")

// login is an attempt whose check ends so, and how long its answer takes.
func (g *Gate) login(ctx context.Context, addr netip.Addr, name string, check func() error, users ...string) (time.Duration, error) {
	began := time.Now()
	a, err := g.admit(ctx, addr, name, users)
	if err != nil {
		return 0, err
	}
	err = check()
	user := ""
	if err == nil && len(users) > 0 {
		user = users[0]
	}
	return a.settle(ctx, user, err).Sub(began), err
}

func wrong() error { return errWrong }
func right() error { return nil }

// A /64 of IPv6 is one address, and a user is one whatever the alias.
func TestWhatCountsAsOne(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ofUser, ofAddress int
		address           func(i int) string
		user              func(i int) string
		allowed           int
	}{
		"a /64, many users":          {5, 20, func(i int) string { return fmt.Sprintf("2001:db8:0:1:%x::%x", i, i) }, func(i int) string { return fmt.Sprint(i) }, 20},
		"a /64, one user":            {5, 20, func(i int) string { return fmt.Sprintf("2001:db8:0:1:%x::%x", i, i) }, func(int) string { return "u" }, 5},
		"many /64s, one user":        {5, 20, func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i) }, func(int) string { return "u" }, 60},
		"an address, many users":     {5, 20, func(int) string { return "192.0.2.10" }, func(i int) string { return fmt.Sprint(i) }, 20},
		"an address and its mapping": {5, 20, func(i int) string { return []string{"192.0.2.10", "::ffff:192.0.2.10"}[i%2] }, func(int) string { return "u" }, 5},
		"many addresses":             {5, 20, func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, func(int) string { return "u" }, 60},
	} {
		g, allowed := gateOf(c.ofUser, c.ofAddress), 0
		for i := range 60 {
			if _, err := g.login(t.Context(), netip.MustParseAddr(c.address(i)), fmt.Sprint("alias", i), wrong, c.user(i)); unauthenticated(err) {
				allowed++
			}
		}
		if allowed != c.allowed {
			t.Errorf("%s: %d were checked, want %d", name, allowed, c.allowed)
		}
	}
}

// A name that several users have counts for each of them.
func TestGuessesAtSeveralUsers(t *testing.T) {
	t.Parallel()
	g := gateOf(3, 20)
	for range 3 {
		g.login(t.Context(), someAddress, "shared", wrong, "u1", "u2")
	}
	for _, user := range []string{"u1", "u2"} {
		if _, err := g.login(t.Context(), someAddress, "alias", right, user); !fault.Is(err, fault.RateLimited) {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// Failures at many addresses make a user's answers come later, the right one too, but never by more than two
// seconds; at an address that signed in lately they do not, and nobody is locked out.
func TestSlowedOverAllAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := gateOf(5, 20)
		g.limits.MaxDelay = 10 * time.Second
		address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
		if took, err := g.login(t.Context(), someAddress, "u", right, "u"); took != 0 || err != nil {
			t.Errorf("nobody has guessed: %v, %v", took, err)
		}
		for i, want := range []time.Duration{500, 750, 1000, 1500, 2500, 2500, 2500} {
			if took, _ := g.login(t.Context(), address(100+i), "u", wrong, "u"); took != want*time.Millisecond {
				t.Errorf("guess %d was answered after %v, want %v", i, took, want*time.Millisecond)
			}
		}
		for name, c := range map[string]struct {
			addr netip.Addr
			user string
			want time.Duration
		}{
			"from elsewhere":                  {address(1), "u", maxUserDelay},
			"where they signed in lately":     {someAddress, "u", 0},
			"another user":                    {address(1), "v", 0},
			"another user at such an address": {someAddress, "v", 0},
		} {
			if took, err := g.login(t.Context(), c.addr, c.user, right, c.user); took != c.want || err != nil {
				t.Errorf("%s: %v after %v, want %v", name, err, took, c.want)
			}
		}
		if took, err := g.login(t.Context(), address(1), "u", right, "u"); took != 0 || err != nil {
			t.Errorf("once it has signed in: %v after %v", err, took)
		}
	})
}

// The answer to a wrong password takes as long, however long its check took and whoever has the name.
func TestRefusalsTakeTheSameTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		checks := map[string]time.Duration{"nobody": 50 * time.Millisecond, "one": 60 * time.Millisecond, "several": 240 * time.Millisecond}
		for name, takes := range checks {
			check, _ := counted(0, 0)
			check.gate.limits.MaxDelay = 2 * time.Second
			check.find = func(context.Context, string) (named, error) {
				return named{nil, func(context.Context, string) (fusionpbx.Account, error) {
					pbxtest.Pass(takes)
					return fusionpbx.Account{}, fusionpbx.ErrBadCredentials
				}}, nil
			}
			began := time.Now()
			if _, err := check.Authenticate(t.Context(), t.Context(), someAddress, Credentials{Username: name, Password: "wrong"}); !unauthenticated(err) {
				t.Fatal(err)
			}
			if took := time.Since(began); took != leastRefusal {
				t.Errorf("%s: refused after %v, want %v", name, took, leastRefusal)
			}
		}
	})
}
