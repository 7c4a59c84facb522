package postgres

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// open returns a pool on a database of the test's own.
func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := Open(t.Context(), pbxtest.Database(t, sample.V55), 4)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(context.WithoutCancel(t.Context()), sql, args...)
	must(t, err)
}

var must = pbxtest.Must
