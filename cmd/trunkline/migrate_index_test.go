package main

import (
	"fmt"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// The hint of check leads to the index, and is gone with it. Trunkline's own tables are made by neither.
func TestMigrateMakesTheCDRIndexThatCheckHintsAt(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	conn := pbxtest.Connect(t, p.database)
	fill := func(rows int) {
		_, err := conn.Exec(t.Context(), "insert into v_xml_cdr (xml_cdr_uuid, start_stamp) select gen_random_uuid(), now() - n * interval '1 s' from generate_series(1, $1) n", rows)
		must(t, err)
		_, err = conn.Exec(t.Context(), "analyze v_xml_cdr")
		must(t, err)
	}
	hint := func() bool {
		got := runHere(t, p.env, "check")
		got.wants(t, 0)
		return strings.Contains(got.out, "cdr index")
	}
	if fill(manyCDRs); hint() {
		t.Error("a table that is read in a moment gets the hint")
	}
	fill(1)
	runHere(t, p.env, "check").wants(t, 0, fmt.Sprintf("WARNING: none leads to a span of time in v_xml_cdr, which has some %d rows", manyCDRs+1), "`trunkline migrate --cdr-index`")
	made := runHere(t, p.env, "migrate", "--cdr-index")
	made.wants(t, 0, `"public"."v_xml_cdr" has some 100001 rows in `, "by estimate the index to be built takes 4 MiB", `the index "public"."trunkline_v_xml_cdr_start" serves, after `)
	if !strings.Contains(made.err, "building the index") || strings.Contains(made.out, "building the index") {
		t.Errorf("how far it is belongs on standard error: %s", made)
	}
	if pbxtest.One[bool](t, conn, "select to_regnamespace('trunkline') is not null") {
		t.Error("it made Trunkline's own tables too")
	}
	again := runHere(t, p.env, "migrate", "--cdr-index")
	if again.wants(t, 0, `nothing to do: the index "public"."trunkline_v_xml_cdr_start" on "public"."v_xml_cdr" serves already`); again.err != "" {
		t.Errorf("a second time: %s", again)
	}
	if hint() {
		t.Error("the hint stays though the index is there")
	}
}

// Nothing but the flag has FusionPBX's tables altered.
func TestNothingElseAltersFusionPBXsTables(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	conn := pbxtest.Connect(t, p.database)
	altered := func() string {
		return pbxtest.One[string](t, conn, `
			select string_agg(o, chr(10) order by o) from (
				select c.oid::regclass || ' ' || c.relkind::text || ' ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || coalesce(c.reloptions::text, '') as o
				from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relnamespace = 'public'::regnamespace
				union all select tgrelid::regclass || ' ' || tgname from pg_trigger join pg_class c on c.oid = tgrelid where c.relnamespace = 'public'::regnamespace
				union all select conrelid::regclass || ' ' || conname from pg_constraint where connamespace = 'public'::regnamespace) objects`)
	}
	before := altered()
	runHere(t, p.env, "migrate", "--key").wants(t, 0, "schema trunkline is at version")
	_, _ = p.serve(t, "serve")
	if after := altered(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// What the flag does by itself goes with no other.
func TestMigrateRefusesOtherFlagsBesideTheIndex(t *testing.T) {
	t.Parallel()
	env := []string{"TRUNKLINE_DATABASE_URL=" + pbxtest.Database(t, sample.V55)}
	for _, other := range [][]string{{"--key"}, {"--wait", "1m"}} {
		runHere(t, env, append([]string{"migrate", "--cdr-index"}, other...)...).wants(t, 2, "--cdr-index", other[0])
	}
}
