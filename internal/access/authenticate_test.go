package access

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/authlog"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbxtest"
	"trunkline/internal/ratelimit"
	"trunkline/internal/token"
)

var someAddress = netip.MustParseAddr("192.0.2.10")

// gateOf is a gate that counts by itself.
func gateOf(ofName, atAddress int) *Gate {
	log := slog.New(slog.DiscardHandler)
	limits := GateLimits{OfName: ofName, OfAddress: atAddress, Window: time.Hour}
	return NewGate(limits, ratelimit.New(nil, log), authlog.New(authlog.Off, log))
}

// lookUps counts what a check looks up.
type lookUps struct{ users, keys, tokens, domains atomic.Int32 }

// counted is a check that knows one password, one api_key and one token, and counts what is looked up.
func counted(userAge, tokenHolds time.Duration) (*Authenticator, *lookUps) {
	n := &lookUps{}
	return &Authenticator{
		userAge: userAge,
		callers: newCallers(),
		gate:    gateOf(math.MaxInt32, math.MaxInt32),
		find: func(_ context.Context, username string) (named, error) {
			id := "u"
			if !strings.EqualFold(username, "admin") {
				id = username
			}
			return named{[]string{id}, func(_ context.Context, password string) (fusionpbx.Account, error) {
				n.users.Add(1)
				if password != "right" {
					return fusionpbx.Account{}, fusionpbx.ErrBadCredentials
				}
				return fusionpbx.Account{User: fusionpbx.User{UUID: id, Name: username, Role: fusionpbx.RoleAdmin}}, nil
			}}, nil
		},
		apiKeys: func(_ context.Context, key string) (fusionpbx.User, error) {
			n.keys.Add(1)
			if key != "right" {
				return fusionpbx.User{}, fusionpbx.ErrUnknownKey
			}
			return fusionpbx.User{UUID: "k", Role: fusionpbx.RoleSuperadmin}, nil
		},
		tokens: func(_ context.Context, secret string) (token.Token, time.Duration, error) {
			n.tokens.Add(1)
			if secret != token.Prefix+"right" {
				return token.Token{}, 0, token.ErrUnknown
			}
			return token.Token{ID: "t", Name: "whmcs", DomainUUIDs: []string{"d"}, Scopes: token.Scopes}, tokenHolds, nil
		},
		domains: func(context.Context, []string) ([]fusionpbx.Domain, error) {
			n.domains.Add(1)
			return []fusionpbx.Domain{{UUID: "d", Name: "one.example", Enabled: true}}, nil
		},
	}, n
}

// However many requests a second come with the same credentials, they cost one look-up.
func TestCallersAreRememberedForASecond(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		given               Credentials
		userAge, tokenHolds time.Duration
		want                string           // id
		lookUps             [3]time.Duration // how long after the first the others come
		count               int32
	}{
		"a user":                 {Credentials{Username: "admin", Password: "right"}, time.Second, 0, "u", [3]time.Duration{0, 999 * time.Millisecond, time.Second}, 2},
		"a user not remembered":  {Credentials{Username: "admin", Password: "right"}, 0, 0, "u", [3]time.Duration{0, 0, 0}, 4},
		"an api_key":             {Credentials{Key: "right"}, 0, 0, "k", [3]time.Duration{0, 999 * time.Millisecond, time.Second}, 2},
		"a token":                {Credentials{Key: token.Prefix + "right"}, 0, token.Forever, "t", [3]time.Duration{0, 999 * time.Millisecond, time.Second}, 2},
		"a token about to end":   {Credentials{Key: token.Prefix + "right"}, 0, 300 * time.Millisecond, "t", [3]time.Duration{0, 299 * time.Millisecond, 300 * time.Millisecond}, 2},
		"a token that ends soon": {Credentials{Key: token.Prefix + "right"}, 0, time.Hour, "t", [3]time.Duration{0, 999 * time.Millisecond, time.Second}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				check, n := counted(c.userAge, c.tokenHolds)
				began := time.Now()
				for _, after := range append([]time.Duration{0}, c.lookUps[:]...) {
					pbxtest.Pass(time.Until(began.Add(after)))
					if who, err := check.Authenticate(t.Context(), t.Context(), someAddress, c.given); err != nil || who.ID != c.want {
						t.Fatalf("after %v: got %+v, %v", after, who, err)
					}
				}
				if got := n.users.Load() + n.keys.Load() + n.tokens.Load(); got != c.count {
					t.Errorf("%d look-ups, want %d", got, c.count)
				}
				if n.domains.Load() != n.tokens.Load() {
					t.Errorf("%d look-ups of domains, want %d", n.domains.Load(), n.tokens.Load())
				}
			})
		})
	}
}

func TestBadCredentialsAreNotRemembered(t *testing.T) {
	t.Parallel()
	check, n := counted(time.Second, token.Forever)
	for range 2 {
		for _, given := range []Credentials{{Username: "admin", Password: "wrong"}, {Key: "wrong"}, {Key: token.Prefix + "wrong"}} {
			var refused *fault.Error
			if _, err := check.Authenticate(t.Context(), t.Context(), someAddress, given); !errors.As(err, &refused) || refused.Code != fault.AuthenticationFailed {
				t.Errorf("%+v: got %v", given, err)
			}
		}
	}
	if n.users.Load() != 2 || n.keys.Load() != 2 || n.tokens.Load() != 2 {
		t.Errorf("%d, %d and %d look-ups, want 2 each: what looks like a token is looked for among tokens alone", n.users.Load(), n.keys.Load(), n.tokens.Load())
	}
}

// Different credentials of the same bytes must not be taken for each other.
func TestCredentialsAreKeptApart(t *testing.T) {
	t.Parallel()
	check, _ := counted(time.Second, token.Forever)
	seen := map[string]Credentials{}
	for _, c := range []Credentials{
		{Username: "ab", Password: "c"}, {Username: "a", Password: "bc"}, {Username: "abc"}, {Password: "abc"}, {Key: "abc"},
		{Username: "a", Password: "b", Key: "c"}, {Username: "ab", Key: "c"},
	} {
		hash := check.hash(someAddress, c)
		if other, taken := seen[hash]; taken {
			t.Errorf("%+v is taken for %+v", c, other)
		}
		seen[hash] = c
	}
}

func TestCallerOfToken(t *testing.T) {
	t.Parallel()
	one, two := fusionpbx.Domain{UUID: "1", Name: "one.example", Enabled: true}, fusionpbx.Domain{UUID: "2", Name: "two.example", Enabled: true}
	off := fusionpbx.Domain{UUID: "2", Name: "two.example"}
	for name, c := range map[string]struct {
		token   token.Token
		domains []fusionpbx.Domain
		names   string
		home    string
		refused bool
	}{
		"one domain":                       {token.Token{DomainUUIDs: []string{"1"}}, []fusionpbx.Domain{one}, "one.example", "one.example", false},
		"two domains":                      {token.Token{DomainUUIDs: []string{"2", "1"}}, []fusionpbx.Domain{two, one}, "one.example, two.example", "", false},
		"two domains and a home":           {token.Token{DomainUUIDs: []string{"1", "2"}, HomeDomainUUID: "2"}, []fusionpbx.Domain{one, two}, "one.example, two.example", "two.example", false},
		"one that was deleted":             {token.Token{DomainUUIDs: []string{"1", "2"}}, []fusionpbx.Domain{one}, "one.example", "one.example", false},
		"one that is disabled, the home":   {token.Token{DomainUUIDs: []string{"1", "2"}, HomeDomainUUID: "2"}, []fusionpbx.Domain{one, off}, "one.example", "one.example", false},
		"none left":                        {token.Token{DomainUUIDs: []string{"2"}}, []fusionpbx.Domain{off}, "", "", true},
		"all domains":                      {token.Token{AllDomains: true}, nil, "", "", false},
		"all domains and a home":           {token.Token{AllDomains: true, HomeDomainUUID: "1"}, []fusionpbx.Domain{one}, "", "one.example", false},
		"all domains, the home is deleted": {token.Token{AllDomains: true, HomeDomainUUID: "1"}, nil, "", "", false},
	} {
		c.token.ID, c.token.Name, c.token.Scopes = "t", "whmcs", []token.Scope{token.ScopeRead}
		got, err := callerOfToken(c.token, c.domains)
		if c.refused {
			var refused *fault.Error
			if !errors.As(err, &refused) || refused.Code != fault.Forbidden || !strings.Contains(err.Error(), "domains") || got.SignedIn() {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
			continue
		}
		if err != nil || got.ID != "t" || got.Name != "token:whmcs" || !got.IsToken || got.Domains.All != c.token.AllDomains || got.Domains.Names() != c.names || got.Home.Name != c.home || !got.May(token.ScopeRead) || got.May(token.ScopeAdmin) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}
