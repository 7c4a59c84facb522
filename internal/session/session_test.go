package session

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
	"trunkline/internal/tenant"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

const (
	alice   = "aaaaaaaa-0000-4000-8000-000000000001"
	bob     = "bbbbbbbb-0000-4000-8000-000000000002"
	domainA = "dddddddd-0000-4000-8000-00000000000a"
	domainB = "dddddddd-0000-4000-8000-00000000000b"
)

var must = pbxtest.Must

func open(t *testing.T) *Store {
	t.Helper()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	return &Store{Pool: pool, Keys: keys, Idle: time.Hour, Life: 12 * time.Hour, Most: 3}
}

func (s *Store) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := s.Pool.Exec(t.Context(), sql, args...)
	must(t, err)
}

func (s *Store) create(t *testing.T, n New) (Session, string) {
	t.Helper()
	n.Way, n.Address = cmp.Or(n.Way, ByPassword), "192.0.2.10"
	made, secret, err := s.Create(t.Context(), n)
	must(t, err)
	return made, secret
}

func (s *Store) want(t *testing.T, what, secret string, want error) {
	t.Helper()
	if _, err := s.Find(t.Context(), secret); !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// However many sign in at once, no more sessions of a holder are there than may be.
func TestNoMoreSessionsAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	var all sync.WaitGroup
	for range 4 * s.Most {
		all.Go(func() { s.create(t, New{HolderID: alice}) })
	}
	all.Wait()
	var n int
	must(t, s.Pool.QueryRow(t.Context(), "select count(*) from trunkline.sessions").Scan(&n))
	if n != s.Most {
		t.Errorf("there are %d, want %d", n, s.Most)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	s := open(t)
	made, secret := s.create(t, New{HolderID: alice, Mark: "of the password", Who: "alice@one.example", Agent: "Mozilla/5.0 \x00\u202e" + strings.Repeat("x", 300)})
	found, err := s.Find(t.Context(), secret)
	must(t, err)
	if found.ID != made.ID || found.HolderID != alice || found.Who != "alice@one.example" || found.DomainUUID != "" || len(found.Agent) > 300 || strings.ContainsAny(found.Agent, "\x00\u202e") {
		t.Errorf("got %+v", found)
	}
	if left := time.Until(found.ExpiresAt); left < 11*time.Hour || left > 12*time.Hour {
		t.Errorf("it ends in %v", left)
	}
	if !s.Marked(found.MarkHash, "of the password") || s.Marked(found.MarkHash, "of another") {
		t.Error("the mark is not the one that it was made with")
	}
	var kept []byte
	must(t, s.Pool.QueryRow(t.Context(), "select to_json(sessions)::text::bytea from trunkline.sessions").Scan(&kept))
	if bytes.Contains(kept, []byte(secret)) || bytes.Contains(kept, []byte("of the password")) {
		t.Errorf("a secret is in %s", kept)
	}
	for what, other := range map[string]string{
		"none": "", "another": newSecret(), "nonsense": "' or true --", "with more behind it": secret + "A", "cut": secret[:len(secret)-1],
	} {
		s.want(t, what, other, ErrNone)
	}
	if _, err := s.TakeSignOn(t.Context(), secret); !errors.Is(err, ErrNone) {
		t.Errorf("the secret of a session serves as a sign-on: %v", err)
	}
}

// A session is over when it was not used for long, or was long ago begun, and not a moment before.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change string
		want   error
	}{
		"used within the hour":    {"used_at = now() - interval '59 minutes'", nil},
		"not used for an hour":    {"used_at = now() - interval '61 minutes'", ErrNone},
		"a minute before its end": {"expires_at = now() + interval '1 minute'", nil},
		"past its end":            {"expires_at = now()", ErrNone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			_, secret := s.create(t, New{HolderID: alice})
			s.exec(t, "update trunkline.sessions set "+c.change)
			s.want(t, "it", secret, c.want)
			s.want(t, "once more", secret, c.want)
			list, err := s.List(t.Context(), Unbounded)
			if must(t, err); len(list) > 0 != (c.want == nil) {
				t.Errorf("the list has %d", len(list))
			}
			s.create(t, New{HolderID: bob})
			var left int
			must(t, s.Pool.QueryRow(t.Context(), "select count(*) from trunkline.sessions where holder_id = $1", alice).Scan(&left))
			if left > 0 != (c.want == nil) {
				t.Errorf("%d are kept", left)
			}
		})
	}
}

// Use keeps a session alive, and is written once a minute.
func TestUseIsNoted(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, secret := s.create(t, New{HolderID: alice})
	used := func() (at time.Time) {
		must(t, s.Pool.QueryRow(t.Context(), "select used_at from trunkline.sessions").Scan(&at))
		return at
	}
	first := used()
	s.want(t, "at once", secret, nil)
	if !used().Equal(first) {
		t.Error("a use is written within the minute")
	}
	s.exec(t, "update trunkline.sessions set used_at = now() - interval '2 minutes'")
	s.want(t, "later", secret, nil)
	if !used().After(first) {
		t.Error("a use is not written")
	}
}

// Beyond so many sessions of one holder and domain, the one that was used longest ago ends; others' do not.
func TestTooManySessions(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, others := s.create(t, New{HolderID: bob})
	_, elsewhere := s.create(t, New{HolderID: alice, DomainUUID: domainB})
	_, signedOn := s.create(t, New{HolderID: alice, DomainUUID: domainA, Way: BySignOn})
	var secrets []string
	for range 4 {
		_, secret := s.create(t, New{HolderID: alice, DomainUUID: domainA})
		secrets = append(secrets, secret)
	}
	s.want(t, "the first", secrets[0], ErrNone)
	for _, secret := range append(secrets[1:], others, elsewhere, signedOn) {
		s.want(t, "another", secret, nil)
	}
}

func TestWhoEndsWhose(t *testing.T) {
	t.Parallel()
	s := open(t)
	of := map[string]New{
		"alice":                 {HolderID: alice},
		"alice, A":              {HolderID: alice, DomainUUID: domainA},
		"alice, B":              {HolderID: alice, DomainUUID: domainB},
		"bob, A":                {HolderID: bob, DomainUUID: domainA},
		"signed on by alice, B": {HolderID: alice, DomainUUID: domainB, Way: BySignOn},
	}
	ids := map[string]string{}
	for name, n := range of {
		made, _ := s.create(t, n)
		ids[made.ID] = name
	}
	onlyA := tenant.Only(tenant.Domain{UUID: domainA})
	for name, c := range map[string]struct {
		bounds Bounds
		sees   []string
	}{
		"everybody's":      {Unbounded, []string{"alice", "alice, A", "alice, B", "bob, A", "signed on by alice, B"}},
		"alice's own":      {Bounds{HolderID: alice}, []string{"alice"}},
		"alice's own in A": {Bounds{HolderID: alice, DomainUUID: domainA}, []string{"alice, A"}},
		"alice's own in B": {Bounds{HolderID: alice, DomainUUID: domainB}, []string{"alice, B", "signed on by alice, B"}},
		"a sign-on's":      {Bounds{HolderID: alice, DomainUUID: domainB, SignOn: true}, []string{"signed on by alice, B"}},
		"those of A":       {Bounds{HolderID: bob, DomainUUID: domainA, Domains: onlyA}, []string{"alice, A", "bob, A"}},
		"a stranger's":     {Bounds{HolderID: domainA}, nil},
	} {
		list, err := s.List(t.Context(), c.bounds)
		must(t, err)
		seen := map[string]bool{}
		for _, one := range list {
			seen[ids[one.ID]] = true
		}
		for _, want := range c.sees {
			if !seen[want] {
				t.Errorf("%s: lacks %s", name, want)
			}
		}
		if len(seen) != len(c.sees) {
			t.Errorf("%s: got %v", name, seen)
		}
		for id, of := range ids {
			if seen[of] {
				continue
			}
			if _, err := s.End(t.Context(), id, c.bounds); !errors.Is(err, ErrNone) {
				t.Errorf("%s: ends %s: %v", name, of, err)
			}
		}
	}
	_, secret := s.create(t, New{HolderID: bob})
	found, err := s.Find(t.Context(), secret)
	must(t, err)
	if _, err := s.End(t.Context(), found.ID, Bounds{HolderID: bob}); err != nil {
		t.Fatal(err)
	}
	s.want(t, "one that was ended", secret, ErrNone)
	if _, err := s.End(t.Context(), "nonsense", Unbounded); !errors.Is(err, ErrNone) {
		t.Errorf("got %v", err)
	}
}

// A sign-on serves once, however many ask with it at a time, and for a minute.
func TestSignOnServesOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	code, until, err := s.NewSignOn(t.Context(), alice, "mark", "token:whmcs", domainA)
	must(t, err)
	if left := time.Until(until); left > time.Minute || left < 50*time.Second {
		t.Errorf("it is good for %v", left)
	}
	var taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got, err := s.TakeSignOn(t.Context(), code)
			switch {
			case err == nil && got.HolderID == alice && got.DomainUUID == domainA && got.Who == "token:whmcs":
				taken.Add(1)
			case !errors.Is(err, ErrNone):
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	all.Wait()
	if taken.Load() != 1 {
		t.Errorf("it was taken %d times", taken.Load())
	}
	late, _, err := s.NewSignOn(t.Context(), alice, "mark", "token:whmcs", domainA)
	must(t, err)
	s.exec(t, "update trunkline.sign_ons set expires_at = now()")
	if _, err := s.TakeSignOn(t.Context(), late); !errors.Is(err, ErrNone) {
		t.Errorf("a minute later: %v", err)
	}
}

func TestSpendStep(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, c := range []struct {
		user string
		step int64
		want bool
	}{{alice, 100, true}, {alice, 100, false}, {bob, 100, true}, {alice, 99, false}, {alice, 101, true}} {
		if fresh, err := s.SpendStep(t.Context(), c.user, c.step); err != nil || fresh != c.want {
			t.Errorf("%s, step %d: got %t, %v", c.user, c.step, fresh, err)
		}
	}
}
