package audit_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/audit"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// bundle is an audit on a database of the test's own.
type bundle struct {
	*audit.Log
	pool *pgxpool.Pool
	log  *pbxtest.LogBuffer
}

func newBundle(t *testing.T, options ...servers.DatabaseOption) *bundle {
	t.Helper()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, append(options, postgrestest.Tables)...))
	b := &bundle{pool: pool, log: &pbxtest.LogBuffer{}}
	b.Log = b.another()
	return b
}

// another is the audit of another process on the same database.
func (b *bundle) another() *audit.Log {
	return audit.New(b.pool, slog.New(slog.NewTextHandler(b.log, nil)))
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	must(t, err)
}

func (b *bundle) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	var n int
	must(t, b.pool.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

func (b *bundle) list(t *testing.T, f audit.Filter) []audit.Entry {
	t.Helper()
	if f.Limit == 0 {
		f.Limit = 1000
	}
	entries, _, err := b.List(t.Context(), f)
	must(t, err)
	return entries
}

var must = pbxtest.Must
