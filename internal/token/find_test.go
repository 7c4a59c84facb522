package token

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// found checks what a secret is answered.
func (b bundle) found(t *testing.T, what, secret string, want error) (Token, time.Duration) {
	t.Helper()
	got, holds, err := b.Find(t.Context(), secret)
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
	if (holds > 0) != (want == nil) {
		t.Errorf("%s: it holds for %v", what, holds)
	}
	return got, holds
}

func TestFind(t *testing.T) {
	t.Parallel()
	b := open(t)
	made, secret := b.create(t, fresh("whmcs"))
	_, other := b.create(t, fresh("other"))
	if got, holds := b.found(t, "the secret", secret, nil); got.ID != made.ID || holds != Forever {
		t.Errorf("got %+v for %v", got, holds)
	}
	for _, text := range []string{"", "x", other[:20] + secret[20:], strings.ToUpper(secret), secret[:52], "trunkline_\x00", "' or true --"} {
		if got, _ := b.found(t, text, text, ErrUnknown); got.ID != "" {
			t.Errorf("%q: got %+v", text, got)
		}
	}
	_, err := b.Revoke(t.Context(), made.ID, Unbounded, false)
	must(t, err)
	if got, _ := b.found(t, "revoked", secret, ErrRevoked); got.Name != "whmcs" {
		t.Errorf("got %+v", got)
	}
	b.found(t, "another", other, nil)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	b := open(t)
	n := fresh("whmcs")
	n.ExpiresAt = at(time.Now().Add(time.Hour))
	made, secret := b.create(t, n)
	if _, holds := b.found(t, "before", secret, nil); holds > time.Hour+time.Minute {
		t.Errorf("it holds for %v", holds)
	}
	b.exec(t, "update trunkline.tokens set expires_at = now()")
	b.found(t, "after", secret, ErrExpired)
	if _, _, err := b.Rotate(t.Context(), made.ID, Unbounded, time.Hour, nil); !errors.Is(err, ErrExpired) {
		t.Errorf("rotating it: got %v", err)
	}
	// With a new expiry its new secret serves; the expired one does not come back.
	rotated, fresh, err := b.Rotate(t.Context(), made.ID, Unbounded, time.Hour, at(time.Now().Add(2*time.Hour)))
	must(t, err)
	b.found(t, "the new secret", fresh, nil)
	b.found(t, "the expired secret", secret, ErrUnknown)
	if rotated.PreviousExpiresAt != nil {
		t.Errorf("got %+v", rotated)
	}
	b.exec(t, "update trunkline.tokens set expires_at = now() + interval '100 years'")
	if _, holds := b.found(t, "a row written by hand", fresh, nil); holds != maxLifetime {
		t.Errorf("it holds for %v", holds)
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	b := open(t)
	made, first := b.create(t, fresh("whmcs"))
	rotated, second, err := b.Rotate(t.Context(), made.ID, Unbounded, time.Hour, nil)
	must(t, err)
	if rotated.ID != made.ID || rotated.RotatedAt == nil || rotated.PreviousExpiresAt == nil || !strings.HasSuffix(second, rotated.Hint) || first == second {
		t.Errorf("got %+v", rotated)
	}
	if _, holds := b.found(t, "the old secret", first, nil); holds > time.Hour+time.Minute {
		t.Errorf("it holds for %v", holds)
	}
	if _, holds := b.found(t, "the new secret", second, nil); holds != Forever {
		t.Errorf("it holds for %v", holds)
	}
	b.exec(t, "update trunkline.tokens set previous_expires_at = now()")
	b.found(t, "the old secret after its grace", first, ErrRotated)
	b.found(t, "the new secret then", second, nil)

	// The grace of an older secret ends with the next rotation; without grace the last one's too.
	_, third, err := b.Rotate(t.Context(), made.ID, Unbounded, time.Hour, nil)
	must(t, err)
	b.found(t, "the first secret", first, ErrUnknown)
	b.found(t, "the second secret", second, nil)
	_, fourth, err := b.Rotate(t.Context(), made.ID, Unbounded, 0, nil)
	must(t, err)
	b.found(t, "the second secret then", second, ErrUnknown)
	b.found(t, "the third secret", third, ErrUnknown)
	b.found(t, "the fourth secret", fourth, nil)

	// Revoking ends the old secret with the new one.
	_, fifth, err := b.Rotate(t.Context(), made.ID, Unbounded, maxGrace, nil)
	must(t, err)
	_, err = b.Revoke(t.Context(), made.ID, Unbounded, false)
	must(t, err)
	b.found(t, "the old secret of a revoked token", fourth, ErrRevoked)
	b.found(t, "the new secret of a revoked token", fifth, ErrRevoked)
}

// A rotation does not make the old secret last longer than it would have.
func TestGraceEndsWithTheToken(t *testing.T) {
	t.Parallel()
	b := open(t)
	n := fresh("whmcs")
	n.ExpiresAt = at(time.Now().Add(time.Hour).Truncate(time.Microsecond))
	made, old := b.create(t, n)
	rotated, fresh, err := b.Rotate(t.Context(), made.ID, Unbounded, 24*time.Hour, at(time.Now().Add(90*day)))
	must(t, err)
	if !rotated.PreviousExpiresAt.Equal(*n.ExpiresAt) {
		t.Errorf("the old secret lasts until %v, want %v", rotated.PreviousExpiresAt, n.ExpiresAt)
	}
	b.found(t, "the old secret", old, nil)
	b.found(t, "the new secret", fresh, nil)
	for _, grace := range []time.Duration{-time.Second, maxGrace + time.Second} {
		var invalid *InvalidError
		if _, _, err := b.Rotate(t.Context(), made.ID, Unbounded, grace, nil); !errors.As(err, &invalid) || invalid.Field != "grace" {
			t.Errorf("a grace of %v: got %v", grace, err)
		}
	}
	var invalid *InvalidError
	if _, _, err := b.Rotate(t.Context(), made.ID, Unbounded, 0, at(time.Now())); !errors.As(err, &invalid) || invalid.Field != "expires_at" {
		t.Errorf("an expiry that is past: got %v", err)
	}
}
