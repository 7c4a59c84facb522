package postgres

import (
	"context"
	"errors"
	"testing"

	"trunkline/internal/pbxtest"
)

func TestLockIsOneSessions(t *testing.T) {
	t.Parallel()
	pool := open(t)
	first, err := AcquireLock(t.Context(), pool, "switch a")
	must(t, err)
	if second, err := TryLock(t.Context(), pool, "switch a"); err != nil || second != nil {
		t.Errorf("a lock that is held: got %v, %v; want nil, nil", second, err)
	}
	other, err := TryLock(t.Context(), pool, "switch b")
	must(t, err)
	must(t, first.Check(t.Context()))
	first.Release(t.Context())
	again, err := TryLock(t.Context(), pool, "switch a")
	must(t, err)
	if again == nil {
		t.Fatal("a lock that was given back is still held")
	}
	again.Release(t.Context())
	other.Release(t.Context())
}

// A lock whose backend is gone is noticed by the next look at it, for good, and is somebody else's by then.
func TestLockLostWithItsBackend(t *testing.T) {
	t.Parallel()
	pool := open(t)
	lock, err := AcquireLock(t.Context(), pool, "switch a")
	must(t, err)
	must(t, lock.Check(t.Context()))
	exec(t, pool, "select pg_terminate_backend($1, 5000)", lock.conn.Conn().PgConn().PID())
	for range 2 {
		if err := lock.Check(t.Context()); !errors.Is(err, ErrLockLost) || !Away(err) {
			t.Errorf("got %v, want that the lock was lost and the database away", err)
		}
	}
	next, err := TryLock(t.Context(), pool, "switch a")
	must(t, err)
	if next == nil {
		t.Fatal("nobody else can have the lost lock")
	}
	lock.Release(t.Context()) // must not take the next one's
	must(t, next.Check(t.Context()))
	if third, err := TryLock(t.Context(), pool, "switch a"); err != nil || third != nil {
		t.Errorf("got %v, %v; want the lock still held", third, err)
	}
	next.Release(t.Context())
}

// A look that was cut short leaves a connection that is closed: the lock is free, and the error says both.
func TestLockLostWithTheContextOfACheck(t *testing.T) {
	t.Parallel()
	pool := open(t)
	lock, err := AcquireLock(t.Context(), pool, "switch a")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lock.Check(ctx); !errors.Is(err, ErrLockLost) || !errors.Is(err, context.Canceled) || Away(err) {
		t.Errorf("got %v, want that the lock was lost by cancelling", err)
	}
	if err := lock.Check(t.Context()); !errors.Is(err, ErrLockLost) {
		t.Errorf("got %v, want that it stays lost", err)
	}
	lock.Release(t.Context())
	pbxtest.Eventually(t, "the lock is free", func() bool {
		next, err := TryLock(t.Context(), pool, "switch a")
		must(t, err)
		if next != nil {
			next.Release(t.Context())
		}
		return next != nil
	})
}

// Processes of different versions exclude each other only while the numbers stay what they are.
func TestLockKeys(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int64{
		"sweep":                 -9144536893210218197,
		"gateway files":         -9057670153691211574,
		"switch 127.0.0.1:8021": -7567694857832183269,
		"gateways of ":          5968202344040135305,
		"cdr index":             8125717638346988420,
	} {
		if got := LockKey(name); got != want {
			t.Errorf("%q: got %d, want %d", name, got, want)
		}
	}
}
