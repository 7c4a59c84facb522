package cdrindex

import (
	"crypto/rand"
	"strings"
	"testing"
	"unicode/utf8"

	"trunkline/internal/pbxtest/sample"
)

// wantRefused fails unless Look says all of that.
func (b bed) wantRefused(t *testing.T, when string, words ...string) {
	t.Helper()
	_, err := Look(t.Context(), b.pool)
	for _, word := range words {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: got %v; want %q", when, err, word)
		}
	}
}

func TestLookNamesTheRoleThatOwnsTheTable(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	admin, owner := b.superuser(t), "owner_"+strings.ToLower(rand.Text())
	execOn(t, admin, "create role "+owner, "alter table v_xml_cdr owner to "+owner, "grant select on v_xml_cdr to fusionpbx")
	defer execOn(t, admin, "drop owned by "+owner, "drop role "+owner)
	b.wantRefused(t, "of another role", `belongs to the role "`+owner+`"`, "TRUNKLINE_DATABASE_URL", `grant "`+owner+`" to "fusionpbx"`)
	execOn(t, admin, "grant create on schema public to "+owner, "grant "+owner+" to fusionpbx")
	b.make(t)
}

// The role that owns the tables may have another search path than the one that reads them.
func TestMakeOffTheSearchPath(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	admin := b.superuser(t)
	execOn(t, admin, `create schema "Away"`, `alter table v_xml_cdr set schema "Away"`, `grant usage on schema "Away" to fusionpbx`)
	b.wantRefused(t, "a closed schema", `grant create on schema "Away" to "fusionpbx"`)
	execOn(t, admin, `grant create on schema "Away" to fusionpbx`)
	index, err := Make(t.Context(), b.pool, new(told).tell)
	must(t, err)
	found, err := Look(t.Context(), b.pool)
	if err != nil || found.Serving != index || index != `"Away"."trunkline_v_xml_cdr_start"` {
		t.Errorf("got %q, and then %+v, %v", index, found, err)
	}
	b.exec(t, "create schema second", `create table second.v_xml_cdr (like "Away".v_xml_cdr)`)
	b.wantRefused(t, "two of them", "Away, second", "?search_path=SCHEMA")
	b.exec(t, `create table v_xml_cdr (like "Away".v_xml_cdr)`)
	if found, err := Look(t.Context(), b.pool); err != nil || found.Table != `"public"."v_xml_cdr"` || found.Serving != "" {
		t.Errorf("with one on the search path: got %+v, %v", found, err)
	}
}

func TestLookRefusesWhatCanHaveNoIndex(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	b.exec(t, "alter table v_xml_cdr rename to behind", "create view v_xml_cdr as select * from behind")
	b.wantRefused(t, "a view", "is a view")
	b.exec(t, "drop view v_xml_cdr")
	b.wantRefused(t, "none", "there is no table v_xml_cdr", "TRUNKLINE_DATABASE_URL")
	b.exec(t, "alter table behind rename to v_xml_cdr", "create table old () inherits (v_xml_cdr)")
	b.wantRefused(t, "inheritance", `"public"."old" inherits`)
}

func TestObstaclesOfAForeignPartition(t *testing.T) {
	t.Parallel()
	foreign := table{OID: 2, Above: 1, Schema: "public", Name: "archive", Kind: "f", Owned: true, Creates: true}
	got := obstacles([]table{{OID: 1, Kind: partitioned, Owned: true, Creates: true}, foreign})
	if len(got) != 1 || !strings.Contains(got[0].Error(), "foreign table among the partitions") {
		t.Errorf("got %v", got)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range []string{"v_xml_cdr", strings.Repeat("x", 60) + "_01", strings.Repeat("x", 60) + "_02", strings.Repeat("é", 31)} {
		got := nameFor(table{Name: name})
		if len(got) > longestName || !utf8.ValidString(got) || !strings.HasPrefix(got, "trunkline_") || seen[got] {
			t.Errorf("%s: got %q", name, got)
		}
		seen[got] = true
	}
	if !seen["trunkline_v_xml_cdr_start"] {
		t.Errorf("got %v", seen)
	}
}

// A connection that builds nothing and waits for nobody.
func TestLookAtAnIdleConnection(t *testing.T) {
	t.Parallel()
	b := open(t, sample.V55)
	got, err := (&builder{pool: b.pool}).look(t.Context(), b.conn.PgConn().PID())
	if err != nil || got != "under way" {
		t.Errorf("got %q, %v", got, err)
	}
}
