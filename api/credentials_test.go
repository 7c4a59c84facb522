package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/fusionpbx"
)

// counted is a check that knows one password and counts how often it is asked.
func counted(remember time.Duration) (*credentialCheck, *atomic.Int32) {
	var asked atomic.Int32
	c, err := newCredentialCheck(remember, func(ctx context.Context, username, password string) (fusionpbx.User, error) {
		asked.Add(1)
		time.Sleep(50 * time.Millisecond) // bcrypt's time, in the bubble's clock
		if password != "right" {
			return fusionpbx.User{}, fusionpbx.ErrBadCredentials
		}
		return fusionpbx.User{Name: username, Role: fusionpbx.RoleAdmin}, nil
	})
	if err != nil {
		panic(err)
	}
	return c, &asked
}

func TestCredentialsAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, asked := counted(time.Minute)
		check := func(username, password string) error {
			_, err := c.check(t.Context(), credentials{username, password})
			return err
		}
		for range 3 {
			if err := check("admin", "right"); err != nil {
				t.Fatal(err)
			}
		}
		if asked.Load() != 1 {
			t.Errorf("a good check was made %d times", asked.Load())
		}
		for range 2 {
			var refused *failure
			if err := check("admin", "wrong"); !errors.As(err, &refused) || refused.Code != codeAuthenticationFailed {
				t.Fatalf("got %v", err)
			}
		}
		if asked.Load() != 3 {
			t.Errorf("bad checks were remembered")
		}
		// The two must not run into each other.
		if err := check("adminr", "ight"); err == nil {
			t.Error("another split of the same bytes passed")
		}
		time.Sleep(time.Minute + time.Second)
		before := asked.Load()
		if err := check("admin", "right"); err != nil || asked.Load() != before+1 {
			t.Errorf("got %v; a good check was remembered for too long", err)
		}
	})
}

func TestCredentialsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, asked := counted(0)
		for range 3 {
			if _, err := c.check(t.Context(), credentials{"admin", "right"}); err != nil {
				t.Fatal(err)
			}
		}
		if asked.Load() != 3 || len(c.known) != 0 {
			t.Errorf("got %d checks and %d remembered", asked.Load(), len(c.known))
		}
	})
}

func TestCredentialsAreCheckedOnceAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, asked := counted(time.Minute)
		gone, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.check(gone, credentials{"admin", "right"}); !errors.Is(err, context.Canceled) {
				t.Errorf("who hung up got %v", err)
			}
		})
		for range 20 {
			wg.Go(func() {
				if _, err := c.check(t.Context(), credentials{"admin", "right"}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		hangUp()
		wg.Wait()
		if asked.Load() != 1 {
			t.Errorf("checked %d times", asked.Load())
		}
	})
}

func TestRememberedCredentialsAreBounded(t *testing.T) {
	t.Parallel()
	c, _ := counted(time.Minute)
	for i := range maxRemembered + 100 {
		c.store(c.hash(credentials{fmt.Sprint(i), "x"}), fusionpbx.User{})
	}
	if len(c.known) > maxRemembered {
		t.Errorf("%d are remembered, the bound is %d", len(c.known), maxRemembered)
	}
}
