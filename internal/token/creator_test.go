package token

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"trunkline/internal/fault"
)

// as is the bounds of whoever shows the secret.
func (b bundle) as(t *testing.T, secret string) Bounds {
	t.Helper()
	found, _, err := b.Find(t.Context(), secret)
	must(t, err)
	return Bounds{Domains: only(domainA, domainB), Scopes: Scopes, By: Creator{TokenID: found.ID, Owner: found.Owner, Ends: found.SecretEnds}}
}

// child is a token that the bearer of the secret makes.
func (b bundle) child(t *testing.T, secret, name string, ends *time.Time) (Token, string, error) {
	t.Helper()
	n := fresh(name)
	n.By, n.ExpiresAt, n.CreatedBy = b.as(t, secret).By, ends, "token:parent"
	return b.Create(t.Context(), n)
}

func (b bundle) mustChild(t *testing.T, secret, name string) (Token, string) {
	t.Helper()
	made, own, err := b.child(t, secret, name, nil)
	must(t, err)
	return made, own
}

// ending is a token that ends after so long, 0 for never.
func (b bundle) ending(t *testing.T, name string, after time.Duration) (Token, string) {
	t.Helper()
	n := fresh(name)
	if after > 0 {
		n.ExpiresAt = at(time.Now().Add(after).Truncate(time.Microsecond))
	}
	return b.create(t, n)
}

func TestChildrenEndWithTheirCreator(t *testing.T) {
	t.Parallel()
	b := open(t)
	parent, secret := b.ending(t, "parent", time.Hour)
	child, _ := b.mustChild(t, secret, "by default")
	if !child.ExpiresAt.Equal(*parent.ExpiresAt) || child.Parent != parent.ID || child.Owner != parent.Owner {
		t.Errorf("got %+v of %+v", child, parent)
	}
	earlier := parent.ExpiresAt.Add(-time.Minute)
	if got, _, err := b.child(t, secret, "earlier", &earlier); err != nil || !got.ExpiresAt.Equal(earlier) {
		t.Errorf("an earlier end: got %+v, %v", got, err)
	}
	if _, _, err := b.child(t, secret, "later", at(parent.ExpiresAt.Add(time.Second))); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a later end: got %v", err)
	}
	_, everlasting := b.ending(t, "everlasting", 0)
	if got, _ := b.mustChild(t, everlasting, "everlasting child"); got.ExpiresAt != nil {
		t.Errorf("got %+v", got)
	}
	// The old secret of a rotated token makes nothing that outlasts its grace.
	rotated, _, err := b.Rotate(t.Context(), parent.ID, Unbounded, time.Minute, nil)
	must(t, err)
	if got, _ := b.mustChild(t, secret, "in the grace"); !got.ExpiresAt.Equal(*rotated.PreviousExpiresAt) {
		t.Errorf("got %v, want %v", got.ExpiresAt, rotated.PreviousExpiresAt)
	}
	// What has ended makes nothing, though it was good when it was looked up.
	by := b.as(t, secret)
	for what, c := range map[string]struct {
		sql  string
		want error
	}{
		"expired": {"update trunkline.tokens set expires_at = now() - interval '1 s' where id = $1", ErrExpired},
		"revoked": {"update trunkline.tokens set revoked_at = now() where id = $1", ErrRevoked},
	} {
		b.exec(t, "update trunkline.tokens set revoked_at = null where id = $1", parent.ID)
		b.exec(t, c.sql, parent.ID)
		n := fresh("too late")
		n.By = by.By
		if _, _, err := b.Create(t.Context(), n); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", what, err, c.want)
		}
	}
}

// A token that is given an earlier end takes what comes from it along, and nothing else; a later end is its own.
func TestAnEarlierEndIsTheDescendantsToo(t *testing.T) {
	t.Parallel()
	b := open(t)
	parent, secret := b.ending(t, "parent", 0)
	child, own := b.mustChild(t, secret, "child")
	grandchild, _ := b.mustChild(t, own, "grandchild")
	soon := time.Now().Add(time.Minute).Truncate(time.Microsecond)
	sooner, _, err := b.child(t, secret, "sooner", at(soon.Add(-time.Second)))
	must(t, err)
	other, _ := b.ending(t, "other", 0)
	ends := func(id string) *time.Time {
		got, err := b.Get(t.Context(), id, Unbounded)
		must(t, err)
		return got.ExpiresAt
	}
	for _, end := range []time.Time{soon, soon.Add(time.Hour)} {
		_, _, err = b.Rotate(t.Context(), parent.ID, Unbounded, 0, &end)
		must(t, err)
		for what, c := range map[string]struct {
			id   string
			want time.Time
		}{"child": {child.ID, soon}, "grandchild": {grandchild.ID, soon}, "sooner": {sooner.ID, *sooner.ExpiresAt}} {
			if got := ends(c.id); got == nil || !got.Equal(c.want) {
				t.Errorf("%s ends at %v, want %v", what, got, c.want)
			}
		}
	}
	if got := ends(other.ID); got != nil {
		t.Errorf("another token ends at %v", got)
	}
}

func TestNobodyExtendsItself(t *testing.T) {
	t.Parallel()
	b := open(t)
	minute, secret := b.ending(t, "minute", time.Minute)
	hour, hourSecret := b.ending(t, "hour", time.Hour)
	forever, _ := b.ending(t, "forever", 0)
	child, childSecret := b.mustChild(t, secret, "child")
	_, grandchild := b.mustChild(t, childSecret, "grandchild")
	for _, c := range []struct {
		name    string
		secret  string // who rotates
		target  Token
		expires *time.Time
		may     bool
	}{
		{"itself, later", secret, minute, at(minute.ExpiresAt.Add(time.Second)), false},
		{"one that ends later", secret, hour, nil, false},
		{"one that ends later, to a later time", secret, hour, at(minute.ExpiresAt.Add(time.Second)), false},
		{"one that never ends", secret, forever, nil, false},
		{"the one that it comes from", childSecret, minute, nil, false},
		{"the one that that comes from", grandchild, minute, nil, false},
		{"one that ends earlier, to a later time", hourSecret, child, at(hour.ExpiresAt.Add(time.Second)), false},
		{"one that ends later, to its own time", secret, hour, minute.ExpiresAt, true},
		{"one that ends earlier", hourSecret, child, nil, true},
		{"itself, as it is", secret, minute, nil, true},
	} {
		_, _, err := b.Rotate(t.Context(), c.target.ID, b.as(t, c.secret), time.Hour, c.expires)
		if (err == nil) != c.may || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	// Whoever has rotated one knows its secret, as if they had made it.
	for id, want := range map[string]string{hour.ID: minute.ID, child.ID: hour.ID, minute.ID: "", forever.ID: ""} {
		if got, err := b.Get(t.Context(), id, Unbounded); err != nil || got.Parent != want {
			t.Errorf("the parent of %s is %q, %v; want %q", got.Name, got.Parent, err, want)
		}
	}
	// A user may give it any end, and knows the secret alone.
	if got, _, err := b.Rotate(t.Context(), child.ID, Unbounded, 0, at(time.Now().Add(90*day))); err != nil || got.Parent != "" {
		t.Errorf("by a user: got %+v, %v", got, err)
	}
}

// The old secret of a rotated token does not rotate it again, to what outlasts the grace.
func TestAnOldSecretDoesNotComeBack(t *testing.T) {
	t.Parallel()
	b := open(t)
	made, old := b.ending(t, "whmcs", 0)
	_, _, err := b.Rotate(t.Context(), made.ID, Unbounded, time.Minute, nil)
	must(t, err)
	if _, _, err := b.Rotate(t.Context(), made.ID, b.as(t, old), 0, nil); !fault.Is(err, fault.Forbidden) {
		t.Errorf("got %v", err)
	}
}

func TestRevokingTakesTheDescendantsAlong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep bool
		want []string // that still serve
	}{
		"with them":    {false, []string{"another", "another's"}},
		"without them": {true, []string{"another", "another's", "child", "grandchild", "rotated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			parent, secret := b.ending(t, "parent", 0)
			_, child := b.mustChild(t, secret, "child")
			b.mustChild(t, child, "grandchild")
			_, another := b.ending(t, "another", 0)
			b.mustChild(t, another, "another's")
			rotated, _ := b.mustChild(t, another, "rotated")
			_, _, err := b.Rotate(t.Context(), rotated.ID, b.as(t, secret), 0, nil)
			must(t, err)
			got, err := b.Revoke(t.Context(), parent.ID, Unbounded, c.keep)
			if err != nil || !got.Now || got.ID != parent.ID || (len(got.Descendants) == 3) == c.keep {
				t.Errorf("got %+v, %v", got, err)
			}
			listed, _, err := b.List(t.Context(), Filter{Bounds: Unbounded, Limit: 100})
			must(t, err)
			var names []string
			for _, one := range listed {
				names = append(names, one.Name)
			}
			if slices.Sort(names); !slices.Equal(names, c.want) {
				t.Errorf("%q serve, want %q", names, c.want)
			}
			// Those that were kept go with a second revocation.
			if again, err := b.Revoke(t.Context(), parent.ID, Unbounded, false); err != nil || again.Now || (len(again.Descendants) == 3) != c.keep {
				t.Errorf("again: got %+v, %v", again, err)
			}
		})
	}
}

func TestADomainHasSoManyTokens(t *testing.T) {
	t.Parallel()
	b := open(t)
	var first Token
	for i := range perDomain {
		n := fresh(fmt.Sprint("token ", i))
		n.ExpiresAt = at(time.Now().Add(time.Hour))
		first, _ = b.create(t, n)
	}
	both := fresh("both")
	both.DomainUUIDs = []string{domainB, domainA}
	var invalid *InvalidError
	refused := func(n New) bool {
		t.Helper()
		_, _, err := b.Create(t.Context(), n)
		return fault.Is(err, fault.Conflict) && errors.As(err, &invalid) && invalid.Field == "domains"
	}
	if !refused(fresh("one more")) || !refused(both) {
		t.Error("one more is made")
	}
	other, all := fresh("other"), fresh("all")
	other.DomainUUIDs = []string{domainB}
	all.DomainUUIDs, all.AllDomains = nil, true
	b.create(t, other)
	b.create(t, all)
	// One that has expired makes room, which it must have to serve again.
	b.exec(t, "update trunkline.tokens set expires_at = now() where id = $1", first.ID)
	b.create(t, fresh("one more"))
	if _, _, err := b.Rotate(t.Context(), first.ID, Unbounded, 0, at(time.Now().Add(time.Hour))); !fault.Is(err, fault.Conflict) {
		t.Errorf("an expired one serves again: got %v", err)
	}
}

// Names are one owner's: what a token makes is its owner's, and nobody learns of another's names.
func TestNamesArePerOwner(t *testing.T) {
	t.Parallel()
	b := open(t)
	_, secret := b.ending(t, "whmcs", 0)
	theirs := fresh("WHMCS")
	theirs.CreatedBy = "boss@two.example"
	b.create(t, theirs)
	if _, _, err := b.child(t, secret, "whmcs", nil); !errors.Is(err, ErrNameTaken) {
		t.Errorf("a child of the owner's: got %v", err)
	}
	if _, err := b.Named(t.Context(), "whmcs"); !errors.Is(err, ErrSeveral) {
		t.Errorf("by name: got %v", err)
	}
}
