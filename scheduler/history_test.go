package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
)

// A window is kept for its time, and for as long as something needs it. What was exported is not exported again, and numbers go on.
func TestTheHistoryIsForgotten(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPlan(t, begin)
	p.store.Retention = 90 * 24 * time.Hour
	made := p.create(t, daily("UTC"))
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := p.Pool.Exec(ctx, sql, args...)
		must(t, err)
	}
	end := func(state string) { p.look(t); p.end(t, state); p.look(t) }
	skip := func(number int64) {
		t.Helper()
		_, err := p.store.Skip(ctx, made.ID, tenant.All, store.SeriesRun, number, "not wanted")
		must(t, err)
	}
	// Of 1 March on: 1 and 2 are exported, 3 is left out, 4 has failed, 5 is exported and has CDRs of 6, which was run again of late.
	for day := range 7 {
		p.set(begin.AddDate(0, 0, day+1))
		end(map[bool]string{true: "failed", false: "succeeded"}[day == 2 || day == 3])
	}
	skip(3)
	extra, err := p.store.Run(ctx, made.ID, tenant.All)
	must(t, err)
	end("succeeded")
	windows := p.history(t, made.ID, store.SeriesRun)
	exec("insert into trunkline.late_windows (window_id, schedule_id) values ($1, $2)", windows[4].ID, made.ID)
	exec("insert into trunkline.late_rows (window_id, xml_cdr_uuid, start_stamp) values ($1, gen_random_uuid(), $2)", windows[4].ID, windows[5].Start)
	p.pass(100 * 24 * time.Hour)
	_, err = p.store.RunAgain(ctx, made.ID, tenant.All, store.SeriesRun, 6)
	must(t, err)
	for range 40 {
		end("succeeded")
	}
	kept := func() (numbers string) {
		for _, w := range append(p.history(t, made.ID, store.SeriesRun), p.history(t, made.ID, store.SeriesExtra)...) {
			if w.ID == extra[0].ID {
				numbers += " extra"
			} else if *w.Number < 8 {
				numbers += " " + w.Label()
			}
		}
		return strings.TrimSpace(numbers)
	}
	prune := func(want string) {
		t.Helper()
		if _, err := p.store.Prune(ctx); err != nil || kept() != want {
			t.Errorf("kept are %s, want %s: %v", kept(), want, err)
		}
	}
	prune("000001 000002 000003 000004 000005 000006 000007 000006-r1 extra") // their jobs are there
	exec("delete from trunkline.jobs")
	exec("insert into trunkline.exported (job_id, schedule_id, window_id, request) values (gen_random_uuid(), $1, $2, '{}')", made.ID, windows[1].ID)
	prune("000002 000004 000005 000006 000006-r1")
	exec("delete from trunkline.exported")
	prune("000004 000005 000006 000006-r1")

	for day, free := range map[int]bool{1: false, 2: false, 3: true, 4: false, 7: false} {
		date := fmt.Sprintf("2026-03-%02d", day)
		_, err := p.store.Backfill(ctx, made.ID, tenant.All, store.BackfillAsked{From: date, To: date})
		if free && err != nil || !free && !fault.Is(err, fault.Conflict) || day == 1 && !strings.Contains(err.Error(), "2026-03-01T00:00:00Z to 2026-03-03T00:00:00Z") {
			t.Errorf("%s is backfilled: %v", date, err)
		}
	}
	if _, err := p.store.RunAgain(ctx, made.ID, tenant.All, store.SeriesRun, 1); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "TRUNKLINE_SCHEDULE_RETENTION") {
		t.Errorf("a window that is past is run again: %v", err)
	}
	before, err := p.store.Get(ctx, made.ID, tenant.All)
	must(t, err)
	p.pass(24 * time.Hour)
	end("succeeded")
	if next, _, err := p.store.History(ctx, made.ID, tenant.All, store.History{Number: before.State.Number + 1, Series: store.SeriesRun, Limit: 2}); err != nil || len(next) != 1 || !next[0].Start.Equal(before.State.Watermark) {
		t.Errorf("the next windows are %+v: %v", next, err)
	}
	p.pass(400 * 24 * time.Hour)
	skip(4)
	_, err = p.store.SetEnabled(ctx, store.Filter{Domains: tenant.All}, false, "", "test")
	must(t, err)
	exec("delete from trunkline.jobs")
	p.pass(400 * 24 * time.Hour)
	exec("update trunkline.windows set state = 'succeeded', ended_at = made_at where state <> 'skipped'")
	for range 3 { // one may need another
		_, err := p.store.Prune(ctx)
		must(t, err)
	}
	if left := p.history(t, made.ID, ""); len(left) != 1 {
		t.Errorf("%d windows are left, want the last one", len(left))
	}
}
