package token

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/servers"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/tenant"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

const (
	domainA = "dddddddd-0000-4000-8000-00000000000a"
	domainB = "dddddddd-0000-4000-8000-00000000000b"
	domainC = "dddddddd-0000-4000-8000-00000000000c"
)

// perDomain is how many tokens a domain may have.
const perDomain = 10

// bundle is a store on a database of the test's own.
type bundle struct {
	*Store
	pool *pgxpool.Pool
	log  *pbxtest.LogBuffer
}

func open(t testing.TB, options ...servers.DatabaseOption) bundle {
	t.Helper()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, append(options, postgrestest.Tables)...))
	log := &pbxtest.LogBuffer{}
	return bundle{NewStore(pool, perDomain, slog.New(slog.NewTextHandler(log, nil))), pool, log}
}

// fresh is a token for domain A.
func fresh(name string) New {
	return New{Name: name, Scopes: []Scope{ScopeRead}, DomainUUIDs: []string{domainA}, CreatedBy: "root@one.example"}
}

func (b bundle) create(t testing.TB, n New) (Token, string) {
	t.Helper()
	made, secret, err := b.Create(t.Context(), n)
	must(t, err)
	return made, secret
}

func (b bundle) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	must(t, err)
}

var must = pbxtest.Must

func at(t time.Time) *time.Time { return &t }

func only(uuids ...string) tenant.Domains {
	var d tenant.Domains
	for _, uuid := range uuids {
		d.List = append(d.List, tenant.Domain{UUID: uuid})
	}
	return d
}
