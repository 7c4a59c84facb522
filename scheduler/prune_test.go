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
	"trunkline/internal/sealing"
	"trunkline/internal/upload"
	"trunkline/scheduler"
)

func TestMain(m *testing.M) { os.Exit(pbxtest.Main(m)) }

// What is past its time goes from the audit and from what was sent without anybody asking, and nothing else.
func TestTheAuditForgets(t *testing.T) {
	t.Parallel()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	_, err := pool.Exec(t.Context(), `insert into trunkline.audit (id, kind, at, address, who, action)
		select gen_random_uuid(), 'change', now() - make_interval(hours => h), '', '', 'x' from unnest(array[1, 23, 25, 1000]) h`)
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	keys, err := sealing.NewKeys(make([]byte, 32))
	must(t, err)
	_, err = pool.Exec(t.Context(), `
		with signed_in as (
			insert into trunkline.sessions (id, secret_hash, holder_id, mark_hash, who, way, address, agent, expires_at)
			values (gen_random_uuid(), '', gen_random_uuid(), '', '', 'password', '', '', now() + interval '1 hour') returning id)
		insert into trunkline.uploads (id, session_id, bytes, checked_by, expires_at)
		select gen_random_uuid(), id, 1, gen_random_uuid(), now() + make_interval(mins => m) from signed_in, unnest(array[-60, -1, 1]) m`)
	must(t, err)
	pruner := &scheduler.Pruner{Audit: audit.New(pool, log), Uploads: &upload.Store{Pool: pool, Keys: keys}, Retention: 24 * time.Hour, Log: log}
	stop := pbxtest.Start(t, pruner.Run)
	count := func() (n int) {
		must(t, pool.QueryRow(t.Context(), "select count(*) from trunkline.audit").Scan(&n))
		return n
	}
	pbxtest.Eventually(t, "the old entries are gone", func() bool { return count() == 2 })
	pbxtest.Eventually(t, "the files past their time are gone", func() bool {
		var n int
		must(t, pool.QueryRow(t.Context(), "select count(*) from trunkline.uploads").Scan(&n))
		return n == 1
	})
	stop()
	if got := count(); got != 2 {
		t.Errorf("%d entries are left, want 2", got)
	}
}

var must = pbxtest.Must
