package scheduler_test

import (
	"strings"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// A span of which something was exported, or may be yet, is not backfilled; one of which nothing was is, and then its own window
// is not exported any more, neither by its number nor by its failed job.
func TestASpanIsExportedByOneWindow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(t *testing.T, p *latePlan, id string) // what becomes of the first window
		free   bool
	}{
		"exported": {func(t *testing.T, p *latePlan, id string) { p.nextDay(t, id) }, false},
		"failed":   {func(t *testing.T, p *latePlan, id string) { p.failNext(t, id) }, false},
		"skipped": {func(t *testing.T, p *latePlan, id string) {
			p.failNext(t, id)
			p.skip(t, id, 1)
		}, true},
		"exported, failed again and then skipped": {func(t *testing.T, p *latePlan, id string) {
			p.nextDay(t, id)
			_, err := p.store.RunAgain(t.Context(), id, tenant.All, store.SeriesRun, 1)
			must(t, err)
			p.fail(t)
			p.skip(t, id, 1)
		}, false},
		"failed, waiting again": {func(t *testing.T, p *latePlan, id string) {
			p.failNext(t, id)
			_, err := p.store.RunAgain(t.Context(), id, tenant.All, store.SeriesRun, 1)
			must(t, err)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newLatePlan(t)
			s := p.schedule(t)
			call := p.call(t, today.Add(time.Hour))
			tc.before(t, p, s.ID)
			_, err := p.store.Backfill(t.Context(), s.ID, tenant.All, backfillOf(0, 0))
			if !tc.free {
				if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "window 000001") {
					t.Errorf("it is backfilled: %v", err)
				}
				return
			}
			must(t, err)
			if _, err := p.store.RunAgain(t.Context(), s.ID, tenant.All, store.SeriesRun, 1); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "window b000001") {
				t.Errorf("what was backfilled is run again: %v", err)
			}
			var job string
			must(t, p.Pool.QueryRow(t.Context(), "select job_id::text from trunkline.window_files join trunkline.windows as w on w.id = window_id where w.series = 'run'").Scan(&job))
			_, err = p.Tasks.Retry(t.Context(), job, tenant.All)
			must(t, err)
			all := p.settle(t, s.ID)
			ended, err := p.Tasks.Wait(t.Context(), job, time.Minute)
			must(t, err)
			if ended.State != tasks.StateFailed || ended.Error.Code != fault.Conflict || !strings.Contains(ended.Error.Message, "skipped") {
				t.Errorf("the job of the window that was skipped %s: %v", ended.State, ended.Error)
			}
			if got := p.read(t, all[len(all)-1].Files[0]); len(got) != 1 || got[call] {
				t.Errorf("the backfill has %v", got)
			}
		})
	}
}

// A window whose failed job was retried is neither skipped nor run again beside it.
func TestARetriedJobHoldsItsWindow(t *testing.T) {
	t.Parallel()
	p := newLatePlan(t)
	s := p.schedule(t)
	p.failNext(t, s.ID)
	p.stop()
	var job string
	must(t, p.Pool.QueryRow(t.Context(), "select job_id::text from trunkline.window_files").Scan(&job))
	_, err := p.Tasks.Retry(t.Context(), job, tenant.All)
	must(t, err)
	if _, err := p.store.Skip(t.Context(), s.ID, tenant.All, store.SeriesRun, 1, "not wanted"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "queued") {
		t.Errorf("it was skipped: %v", err)
	}
	if _, err := p.store.RunAgain(t.Context(), s.ID, tenant.All, store.SeriesRun, 1); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "queued") {
		t.Errorf("it was run again: %v", err)
	}
}

// fail has all that is under way or waits fail.
func (p *latePlan) fail(t *testing.T) {
	t.Helper()
	p.stop()
	p.look(t)
	p.end(t, "failed")
	p.look(t)
	p.start(t)
}

// failNext has the next window fail.
func (p *latePlan) failNext(t *testing.T, id string) {
	t.Helper()
	p.pass(24 * time.Hour)
	p.fail(t)
	if all := p.history(t, id, store.SeriesRun); all[len(all)-1].State != store.StateFailed {
		t.Fatalf("the window is %s", all[len(all)-1].State)
	}
}

func (p *latePlan) skip(t *testing.T, id string, number int64) {
	t.Helper()
	_, err := p.store.Skip(t.Context(), id, tenant.All, store.SeriesRun, number, "not wanted")
	must(t, err)
}
