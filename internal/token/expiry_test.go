package token

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestParseLifetime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "24h": day, " 1h30m ": 90 * time.Minute, "0": 0, "0d": 0, "1d": day, "3650d": maxLifetime,
		"": -1, "d": -1, "-1d": -1, "-1h": -1, "1.5d": -1, "90": -1, "1w": -1, "1d1h": -1, "+1d": -1, "99999999999999999999d": -1,
	} {
		got, err := ParseLifetime("grace", text)
		var invalid *InvalidError
		if want < 0 && (!errors.As(err, &invalid) || invalid.Field != "grace") || want >= 0 && (err != nil || got != want) {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	if got, err := ParseLifetime("grace", "4294967295d"); err != nil || got <= maxLifetime {
		t.Errorf("very many days: got %v, %v; want more than any bound", got, err)
	}
}

func TestParseExpiry(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"90d":                       "2026-09-29T12:00:00Z",
		"2026-12-31":                "2027-01-01T00:00:00Z",
		"2026-12-31T23:00:00Z":      "2026-12-31T23:00:00Z",
		"2026-12-31T23:00:00+02:00": "2026-12-31T21:00:00Z",
		"31.12.2026":                "", "2026-13-01": "", "2026-12-31 23:00": "", "": "", "tomorrow": "",
	} {
		got, err := ParseExpiry("expires_at", text, now)
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), "expires_at: ") {
				t.Errorf("%q: got %v, %v", text, got, err)
			}
			continue
		}
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: got %v, %v; want %s", text, got, err, want)
		}
	}
}

func FuzzParseExpiry(f *testing.F) {
	for _, seed := range []string{"90d", "24h", "2026-12-31", "2026-12-31T23:00:00+02:00", "4294967295d", "-1d", "\xff", "9999-12-31"} {
		f.Add(seed)
	}
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		length, err := ParseLifetime("expires_in", text)
		if err == nil && length < 0 {
			t.Errorf("%q became %v", text, length)
		}
		expires, expiryErr := ParseExpiry("expires_at", text, now)
		if err == nil && (expiryErr != nil || expires.Before(now)) {
			t.Errorf("%q is %v ahead and became %v, %v", text, length, expires, expiryErr)
		}
		if expiryErr == nil && checkExpiry(&expires, now) == nil && (!expires.After(now) || expires.After(now.Add(maxLifetime))) {
			t.Errorf("%q became %v", text, expires)
		}
	})
}

func FuzzParseScopes(f *testing.F) {
	for _, seed := range []string{"read", "read,admin", " , ", "write", "\xff,read", "READ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		scopes, err := ParseScopes(text)
		if err != nil {
			return
		}
		again, err := ParseScopes(JoinScopes(scopes))
		if err != nil || JoinScopes(again) != JoinScopes(scopes) || len(scopes) == 0 {
			t.Errorf("%q became %v, and that %v, %v", text, scopes, again, err)
		}
	})
}
