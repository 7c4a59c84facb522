package pbxtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// connect opens a connection that is closed when the test ends.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// one returns the single value that a query gives.
func one[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// A database has exactly the columns that were recorded, and the version that FusionPBX would show.
func TestDatabaseHasTheRecordedColumns(t *testing.T) {
	t.Parallel()
	for _, v := range Versions {
		t.Run(string(v), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, Database(t, v))
			recorded, err := schemaOf(v)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, c := range recorded {
				want = append(want, fmt.Sprintf("%s.%s %s %v", c.table, c.name, c.sqlType, c.notNull))
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
			if got := one[string](t, conn, "select software_version from v_software"); got != string(v) {
				t.Errorf("software_version is %q, want %q", got, v)
			}
			if one[bool](t, conn, "select rolsuper from pg_roles where rolname = current_user") {
				t.Error("the database's user is a superuser")
			}
		})
	}
}

// A mixture of types, as upgrades leave it, and the encoding that takes any byte.
func TestDatabaseOptions(t *testing.T) {
	t.Parallel()
	conn := connect(t, Database(t, V55, WithEncoding("SQL_ASCII"), WithTextColumn("v_gateways", "enabled"),
		WithColumnType("v_users", "user_enabled", "smallint")))
	for column, want := range map[string]string{"enabled": "text", "user_enabled": "smallint", "register": "boolean"} {
		got := one[string](t, conn, `
			select data_type from information_schema.columns
			where table_schema = 'public' and table_name in ('v_gateways', 'v_users') and column_name = $1`, column)
		if got != want {
			t.Errorf("%s is %s, want %s", column, got, want)
		}
	}
	if got := one[string](t, conn, "show server_encoding"); got != "SQL_ASCII" {
		t.Errorf("the encoding is %s, want SQL_ASCII", got)
	}
	if got := one[int](t, conn, "select length(E'\\xff'::text)"); got != 1 {
		t.Errorf("a byte that is no UTF-8 has length %d, want 1", got)
	}
}

// A database that cannot be made is an error that says why.
func TestDatabaseErrors(t *testing.T) {
	t.Parallel()
	s := TestServers(t)
	for name, c := range map[string]struct {
		version Version
		option  DatabaseOption
		want    string
	}{
		"version":  {"4.4", WithEncoding("UTF8"), "4.4 are not known"},
		"encoding": {V55, WithEncoding("EBCDIC"), "EBCDIC"},
		"column":   {V55, WithTextColumn("v_gateways", "nosuch"), "v_gateways.nosuch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := "broken_" + name
			t.Cleanup(func() { _ = s.DropDatabase(context.Background(), database) })
			_, err := s.CreateDatabase(t.Context(), database, c.version, c.option)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

// A test's database is gone after it, even where a connection is still open.
func TestDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("test", func(t *testing.T) {
		url = Database(t, V55)
		if _, err := pgx.Connect(t.Context(), url); err != nil { // and not closed
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database is still there")
	}
}
