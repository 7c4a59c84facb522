package scheduler_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/cdr"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/export"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/postgres"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
	"trunkline/scheduler"
)

// plan is a PBX with schedules, looked after by the clock that a test sets. No worker runs: jobs end as the test says.
type plan struct {
	*testbed.Bed
	store  *store.Store
	clock  atomic.Int64
	failed atomic.Int64 // windows that Exporter.Failed was told of
}

func newPlan(t *testing.T, begin time.Time) *plan {
	t.Helper()
	return newPlanOf(t, begin, sample.Options{})
}

func newPlanOf(t *testing.T, begin time.Time, of sample.Options) *plan {
	t.Helper()
	p := &plan{Bed: testbed.New(t, testbed.Options{Sample: of})}
	p.set(begin)
	p.store = &store.Store{
		Pool: p.Pool, DB: p.FusionPBX, Destinations: destinations.New(p.Pool, p.Tasks.Keys(), config.Settings{}),
		Now: p.now, PerDomain: 100, MostBackfilled: 400,
	}
	t.Cleanup(func() { p.tellIfFailed(t) })
	return p
}

// tellIfFailed says of a test that has failed how its windows and jobs stand, and what went wrong by the log.
func (p *plan) tellIfFailed(t *testing.T) {
	if !t.Failed() {
		return
	}
	ctx := context.Background()
	for _, table := range []string{
		"select schedule_id, series, number, revision, state, reason, start_at, end_at from trunkline.windows order by id desc",
		"select f.window_id, f.state, f.error, j.id, j.kind, j.state as job, j.attempt, j.dispatch, j.admitted_at, j.parked_at, j.heartbeat_at, j.error_message from trunkline.window_files as f full join trunkline.jobs as j on j.id = f.job_id order by j.id desc",
		"select queue, slots, shared, now() - seen_at as seen_ago from trunkline.workers",
	} {
		rows, err := postgres.Rows(ctx, p.Pool, "looking at a test's end", pgx.RowTo[string], "select to_json(of)::text from ("+table+" limit 30) as of")
		if err != nil {
			t.Log(err)
		}
		t.Log(table + "\n" + strings.Join(rows, "\n"))
	}
	for line := range strings.Lines(p.Logged.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func (p *plan) now() time.Time       { return time.UnixMicro(p.clock.Load()).UTC() }
func (p *plan) set(at time.Time)     { p.clock.Store(at.UnixMicro()) }
func (p *plan) pass(d time.Duration) { p.clock.Add(d.Microseconds()) }

func (p *plan) exporter() *scheduler.Exporter {
	return &scheduler.Exporter{
		Schedules: p.store, Tasks: p.Tasks, DB: p.FusionPBX, AtOnce: 3, Log: slog.New(slog.DiscardHandler),
		Failed: func(ctx context.Context, tx pgx.Tx, windows []store.Starting) error {
			p.failed.Add(int64(len(windows)))
			return scheduler.TellFailed(outbox.NewBox(p.Pool, p.Tasks))(ctx, tx, windows)
		},
	}
}

// daily is a schedule of all domains.
func daily(zone string) store.Definition {
	return store.Definition{
		Name: "nightly " + zone, Cron: "15 0 * * *", TimeZone: zone, Window: schedule.PreviousDay, Lag: 10 * time.Minute,
		Request: cdr.Request{Format: export.CSV}, Enabled: true,
	}
}

func (p *plan) create(t *testing.T, d store.Definition) store.Record {
	t.Helper()
	made, err := p.store.Create(t.Context(), d, "test")
	must(t, err)
	return made
}

// end ends all jobs that are not over.
func (p *plan) end(t *testing.T, state string) {
	t.Helper()
	result, failure := `{"total_records": 0, "bytes": 0, "sha256": "00"}`, ""
	if state != "succeeded" {
		result, failure = "", "server_error"
	}
	_, err := p.Pool.Exec(t.Context(), `update trunkline.jobs set state = $1, result = nullif($2, '')::json, error_code = nullif($3, ''), error_message = nullif($3, ''), finished_at = now()
		where state in ('queued', 'running')`, state, result, failure)
	must(t, err)
}

func (p *plan) look(t *testing.T) {
	t.Helper()
	must(t, p.exporter().Look(t.Context()))
}

// history is of a series, the oldest first.
func (p *plan) history(t *testing.T, id string, series store.Series) (all []store.Window) {
	t.Helper()
	for after := ""; ; {
		page, next, err := p.store.History(t.Context(), id, tenant.All, store.History{Series: series, Limit: 100, After: after})
		must(t, err)
		for _, w := range page {
			all = append([]store.Window{w}, all...)
		}
		if after = next; next == "" {
			return all
		}
	}
}

// wantWhole checks that a schedule's windows have all numbers, and that each begins where the one before it ended.
func wantWhole(t *testing.T, windows []store.Window) {
	t.Helper()
	for i, w := range windows {
		if *w.Number != int64(i)+1 || i > 0 && !w.Start.Equal(windows[i-1].End) || len(w.Files) > 1 {
			t.Errorf("window %d has the number %d, begins at %s behind %s, and has %d files", i+1, *w.Number, w.Start, windows[max(i-1, 0)].End, len(w.Files))
		}
	}
}
