package sample_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// A database has exactly the columns that were recorded, and the version that FusionPBX would show.
func TestDatabaseHasTheRecordedColumns(t *testing.T) {
	t.Parallel()
	for _, v := range sample.Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			conn := pbxtest.Connect(t, pbxtest.Database(t, v))
			want, err := sample.RecordedColumns(v)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := conn.Query(t.Context(), `
				select c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
				from pg_attribute a join pg_class c on c.oid = a.attrelid
				where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped`)
			if err != nil {
				t.Fatal(err)
			}
			got, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("got %d columns, want %d:\n%v\n%v", len(got), len(want), got, want)
			}
			if got := pbxtest.One[string](t, conn, "select software_version from v_software"); got != string(v) {
				t.Errorf("software_version is %q, want %q", got, v)
			}
			if pbxtest.One[bool](t, conn, "select rolsuper from pg_roles where rolname = current_user") {
				t.Error("the database's user is a superuser")
			}
		})
	}
}
