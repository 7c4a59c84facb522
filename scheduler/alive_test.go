package scheduler_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/postgres"
	"trunkline/internal/postgres/postgrestest"
	"trunkline/scheduler"
	"trunkline/tasks"
)

// A process counts as alive by sweeps that go well: one that cannot reach its tables leaves no mark. The log says so once.
func TestAliveBySweepsThatGoWell(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool := postgrestest.Migrated(t, pbxtest.Database(t, sample.V55, postgrestest.Tables))
	rdb := pbxtest.RedisClient(t, pbxtest.RedisURL(t))
	log := &pbxtest.LogBuffer{}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sweeper := &scheduler.Sweeper{
		Tasks:    testbed.Tasks(t, pool, rdb, logger),
		Interval: 10 * time.Millisecond,
		Roles:    []tasks.Role{tasks.RoleScheduler},
		Log:      logger,
	}
	pbxtest.Start(t, sweeper.Run)
	alive := func() bool { return tasks.Alive(ctx, rdb, tasks.RoleScheduler) == nil }
	pbxtest.Eventually(t, "it is alive", alive)

	_, err := pool.Exec(ctx, "drop schema trunkline cascade")
	must(t, err)
	failures := func() int { return strings.Count(log.String(), "sweep failed") }
	pbxtest.Eventually(t, "its sweeps fail", func() bool { return failures() > 0 })
	must(t, rdb.FlushDB(ctx).Err()) // what the good sweeps left
	before := failures()
	pbxtest.Eventually(t, "more of them fail", func() bool { return failures() >= before+3 })
	if alive() {
		t.Error("it counts as alive though its sweeps fail")
	}
	if warnings := strings.Count(log.String(), "level=WARN msg=\"sweep failed"); warnings != 1 {
		t.Errorf("%d warnings of sweeps that fail one after the other, want 1", warnings)
	}

	_, err = postgres.Migrate(ctx, pool)
	must(t, err)
	pbxtest.Eventually(t, "it is alive again", alive)
	pbxtest.Eventually(t, "the log says so", func() bool { return strings.Contains(log.String(), "goes well again") })
}
