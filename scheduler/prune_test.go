package scheduler_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"trunkline/internal/audit"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/scheduler"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// What is past its time goes from the audit without anybody asking, and nothing else.
func TestTheAuditForgets(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	_, err := pool.Exec(t.Context(), `insert into trunkline.audit (id, kind, at, address, who, action)
		select gen_random_uuid(), 'change', now() - make_interval(hours => h), '', '', 'x' from unnest(array[1, 23, 25, 1000]) h`)
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	pruner := &scheduler.Pruner{Audit: audit.New(pool, log), Retention: 24 * time.Hour, Log: log}
	stop := pbxtest.Start(t, pruner.Run)
	count := func() (n int) {
		must(t, pool.QueryRow(t.Context(), "select count(*) from trunkline.audit").Scan(&n))
		return n
	}
	pbxtest.Eventually(t, "the old entries are gone", func() bool { return count() == 2 })
	stop()
	if got := count(); got != 2 {
		t.Errorf("%d entries are left, want 2", got)
	}
}

var must = pbxtest.Must
