package tasks_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/internal/sealing"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// bundle is a client on a database and a Redis of the test's own.
type bundle struct {
	*tasks.Client
	pool  *pgxpool.Pool
	redis *redis.Client
	keys  *sealing.Keys
}

func newBundle(t *testing.T) *bundle {
	t.Helper()
	return newBundleOn(t, pbxtest.RedisURL(t))
}

func newBundleOn(t *testing.T, redisURL string) *bundle {
	t.Helper()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	rdb := pbxtest.RedisClient(t, redisURL)
	client := testbed.Tasks(t, pool, rdb, slog.New(slog.DiscardHandler))
	return &bundle{Client: client, pool: pool, redis: rdb, keys: client.Keys()}
}

const (
	alice   = "aaaaaaaa-0000-4000-8000-000000000001"
	domainA = "dddddddd-0000-4000-8000-00000000000a"
	domainB = "dddddddd-0000-4000-8000-00000000000b"
)

// secrets are what a job's sealed part holds here.
type secrets struct {
	Password string `json:"password"`
}

// request is a provision request of alice's in domain A; the body tells requests apart.
func request(keys *sealing.Keys, body string) tasks.NewJob {
	return tasks.NewJob{
		Kind:          tasks.KindProvision,
		DomainUUID:    domainA,
		CreatedBy:     alice,
		CreatedByName: "alice@a.example",
		Subject:       "gateway:a:carrier",
		OrderKeys:     []string{"gateway:a:carrier"},
		BodyHash:      keys.BodyHash(body),
		Params:        map[string]any{"gateway_name": "carrier", "values": map[string]string{"proxy": body}},
		Secrets:       secrets{Password: "hunter2-" + body},
	}
}

// elsewhere is the request for a gateway of its own.
func elsewhere(n tasks.NewJob) tasks.NewJob {
	n.OrderKeys = []string{fmt.Sprintf("gateway:%x", n.BodyHash)}
	return n
}

// exec runs a statement that a test arranges its state with.
func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := b.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (b *bundle) submit(t *testing.T, n tasks.NewJob) tasks.Job {
	t.Helper()
	job, err := b.Submit(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func (b *bundle) get(t *testing.T, id string) tasks.Job {
	t.Helper()
	job, err := b.Get(t.Context(), id, tenant.All)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

func (b *bundle) claim(t *testing.T, job tasks.Job) *tasks.Attempt {
	t.Helper()
	attempt, err := b.Claim(t.Context(), job.ID, job.Dispatch, "test")
	if err != nil {
		t.Fatal(err)
	}
	return attempt
}
