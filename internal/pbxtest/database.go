package pbxtest

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"

	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
)

// Database makes a database with FusionPBX's tables for this test alone and returns its URL. It is
// dropped when the test ends, also if connections are still open.
func Database(t testing.TB, v sample.Version, opts ...servers.DatabaseOption) string {
	t.Helper()
	return newDatabase(t, func(s *servers.Pair, name string) (string, error) {
		return s.CreateDatabase(t.Context(), name, v, opts...)
	})
}

// Copy makes a database for this test alone that is like another, to which nothing may be connected, and
// returns its URL: for many tests of one large PBX.
func Copy(t testing.TB, database string) string {
	t.Helper()
	original, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	return newDatabase(t, func(s *servers.Pair, name string) (string, error) {
		return s.CopyDatabase(t.Context(), name, original.Database)
	})
}

func newDatabase(t testing.TB, create func(s *servers.Pair, name string) (url string, err error)) string {
	t.Helper()
	s := Servers(t)
	name := "test_" + strings.ToLower(rand.Text())
	url, err := create(s, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.DropDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return url
}

// Sample loads the sample PBX into that database. The superadmin's hash is a cheap one unless told
// otherwise: under the race detector each check of FusionPBX's own takes most of a second.
func Sample(t testing.TB, database string, o sample.Options) sample.PBX {
	t.Helper()
	if o.BcryptCost == 0 {
		o.BcryptCost = bcrypt.MinCost
	}
	conn := Connect(t, database)
	s, err := sample.Load(t.Context(), conn, o)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	return s
}

// Connect opens a connection to that database, which is closed when the test ends.
func Connect(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// One returns the single value that a query gives.
func One[T any](t testing.TB, conn *pgx.Conn, sql string, args ...any) T {
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
