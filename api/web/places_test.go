package web

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/fault"
)

// hold takes a place, or says why there is none.
func hold(t *testing.T, p *places, domain string) (leave func()) {
	t.Helper()
	leave, err := p.take(t.Context(), domain, true)
	if err != nil {
		t.Fatalf("%s: %v", domain, err)
	}
	return leave
}

func refused(t *testing.T, p *places, domain string, want fault.Code) {
	t.Helper()
	if _, err := p.take(t.Context(), domain, true); !fault.Is(err, want) {
		t.Errorf("%s: got %v, want %s", domain, err, want)
	}
}

// However many domains flood, one that comes anew finds a place.
func TestNoDomainHoldsTheLastPlace(t *testing.T) {
	t.Parallel()
	p := &places{most: 8}
	for range 4 {
		hold(t, p, "a")
	}
	refused(t, p, "a", fault.RateLimited)
	hold(t, p, "b")
	leave := hold(t, p, "b")
	refused(t, p, "b", fault.RateLimited)
	hold(t, p, "") // none is one too
	refused(t, p, "", fault.RateLimited)
	hold(t, p, "c")
	refused(t, p, "d", fault.Unavailable)
	leave()
	leave() // which gives back no more than was taken
	hold(t, p, "d")
	refused(t, p, "e", fault.Unavailable)
}

func TestTheOnlyDomainHasEveryPlace(t *testing.T) {
	t.Parallel()
	p := &places{most: 3}
	for range 3 {
		if _, err := p.take(t.Context(), "a", false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.take(t.Context(), "a", false); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// Of those that wait, the domain that holds the fewest goes first, then who came first.
func TestPlacesAreGivenFairly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &places{most: 4, patience: time.Minute}
		leave := []func(){hold(t, p, "a"), hold(t, p, "a"), hold(t, p, "b"), hold(t, p, "c")}
		var order []string
		for _, domain := range []string{"a", "a", "b", "d", "a"} {
			go func() {
				_, err := p.take(t.Context(), domain, true)
				p.mu.Lock()
				defer p.mu.Unlock()
				if order = append(order, domain); err != nil {
					order = append(order, err.Error())
				}
			}()
			synctest.Wait()
		}
		for _, leave := range leave {
			leave()
			synctest.Wait()
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		// The first to leave is a's: d holds none. Then a and b hold one each, and a came first.
		want := []string{"d", "a", "b"}
		if len(order) < 3 || order[0] != want[0] || order[1] != want[1] || order[2] != want[2] {
			t.Errorf("got %v, want it to begin with %v", order, want)
		}
	})
}

// Who waits and goes leaves the line; who waits too long hears why.
func TestPlacesAreNotWaitedForForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &places{most: 1, patience: 5 * time.Second, what: AtOnceReads, setting: "SETTING"}
		leave := hold(t, p, "a")
		began := time.Now()
		refused(t, p, "b", fault.Unavailable)
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("waited %v", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.take(ctx, "b", true); err == nil {
			t.Error("who is gone got a place")
		}
		leave()
		if hold(t, p, "b"); len(p.waiting) != 0 {
			t.Errorf("%d wait still", len(p.waiting))
		}
	})
}
