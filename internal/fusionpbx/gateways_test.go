package fusionpbx

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// hostile are values that must arrive in a column of text as they are.
var hostile = []string{"plain", "O'Brien", `back\slash "quoted"`, "'; drop table v_gateways; --", "$1 $$ %s", "ünï©ode 電話", " spaced "}

func TestGatewayIsKeptAsItIs(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		user, domain := uuid.NewString(), p.domain(t, "one.example", "true")
		for i, text := range hostile {
			g := NewGateway(uuid.NewString(), domain, text)
			for column, value := range map[string]string{
				"password": text, "username": text, "description": text, "register": "true", "expire_seconds": "3600", "ping": "25", "hostname": "",
			} {
				g.Set(column, value)
			}
			if i%2 == 1 {
				g.DomainUUID = ""
			}
			if err := p.InsertGateway(t.Context(), g, user); err != nil {
				t.Fatal(err)
			}
			got, err := p.GatewayByUUID(t.Context(), strings.ToUpper(g.UUID))
			if err != nil {
				t.Fatal(err)
			}
			if got.UUID != g.UUID || got.DomainUUID != g.DomainUUID || !got.Same(g, GatewayColumns...) {
				t.Errorf("%q: got %+v, want %+v", text, got, g)
			}
			if !got.holdsAll(GatewayColumns) {
				t.Errorf("not all columns were read: %+v", got)
			}
		}
		var stamped int
		if err := p.conn.QueryRow(t.Context(), "select count(*) from v_gateways where insert_user = $1 and insert_date <= now() and update_date is null", user).Scan(&stamped); err != nil {
			t.Fatal(err)
		}
		if stamped != len(hostile) {
			t.Errorf("%d rows say who inserted them, want %d", stamped, len(hostile))
		}
	})
}

// What is empty is NULL in the table, in every column.
func TestGatewayEmptyIsNULL(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		g := NewGateway(uuid.NewString(), "", "carrier")
		for _, column := range GatewayColumns {
			g.Set(column, "")
		}
		check := func() {
			t.Helper()
			for _, column := range append(slices.Clone(GatewayColumns), "domain_uuid") {
				var null bool
				if err := p.conn.QueryRow(t.Context(), "select "+column+" is null from v_gateways").Scan(&null); err != nil {
					t.Fatal(err)
				}
				if !null {
					t.Errorf("%s is not NULL", column)
				}
			}
		}
		if err := p.InsertGateway(t.Context(), g, ""); err != nil {
			t.Fatal(err)
		}
		check()
		if err := p.UpdateGateway(t.Context(), g, ""); err != nil {
			t.Fatal(err)
		}
		check()
	})
}

func TestNewGatewayHasThePagesDefaults(t *testing.T) {
	t.Parallel()
	g := NewGateway("ABCDEF00-0000-4000-8000-000000000000", "", "carrier")
	want := map[string]string{
		"gateway": "carrier", "enabled": "true", "register": "false", "distinct_to": "false", "contact_in_ping": "false", "caller_id_in_from": "false",
		"supress_cng": "false", "expire_seconds": "800", "retry_seconds": "30", "context": "public", "profile": "external", "channels": "0",
	}
	got := map[string]string{}
	for _, column := range GatewayColumns {
		if value := g.Get(column); value != "" {
			got[column] = value
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if g.UUID != "abcdef00-0000-4000-8000-000000000000" || g.Label() != "carrier" || g.Profile() != "external" || !g.Enabled() {
		t.Errorf("got %+v", g)
	}
}

func TestUpdateGatewayWritesWhatItHolds(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		user := uuid.NewString()
		before := NewGateway(uuid.NewString(), "", "carrier")
		before.Set("password", "old")
		before.Set("description", "kept")
		other := NewGateway(uuid.NewString(), "", "other")
		for _, g := range []Gateway{before, other} {
			if err := p.InsertGateway(t.Context(), g, user); err != nil {
				t.Fatal(err)
			}
		}
		change := Gateway{UUID: before.UUID}
		for column, value := range map[string]string{"password": "new", "register": "true", "enabled": "false", "channels": "12", "context": ""} {
			change.Set(column, value)
		}
		if err := p.UpdateGateway(t.Context(), change, user); err != nil {
			t.Fatal(err)
		}
		want := before
		for _, column := range GatewayColumns {
			if change.Has(column) {
				want.Set(column, change.Get(column))
			}
		}
		got, err := p.GatewayByUUID(t.Context(), before.UUID)
		if err != nil || !got.Same(want, GatewayColumns...) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		if got, err := p.GatewayByUUID(t.Context(), other.UUID); err != nil || !got.Same(other, GatewayColumns...) {
			t.Errorf("another gateway: got %+v, %v; want %+v", got, err, other)
		}
		var updated int
		if err := p.conn.QueryRow(t.Context(), "select count(*) from v_gateways where update_user = $1 and update_date <= now()", user).Scan(&updated); err != nil || updated != 1 {
			t.Errorf("%d rows say who updated them, %v; want 1", updated, err)
		}
		// Putting the row back that was read before undoes the change.
		if err := p.UpdateGateway(t.Context(), before, user); err != nil {
			t.Fatal(err)
		}
		restored, err := p.GatewayByUUID(t.Context(), before.UUID)
		if err != nil || !restored.Same(got, "gateway") || restored.Get("password") != "old" || restored.Get("enabled") != "true" {
			t.Errorf("got %+v, %v; want %+v", restored, err, before)
		}
	})
}

func TestGatewaysThatAreNotThere(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V56)
	g := NewGateway(uuid.NewString(), "", "carrier")
	if _, err := p.GatewayByUUID(t.Context(), g.UUID); !errors.Is(err, ErrNotFound) {
		t.Errorf("reading: got %v, want %v", err, ErrNotFound)
	}
	if err := p.UpdateGateway(t.Context(), g, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("updating: got %v, want %v", err, ErrNotFound)
	}
	if err := p.DeleteGateway(t.Context(), g.UUID); err != nil {
		t.Errorf("deleting: %v", err)
	}
}

func TestGatewaysAreListedByDomain(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
		for _, g := range []Gateway{
			NewGateway("00000000-0000-4000-8000-000000000003", one, "b"),
			NewGateway("00000000-0000-4000-8000-000000000002", one, "a"),
			NewGateway("00000000-0000-4000-8000-000000000001", one, "b"),
			NewGateway("00000000-0000-4000-8000-000000000004", two, "b"),
			NewGateway("00000000-0000-4000-8000-000000000005", "", "b"),
		} {
			if err := p.InsertGateway(t.Context(), g, ""); err != nil {
				t.Fatal(err)
			}
		}
		check := func(what, want string, found []Gateway, err error) {
			t.Helper()
			var got []string
			for _, g := range found {
				got = append(got, g.UUID[len(g.UUID)-1:])
			}
			if strings.Join(got, " ") != want || err != nil {
				t.Errorf("%s: got %v, %v; want %s", what, got, err, want)
			}
		}
		list := func(what, want string, all bool, domainUUID string) {
			t.Helper()
			found, err := p.Gateways(t.Context(), all, domainUUID)
			check(what, want, found, err)
		}
		list("all", "2 1 3 4 5", true, "")
		list("one domain", "2 1 3", false, one)
		list("global", "5", false, "")
		for domainUUID, want := range map[string]string{one: "1 3", two: "4", "": "5"} {
			found, err := p.GatewaysByLabel(t.Context(), domainUUID, "b")
			check("those of a name in "+domainUUID, want, found, err)
		}
		if err := p.DeleteGateway(t.Context(), "00000000-0000-4000-8000-000000000001"); err != nil {
			t.Fatal(err)
		}
		list("one was deleted", "2 3 4 5", true, "")
	})
}

// A text that does not fit its column fails, and is not cut off.
func TestGatewayThatDoesNotFit(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55, mixed...)
	g := NewGateway(uuid.NewString(), "", "carrier")
	g.Set("realm", strings.Repeat("x", 41))
	if err := p.InsertGateway(t.Context(), g, ""); err == nil {
		t.Error("41 characters went into 40")
	}
}

func TestGatewayColumnOfAnUnknownType(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55, servers.WithColumnType("v_gateways", "channels", "money"))
	g := NewGateway(uuid.NewString(), "", "carrier")
	for _, err := range []error{p.InsertGateway(t.Context(), g, ""), p.UpdateGateway(t.Context(), g, "")} {
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "v_gateways.channels") {
			t.Errorf("got %v, want an error that names the column", err)
		}
	}
}

// A version may lack a column: it is left out, and empty when read.
func TestGatewayColumnThatIsMissing(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	p.exec(t, "alter table v_gateways drop column contact_in_ping, drop column insert_user, drop column update_user")
	db, err := Probe(t.Context(), p.conn)
	if err != nil {
		t.Fatal(err)
	}
	g := NewGateway(uuid.NewString(), "", "carrier")
	if err := errors.Join(db.InsertGateway(t.Context(), g, uuid.NewString()), db.UpdateGateway(t.Context(), g, uuid.NewString())); err != nil {
		t.Fatal(err)
	}
	if got, err := db.GatewayByUUID(t.Context(), g.UUID); err != nil || got.Get("contact_in_ping") != "" || got.Label() != "carrier" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A gateway is sealed into a job's row as JSON and comes back the same, NULLs included.
func TestGatewaySurvivesJSON(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54)
	g := NewGateway(uuid.NewString(), p.domain(t, "one.example", "true"), `a "b" <c> & d`)
	if err := p.InsertGateway(t.Context(), g, ""); err != nil {
		t.Fatal(err)
	}
	before, err := p.GatewayByUUID(t.Context(), g.UUID)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	var after Gateway
	if err := json.Unmarshal(text, &after); err != nil {
		t.Fatal(err)
	}
	if *after.packed != *before.packed || after.UUID != before.UUID || after.DomainUUID != before.DomainUUID {
		t.Errorf("got %+v, want %+v", after, before)
	}
}

func TestCopyOfAGatewayIsAnother(t *testing.T) {
	t.Parallel()
	g := NewGateway(uuid.NewString(), "", "carrier")
	other := g
	other.Set("gateway", "other")
	if g.Label() != "carrier" || g.Same(other, "gateway") || !g.Same(other, SwitchColumns...) {
		t.Errorf("the copy's change shows in %+v", g)
	}
}

func TestLockGateways(t *testing.T) {
	t.Parallel()
	url := pbxtest.Database(t, sample.V55)
	watcher := pbxtest.Connect(t, url)
	one, two, three := uuid.NewString(), uuid.NewString(), uuid.NewString()
	db := &DB{}
	begin := func() pgx.Tx {
		t.Helper()
		tx, err := pbxtest.Connect(t, url).Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	first, second, third := begin(), begin(), begin()
	if err := db.In(first).LockGateways(t.Context(), one, "", one); err != nil {
		t.Fatal(err)
	}
	if err := db.In(third).LockGateways(t.Context(), two, three); err != nil {
		t.Fatal(err) // another's domains are free
	}
	done := make(chan error, 1)
	go func() { done <- db.In(second).LockGateways(t.Context(), strings.ToUpper(one)) }()
	waiting := false
	for !waiting {
		err := watcher.QueryRow(t.Context(), "select exists (select from pg_locks where locktype = 'advisory' and not granted "+
			"and database = (select oid from pg_database where datname = current_database()))").Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatalf("the lock was had twice: %v", err)
		default:
		}
	}
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Some columns set at once are as if each had been, and a copy stays as it was.
func TestGatewaySetAll(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[string]string{
		"none":          {},
		"the first":     {"gateway": "renamed"},
		"the last":      {"description": "mine"},
		"several":       {"proxy": "b.example", "realm": "", "password": "longer than before", "codec_prefs": "PCMA"},
		"no longer set": {"proxy": "", "gateway": ""},
		"no column":     {"nonsense": "x", "enabled": "false"},
	} {
		before := NewGateway("6E0D3C1C-5D2B-4D58-9D8C-2A8B8D1F0C11", "", "line")
		before.Set("proxy", "a.example")
		at, each := before, before
		at.SetAll(values)
		for column, value := range values {
			each.Set(column, value)
		}
		if !reflect.DeepEqual(at, each) {
			t.Errorf("%s: got  %+v\nwant %+v", name, at.packed, each.packed)
		}
		if before.Get("proxy") != "a.example" || before.Label() != "line" || before.Has("codec_prefs") {
			t.Errorf("%s: the row that it is a copy of is now %+v", name, before.packed)
		}
	}
}
