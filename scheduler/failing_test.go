package scheduler_test

import (
	"strings"
	"testing"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/schedule/late"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
)

// A window that fails keeps its number, and later ones go on; it is run again as a revision, or skipped.
func TestFailedWindows(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPlan(t, begin)
	made := p.create(t, daily("Europe/Berlin"))
	_, err := p.Pool.Exec(t.Context(), `insert into trunkline.destinations (id, name, kind, settings, enabled, created_by_name)
		values (gen_random_uuid(), 'told', 'webhook', '{"events": "schedule.window.failed"}', true, 'test')`)
	must(t, err)
	for range 3 {
		p.pass(24 * time.Hour)
		p.look(t)
		p.end(t, map[bool]string{true: "failed", false: "succeeded"}[p.now().Day() < 4])
		p.look(t)
	}
	get := func() store.Record {
		r, err := p.store.Get(t.Context(), made.ID, tenant.All)
		must(t, err)
		return r
	}
	var told int
	must(t, p.Pool.QueryRow(t.Context(), "select count(*) from trunkline.deliveries where event = 'schedule.window.failed' and payload::text like '%000001%'").Scan(&told))
	if told != 1 {
		t.Errorf("subscribers were told %d times of the first window", told)
	}
	if r := get(); r.Failing != 2 || p.failed.Load() != 2 || *r.Last.Number != 3 || r.Last.State != store.StateSucceeded {
		t.Errorf("%d windows are failing, %d were told of, the last one is %d and %s", r.Failing, p.failed.Load(), *r.Last.Number, r.Last.State)
	}
	again, err := p.store.RunAgain(t.Context(), made.ID, tenant.All, store.SeriesRun, 1)
	must(t, err)
	if again.Label() != "000001-r1" {
		t.Errorf("it is run again as %s", again.Label())
	}
	if _, err := p.store.RunAgain(t.Context(), made.ID, tenant.All, store.SeriesRun, 1); !fault.Is(err, fault.Conflict) {
		t.Errorf("a window that waits was run again: %v", err)
	}
	if _, err := p.store.RunAgain(t.Context(), made.ID, tenant.All, store.SeriesRun, 9); !fault.Is(err, fault.NotFound) {
		t.Errorf("a window that is not there was run again: %v", err)
	}
	if _, err := p.store.Skip(t.Context(), made.ID, tenant.All, store.SeriesRun, 2, " "); !fault.Is(err, fault.InvalidRequest) {
		t.Errorf("a window was skipped without a reason: %v", err)
	}
	_, err = p.store.Skip(t.Context(), made.ID, tenant.All, store.SeriesRun, 2, "the switch was down")
	must(t, err)
	if _, err := p.store.Skip(t.Context(), made.ID, tenant.All, store.SeriesRun, 3, "no need"); !fault.Is(err, fault.Conflict) {
		t.Errorf("a window that was exported was skipped: %v", err)
	}
	p.look(t)
	p.end(t, "succeeded")
	p.look(t)
	if r := get(); r.Failing != 0 {
		t.Errorf("%d windows are failing still", r.Failing)
	}
	// A retry of a failed job is the window's too.
	p.pass(24 * time.Hour)
	p.look(t)
	p.end(t, "failed")
	p.look(t)
	_, err = p.Pool.Exec(t.Context(), "update trunkline.jobs set state = 'queued', error_code = null, error_message = null, finished_at = null where state = 'failed' and id in (select job_id from trunkline.window_files where state = 'failed' order by job_id desc limit 1)")
	must(t, err)
	retried := get().Last
	if p.look(t); get().Last.State != store.StateFailed {
		t.Errorf("the window whose job waits once more is %s", get().Last.State)
	}
	_, _, err = (&late.Store{Pool: p.Pool, DB: p.FusionPBX, Now: p.now}).Begin(t.Context(), retried.Files[0].JobID, retried.ID, cdr.Request{}) // as its worker does
	must(t, err)
	p.look(t)
	if w := get().Last; w.State != store.StateRunning || w.EndedAt != nil {
		t.Errorf("the window whose job was retried is %s", w.State)
	}
	p.end(t, "succeeded")
	p.look(t)
	if w := get().Last; w.State != store.StateSucceeded {
		t.Errorf("the window whose job was retried with success is %s", w.State)
	}
}

// An extra export that failed is done with by another one of the same time, or by the run that has it.
func TestFailedExtraExports(t *testing.T) {
	t.Parallel()
	p := newPlan(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	made := p.create(t, daily("Europe/Berlin"))
	wantFailing := func(want int) {
		t.Helper()
		p.look(t)
		r, err := p.store.Get(t.Context(), made.ID, tenant.All)
		must(t, err)
		if r.Failing != want {
			t.Errorf("%d windows are failing, want %d", r.Failing, want)
		}
	}
	ask := func(state string) {
		t.Helper()
		_, err := p.store.Run(t.Context(), made.ID, tenant.All)
		must(t, err)
		p.look(t)
		p.end(t, state)
	}
	p.pass(2 * time.Hour)
	ask("failed")
	wantFailing(1)
	p.pass(time.Minute)
	ask("failed")
	wantFailing(1)
	p.pass(time.Minute)
	ask("succeeded")
	wantFailing(0)
	p.pass(time.Minute)
	ask("failed")
	wantFailing(1)
	p.pass(24 * time.Hour)
	p.look(t)
	p.end(t, "succeeded")
	wantFailing(0)
}

// What one schedule cannot export holds up no other.
func TestOneThatCannotExport(t *testing.T) {
	t.Parallel()
	p := newPlan(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	long := strings.Repeat("ü", 64)
	d := daily("UTC")
	d.Name = long
	if _, err := p.store.Create(t.Context(), d, "test"); !fault.Is(err, fault.InvalidRequest) || !strings.HasPrefix(err.Error(), "file_name: ") {
		t.Errorf("a schedule whose files have no name: %v", err)
	}
	bad, odd, torn, good := p.create(t, daily("UTC")), p.create(t, daily("Asia/Tokyo")), p.create(t, daily("Asia/Kathmandu")), p.create(t, daily("Europe/Berlin"))
	change := func(of store.Record, column, value string) {
		t.Helper()
		_, err := p.Pool.Exec(t.Context(), "update trunkline.schedules set "+column+" = $2 where id = $1", of.ID, value)
		must(t, err)
	}
	var request string
	must(t, p.Pool.QueryRow(t.Context(), "select request::text from trunkline.schedules where id = $1", torn.ID).Scan(&request))
	change(bad, "name", long)
	change(odd, "cron", "at noon")
	p.pass(24 * time.Hour)
	if _, err := p.store.Run(t.Context(), torn.ID, tenant.All); err != nil { // which waits
		t.Fatal(err)
	}
	change(torn, "request", `{"format": 7}`)
	p.look(t)
	if w := p.history(t, bad.ID, store.SeriesRun)[0]; w.State != store.StateFailed || !strings.Contains(w.Reason, "file_name: ") || p.failed.Load() != 1 {
		t.Errorf("the window without a name is %s: %s; %d were told of", w.State, w.Reason, p.failed.Load())
	}
	if w := p.history(t, good.ID, store.SeriesRun)[0]; w.State != store.StateRunning {
		t.Errorf("the window of another schedule is %s", w.State)
	}
	unread := map[string]string{odd.ID: "cron: ", torn.ID: "what the schedule exports"}
	page, _, err := p.store.List(t.Context(), store.Filter{Domains: tenant.All, Failing: true, Limit: 10})
	must(t, err)
	for _, r := range page {
		if why := unread[r.ID]; r.ID != bad.ID && (why == "" || !r.Enabled || !strings.Contains(r.Unreadable, why)) {
			t.Errorf("%s is failing: enabled %t, because %q", r.Name, r.Enabled, r.Unreadable)
		}
	}
	if counts, err := p.store.Counts(t.Context(), p.now()); err != nil || len(page) != 3 || counts.Unreadable != 2 || counts.Overdue != 0 || counts.Waiting != 1 {
		t.Errorf("%d are failing, and counted are %+v: %v", len(page), counts, err)
	}
	if _, err := p.store.Edit(t.Context(), torn.ID, tenant.All, "test", func(*store.Record) error { return nil }); !fault.Is(err, fault.Conflict) {
		t.Errorf("what cannot be read was changed: %v", err)
	}
	for _, enabled := range []bool{false, true} {
		if changed, err := p.store.SetEnabled(t.Context(), store.Filter{Domains: tenant.All}, enabled, "", "test"); err != nil || len(changed) != 4 {
			t.Errorf("%d were paused or resumed: %v", len(changed), err)
		}
	}
	p.look(t)
	change(odd, "cron", odd.Cron)
	change(torn, "request", request)
	p.pass(2 * time.Minute)
	p.look(t)
	for _, r := range []store.Record{odd, torn} {
		now, err := p.store.Get(t.Context(), r.ID, tenant.All)
		must(t, err)
		if w := p.history(t, r.ID, store.SeriesRun)[0]; w.State != store.StateRunning || now.Unreadable != "" {
			t.Errorf("%s, which can be read again: its window is %s, %q", r.Name, w.State, now.Unreadable)
		}
	}
}
