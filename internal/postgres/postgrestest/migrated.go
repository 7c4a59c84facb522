// Package postgrestest gives a test Trunkline's own tables.
package postgrestest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres"
)

// connections is what a test's pool may hold: those of a process are a setting.
const connections = 20

// Tables has a test's database made with schema trunkline, which saves each test the migration.
var Tables = servers.WithTables(&servers.Tables{Make: func(ctx context.Context, url string) error {
	pool, err := postgres.Open(ctx, url, connections)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = postgres.Migrate(ctx, pool)
	return err
}})

// Migrated is a pool on that database, in which schema trunkline is up to date. It is closed when the test ends.
func Migrated(t testing.TB, database string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), database, connections)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := postgres.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return pool
}
