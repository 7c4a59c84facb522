package scheduler_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"trunkline/internal/audit"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
	"trunkline/scheduler"
	"trunkline/tasks"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// What is past its time goes from the audit without anybody asking, and nothing else.
func TestTheAuditForgets(t *testing.T) {
	t.Parallel()
	pool, err := postgres.Open(t.Context(), pbxtest.Database(t, sample.V55), 8)
	must(t, err)
	t.Cleanup(pool.Close)
	_, err = postgres.Migrate(t.Context(), pool)
	must(t, err)
	_, err = pool.Exec(t.Context(), `insert into trunkline.audit (id, kind, at, address, who, action)
		select gen_random_uuid(), 'change', now() - make_interval(hours => h), '', '', 'x' from unnest(array[1, 23, 25, 1000]) h`)
	must(t, err)
	options, err := redis.ParseURL(pbxtest.RedisURL(t))
	must(t, err)
	rdb := redis.NewClient(options)
	t.Cleanup(func() { rdb.Close() })
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	sweeper := &scheduler.Sweeper{
		Tasks: tasks.NewClient(tasks.NewStore(pool, keys), rdb, nil, log), Interval: 10 * time.Millisecond,
		Options: tasks.SweepOptions{HeartbeatTimeout: time.Minute, MaxAttempts: 3, SecretRetention: time.Hour, JobRetention: time.Hour},
		Audit:   audit.New(pool, log), AuditRetention: 24 * time.Hour, Log: log,
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sweeper.Run(ctx) }()
	count := func() (n int) {
		must(t, pool.QueryRow(t.Context(), "select count(*) from trunkline.audit").Scan(&n))
		return n
	}
	pbxtest.Eventually(t, "the old entries are gone", func() bool { return count() == 2 })
	stop()
	must(t, <-ended)
	if got := count(); got != 2 {
		t.Errorf("%d entries are left, want 2", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
