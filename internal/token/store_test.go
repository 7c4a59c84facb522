package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/tenant"
)

func TestCreate(t *testing.T) {
	t.Parallel()
	b := open(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	made, secret := b.create(t, New{Name: " WHMCS ", Scopes: []Scope{ScopeExport, ScopeRead}, DomainUUIDs: []string{domainB, domainA},
		HomeDomainUUID: domainB, ExpiresAt: &expires, CreatedBy: "root@one.example"})
	got, err := b.Get(t.Context(), made.ID, Unbounded)
	must(t, err)
	if fmt.Sprintf("%+v", got.view(nil, expires)) != fmt.Sprintf("%+v", made.view(nil, expires)) {
		t.Errorf("made %+v\nread %+v", made, got)
	}
	if got.Name != "WHMCS" || JoinScopes(got.Scopes) != "read,export" || got.HomeDomainUUID != domainB || !slices.Equal(got.DomainUUIDs, []string{domainB, domainA}) ||
		!got.ExpiresAt.Equal(expires) || got.CreatedBy != "root@one.example" || got.LastUsedAt != nil || got.CreatedAt.IsZero() || !strings.HasSuffix(secret, got.Hint) || len(got.Hint) != 4 {
		t.Errorf("got %+v", got)
	}
	var row string
	must(t, b.pool.QueryRow(t.Context(), "select string_agg(x::text, ' ') from trunkline.tokens x").Scan(&row))
	shown, err := json.Marshal(got.view(nil, time.Now()))
	must(t, err)
	for where, text := range map[string]string{"the row": row, "the view": string(shown), "the log": b.log.String()} {
		if strings.Contains(text, secret[len(Prefix):len(Prefix)+20]) {
			t.Errorf("the secret is in %s: %s", where, text)
		}
	}
}

func TestNamesAreUniqueUntilRevoked(t *testing.T) {
	t.Parallel()
	b := open(t)
	first, _ := b.create(t, fresh("whmcs"))
	if _, _, err := b.Create(t.Context(), fresh("WHMCS")); !errors.Is(err, ErrNameTaken) {
		t.Fatalf("got %v, want ErrNameTaken", err)
	}
	if got, err := b.Named(t.Context(), "Whmcs"); err != nil || got.ID != first.ID {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err := b.Revoke(t.Context(), first.ID, Unbounded, false)
	must(t, err)
	if _, err := b.Named(t.Context(), "whmcs"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a revoked one: got %v", err)
	}
	second, _ := b.create(t, fresh("whmcs"))
	if got, err := b.Named(t.Context(), "whmcs"); err != nil || got.ID != second.ID {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, name := range []string{"", "other", "a\xff", "a\x00", "' or true --"} {
		if _, err := b.Named(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// Of several who ask for one name at once, one gets it.
func TestOneOfManyGetsTheName(t *testing.T) {
	t.Parallel()
	b := open(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, _, errs[i] = b.Create(t.Context(), fresh("whmcs")) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, ErrNameTaken) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d were made", made)
	}
}

// Whoever may do less than a token does not see it, nor change it.
func TestBounds(t *testing.T) {
	t.Parallel()
	b := open(t)
	names := map[string]string{}
	add := func(name string, n New) {
		n.Name, n.CreatedBy = name, "x"
		made, _ := b.create(t, n)
		names[made.ID] = name
	}
	add("a", New{Scopes: []Scope{ScopeRead}, DomainUUIDs: []string{domainA}})
	add("a-admin", New{Scopes: []Scope{ScopeRead, ScopeAdmin}, DomainUUIDs: []string{domainA}})
	add("ab", New{Scopes: []Scope{ScopeRead}, DomainUUIDs: []string{domainA, domainB}})
	add("all", New{Scopes: []Scope{ScopeRead}, AllDomains: true})
	for _, c := range []struct {
		name   string
		bounds Bounds
		want   string // names, newest first
	}{
		{"everything", Unbounded, "all ab a-admin a"},
		{"two domains", Bounds{Domains: only(domainA, domainB, domainC), Scopes: Scopes}, "ab a-admin a"},
		{"one domain", Bounds{Domains: only(domainA), Scopes: Scopes}, "a-admin a"},
		{"one domain, to read", Bounds{Domains: only(domainA), Scopes: []Scope{ScopeRead}}, "a"},
		{"all domains, to read", Bounds{Domains: tenant.All, Scopes: []Scope{ScopeRead}}, "all ab a"},
		{"another domain", Bounds{Domains: only(domainC), Scopes: Scopes}, ""},
		{"no domain", Bounds{Scopes: Scopes}, ""},
		{"no scope", Bounds{Domains: tenant.All}, ""},
	} {
		listed, next, err := b.List(t.Context(), Filter{Bounds: c.bounds, Limit: 10})
		must(t, err)
		var got []string
		for _, one := range listed {
			got = append(got, one.Name)
		}
		if strings.Join(got, " ") != c.want || next != "" {
			t.Errorf("%s: got %v, %q; want %s", c.name, got, next, c.want)
		}
		for id, name := range names {
			seen := slices.Contains(got, name)
			if _, err := b.Get(t.Context(), id, c.bounds); seen != (err == nil) || !seen && !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: getting %s: %v", c.name, name, err)
			}
			if seen {
				continue
			}
			if _, _, err := b.Rotate(t.Context(), id, c.bounds, 0, nil); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: rotating %s: %v", c.name, name, err)
			}
			if _, err := b.Revoke(t.Context(), id, c.bounds, false); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: revoking %s: %v", c.name, name, err)
			}
		}
	}
	for _, id := range []string{"", "x", "urn:uuid:" + domainA, domainA, "' or true --"} {
		if _, err := b.Get(t.Context(), id, Unbounded); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: got %v", id, err)
		}
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	b := open(t)
	var want []string
	for i := range 7 {
		made, _ := b.create(t, fresh(fmt.Sprint("token ", i)))
		want = append(want, made.ID)
	}
	slices.Reverse(want)
	_, err := b.Revoke(t.Context(), want[3], Unbounded, false)
	must(t, err)
	for _, revoked := range []bool{true, false} {
		var got []string
		for after := ""; ; {
			page, next, err := b.List(t.Context(), Filter{Bounds: Unbounded, Revoked: revoked, After: after, Limit: 2})
			must(t, err)
			for _, one := range page {
				got = append(got, one.ID)
			}
			if after = next; next == "" || len(page) > 2 {
				break
			}
		}
		if expected := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return !revoked && id == want[3] }); !slices.Equal(got, expected) {
			t.Errorf("revoked %t: got %v, want %v", revoked, got, expected)
		}
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	b := open(t)
	made, _ := b.create(t, fresh("whmcs"))
	first, err := b.Revoke(t.Context(), made.ID, Unbounded, false)
	if err != nil || !first.Now || first.RevokedAt == nil {
		t.Fatalf("got %+v, %v", first, err)
	}
	again, err := b.Revoke(t.Context(), made.ID, Unbounded, false)
	if err != nil || again.Now || !again.RevokedAt.Equal(*first.RevokedAt) {
		t.Errorf("again: got %+v, %v", again, err)
	}
	if _, _, err := b.Rotate(t.Context(), made.ID, Unbounded, 0, nil); !errors.Is(err, ErrRevoked) {
		t.Errorf("rotating it: got %v", err)
	}
}

// An old database may be SQL_ASCII, and its lower() and text know bytes alone.
func TestTokensInSQLASCII(t *testing.T) {
	t.Parallel()
	b := open(t, servers.WithEncoding("SQL_ASCII"))
	made, secret := b.create(t, fresh("Zürich"))
	if got, err := b.Named(t.Context(), "Zürich"); err != nil || got.ID != made.ID || got.Name != "Zürich" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, _, err := b.Find(t.Context(), secret); err != nil || got.ID != made.ID {
		t.Errorf("got %+v, %v", got, err)
	}
}
