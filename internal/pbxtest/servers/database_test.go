package servers_test

import (
	"context"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"

	"github.com/jackc/pgx/v5"
)

// A mixture of types, as upgrades leave it, and the encoding that takes any byte.
func TestDatabaseOptions(t *testing.T) {
	t.Parallel()
	conn := pbxtest.Connect(t, pbxtest.Database(t, sample.V55, servers.WithEncoding("SQL_ASCII"), servers.WithTextColumn("v_gateways", "enabled"),
		servers.WithColumnType("v_users", "user_enabled", "smallint")))
	for column, want := range map[string]string{"enabled": "text", "user_enabled": "smallint", "register": "boolean"} {
		got := pbxtest.One[string](t, conn, `
			select data_type from information_schema.columns
			where table_schema = 'public' and table_name in ('v_gateways', 'v_users') and column_name = $1`, column)
		if got != want {
			t.Errorf("%s is %s, want %s", column, got, want)
		}
	}
	if got := pbxtest.One[string](t, conn, "show server_encoding"); got != "SQL_ASCII" {
		t.Errorf("the encoding is %s, want SQL_ASCII", got)
	}
	if got := pbxtest.One[int](t, conn, "select length(E'\\xff'::text)"); got != 1 {
		t.Errorf("a byte that is no UTF-8 has length %d, want 1", got)
	}
}

// A database that cannot be made is an error that says why.
func TestDatabaseErrors(t *testing.T) {
	t.Parallel()
	s := pbxtest.Servers(t)
	for name, c := range map[string]struct {
		version sample.Version
		option  servers.DatabaseOption
		want    string
	}{
		"version":  {"4.4", servers.WithEncoding("UTF8"), "4.4 are not known"},
		"encoding": {sample.V55, servers.WithEncoding("EBCDIC"), "EBCDIC"},
		"column":   {sample.V55, servers.WithTextColumn("v_gateways", "nosuch"), "v_gateways.nosuch"},
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
		url = pbxtest.Database(t, sample.V55)
		if _, err := pgx.Connect(t.Context(), url); err != nil { // and not closed
			t.Fatal(err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(t.Context())
		t.Error("the database is still there")
	}
}
