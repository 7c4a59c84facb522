package scheduler_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/schedule/late"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
	"trunkline/worker"
)

// A schedule that was down makes all of its windows, the oldest first, and exports few at once.
func TestCatchingUp(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPlan(t, begin)
	made := p.create(t, daily("Europe/Berlin"))
	p.set(begin.AddDate(0, 0, 10))
	p.look(t)
	states := func() (text string) {
		for _, w := range p.history(t, made.ID, store.SeriesRun) {
			text += string(w.State[0])
		}
		return text
	}
	if got := states(); got != "rrrwwwwwww" {
		t.Errorf("the windows are %s", got)
	}
	p.end(t, "succeeded")
	p.look(t)
	if got := states(); got != "sssrrrwwww" {
		t.Errorf("the windows are %s", got)
	}
	r, err := p.store.Get(t.Context(), made.ID, tenant.All)
	must(t, err)
	if want := time.Date(2026, 3, 11, 23, 15, 0, 0, time.UTC); !r.NextRun.Equal(want) {
		t.Errorf("it runs next at %s, want %s", r.NextRun, want)
	}
}

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

// What is asked for by name: an extra export, the next window left out, a past span.
func TestAskedFor(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := newPlan(t, time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC))
	made := p.create(t, daily("Europe/Berlin"))
	before := made.State
	extra, err := p.store.Run(ctx, made.ID, tenant.All)
	must(t, err)
	r, err := p.store.Get(ctx, made.ID, tenant.All)
	must(t, err)
	if len(extra) != 1 || extra[0].Number != nil || extra[0].Series != store.SeriesExtra || !extra[0].Start.Equal(before.Watermark) || !extra[0].End.Equal(p.now()) || r.State != before {
		t.Errorf("run made %+v, and the schedule stands at %+v", extra, r.State)
	}
	skipped, err := p.store.Skip(ctx, made.ID, tenant.All, store.SeriesRun, 0, "a holiday")
	must(t, err)
	if *skipped.Number != 1 || skipped.State != store.StateSkipped {
		t.Errorf("skipped %+v", skipped)
	}
	for name, asked := range map[string]store.BackfillAsked{
		"from":           {From: "yesterday", To: "2026-02-01"},
		"to":             {From: "2026-02-01", To: "2026-01-01"},
		"lies behind":    {From: "2026-02-01", To: "2026-03-03"},
		"are allowed at": {From: "2020-02-01", To: "2026-01-01"},
	} {
		if _, err := p.store.Backfill(ctx, made.ID, tenant.All, asked); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v", asked, err)
		}
	}
	filled, err := p.store.Backfill(ctx, made.ID, tenant.All, store.BackfillAsked{From: "2026-02-27", To: "2026-03-01"})
	must(t, err)
	if len(filled) != 3 || *filled[2].Number != 3 || !filled[2].End.Equal(skipped.Start) {
		t.Errorf("the backfill made %+v", filled)
	}
	if _, err := p.store.Backfill(ctx, made.ID, tenant.All, store.BackfillAsked{From: "2026-02-28", To: "2026-02-28"}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "b000002") {
		t.Errorf("a span was filled twice: %v", err)
	}
	more, err := p.store.Backfill(ctx, made.ID, tenant.All, store.BackfillAsked{From: "2026-02-26", To: "2026-02-26"})
	must(t, err)
	if *more[0].Number != 4 {
		t.Errorf("the next backfill begins with %d", *more[0].Number)
	}
	p.store.MostBackfilled = 5
	if _, err := p.store.Backfill(ctx, made.ID, tenant.All, store.BackfillAsked{From: "2026-02-24", To: "2026-02-25"}); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "TRUNKLINE_SCHEDULE_BACKFILL") {
		t.Errorf("more windows wait than are allowed at once: %v", err)
	}
	p.set(time.Date(2026, 3, 4, 1, 0, 0, 0, time.UTC))
	p.look(t)
	wantWhole(t, p.history(t, made.ID, store.SeriesRun))
}

// A window that is skipped ahead, while its calls are still made, is exported after all only once it is over, and then whole.
func TestAWindowSkippedAhead(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := newPlan(t, time.Date(2026, 3, 2, 11, 0, 0, 0, time.UTC))
	made := p.create(t, daily("UTC"))
	p.set(time.Date(2026, 3, 3, 1, 0, 0, 0, time.UTC))
	p.look(t)
	p.end(t, "succeeded")
	skip := func() (store.Window, error) {
		return p.store.Skip(ctx, made.ID, tenant.All, store.SeriesRun, 0, "a holiday")
	}
	skipped, err := skip()
	must(t, err)
	if !skipped.End.After(p.now()) {
		t.Fatalf("skipped %+v, which is over", skipped)
	}
	if _, err := skip(); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "once it has begun") {
		t.Errorf("sent again, it skips the next: %v", err)
	}
	of := store.BackfillAsked{From: "2026-03-03", To: "2026-03-03"}
	if _, err := p.store.RunAgain(ctx, made.ID, tenant.All, store.SeriesRun, *skipped.Number); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "2026-03-04T00:00:00Z") {
		t.Errorf("it is run again before it is over: %v", err)
	}
	if _, err := p.store.Backfill(ctx, made.ID, tenant.All, of); !fault.Is(err, fault.InvalidRequest) || !strings.Contains(err.Error(), "to: lies behind 2026-03-03T01:00:00Z") {
		t.Errorf("it is backfilled before it is over: %v", err)
	}
	p.set(skipped.End)
	_, err = p.store.RunAgain(ctx, made.ID, tenant.All, store.SeriesRun, *skipped.Number)
	must(t, err)
}

// Whatever is changed of a schedule, its windows neither leave a gap nor overlap, and the answer says how it goes on.
func TestEditsLeaveNoGap(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 11))
	p := newPlan(t, time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC))
	made := p.create(t, daily("Europe/Berlin"))
	for range 150 {
		p.pass(time.Duration(random.IntN(72)) * time.Hour)
		p.look(t)
		p.end(t, "succeeded")
		before, err := p.store.Get(t.Context(), made.ID, tenant.All)
		must(t, err)
		after, err := p.store.Edit(t.Context(), made.ID, tenant.All, "test", func(r *store.Record) error {
			r.Cron = []string{"15 0 * * *", "0 6 * * MON", "*/30 * * * *", "0 3 1 * *", "0 2 29 2 *"}[random.IntN(5)]
			r.TimeZone = []string{"Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"}[random.IntN(4)]
			r.Window = kinds[random.IntN(4)].window
			r.Lag = time.Duration(random.IntN(5)) * time.Hour
			return nil
		})
		must(t, err)
		start, end, err := after.NextWindow()
		must(t, err)
		if after.State != before.State || !start.Equal(before.State.Watermark) || end != nil && !end.After(start) || !after.NextRun.After(p.now()) {
			t.Errorf("from %+v to %+v, next %s to %v, which runs at %s", before.State, after.State, start, end, after.NextRun)
		}
	}
	p.look(t)
	wantWhole(t, p.history(t, made.ID, store.SeriesRun))
}

// A schedule whose domain is disabled is paused and says so; once resumed it exports what has come meanwhile. It shows in its
// own domain alone.
func TestADisabledDomain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := newPlan(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	d := daily("Europe/Berlin")
	d.DomainUUID, d.DomainName = p.Sample.Domains[0].UUID, p.Sample.Domains[0].Name
	made := p.create(t, d)
	own := tenant.Only(tenant.Domain{UUID: d.DomainUUID})
	other := tenant.Only(tenant.Domain{UUID: made.ID})
	if _, err := p.store.Get(ctx, made.ID, other); !fault.Is(err, fault.NotFound) {
		t.Errorf("another domain sees it: %v", err)
	}
	if page, _, err := p.store.List(ctx, store.Filter{Domains: other, Limit: 10}); err != nil || len(page) != 0 {
		t.Errorf("another domain sees %d schedules: %v", len(page), err)
	}
	_, err := p.Pool.Exec(ctx, "update v_domains set domain_enabled = false where domain_uuid = $1", d.DomainUUID)
	must(t, err)
	p.pass(24 * time.Hour)
	p.look(t)
	r, err := p.store.Get(ctx, made.ID, own)
	must(t, err)
	if r.Enabled || !strings.Contains(r.PausedBecause, "is disabled") || r.Last != nil {
		t.Errorf("it is enabled: %v, because %q, and made %v", r.Enabled, r.PausedBecause, r.Last)
	}
	if _, err := p.store.SetEnabled(ctx, store.Filter{Domains: own, IDs: []string{made.ID}}, true, "", "test"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "is disabled") {
		t.Errorf("it is resumed: %v", err)
	}
	if changed, err := p.store.SetEnabled(ctx, store.Filter{Domains: own}, true, "", "test"); err != nil || len(changed) != 0 {
		t.Errorf("it is resumed among others: %+v, %v", changed, err)
	}
	if r, err = p.store.Get(ctx, made.ID, own); err != nil || r.Enabled || !strings.Contains(r.PausedBecause, "is disabled") {
		t.Errorf("it is enabled: %v, because %q, %v", r.Enabled, r.PausedBecause, err)
	}
	_, err = p.Pool.Exec(ctx, "update v_domains set domain_enabled = true where domain_uuid = $1", d.DomainUUID)
	must(t, err)
	p.pass(24 * time.Hour)
	changed, err := p.store.SetEnabled(ctx, store.Filter{Domains: own, Name: "NIGHT"}, true, "", "test")
	must(t, err)
	if len(changed) != 1 || !changed[0].Enabled || changed[0].PausedBecause != "" {
		t.Errorf("resumed %+v", changed)
	}
	p.pass(24 * time.Hour)
	p.look(t)
	if windows := p.history(t, made.ID, store.SeriesRun); len(windows) != 3 {
		t.Errorf("%d windows were made of three days", len(windows))
	}
}

// What no schedule can be is refused by the name of the parameter.
func TestWhatIsNoSchedule(t *testing.T) {
	t.Parallel()
	p := newPlan(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	p.store.PerDomain = 2
	for parameter, change := range map[string]func(*store.Definition){
		"name":         func(d *store.Definition) { d.Name = "a\nb" },
		"cron":         func(d *store.Definition) { d.Cron = "0 0 30 2 *" },
		"time_zone":    func(d *store.Definition) { d.TimeZone = "Mars/Olympus" },
		"window":       func(d *store.Definition) { d.Window = "decade" },
		"lag":          func(d *store.Definition) { d.Lag = -time.Second },
		"file_name":    func(d *store.Definition) { d.FileName = "../{number}" },
		"columns":      func(d *store.Definition) { d.Request.Columns = []string{"1; drop table x"} },
		"destinations": func(d *store.Definition) { d.Destinations = []string{"01980000-0000-7000-8000-000000000000"} },
		"files":        func(d *store.Definition) { d.DomainUUID, d.EachDomain = p.Sample.Domains[0].UUID, true },
	} {
		d := daily("Europe/Berlin")
		change(&d)
		if _, err := p.store.Create(t.Context(), d, "test"); !fault.Is(err, fault.InvalidRequest) || !strings.HasPrefix(err.Error(), parameter+": ") {
			t.Errorf("%s: %v", parameter, err)
		}
	}
	p.create(t, daily("Europe/Berlin"))
	d := daily("Europe/Berlin")
	d.Name = strings.ToUpper(d.Name)
	if _, err := p.store.Create(t.Context(), d, "test"); !fault.Is(err, fault.Conflict) || !strings.HasPrefix(err.Error(), "name: ") {
		t.Errorf("two have one name: %v", err)
	}
	p.create(t, daily("UTC"))
	if _, err := p.store.Create(t.Context(), daily("Asia/Tokyo"), "test"); !fault.Is(err, fault.Conflict) {
		t.Errorf("there are more than one may have: %v", err)
	}
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

// A schedule of all domains may have a file for each that is enabled.
func TestAFileForEachDomain(t *testing.T) {
	t.Parallel()
	p := newPlan(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	_, err := p.Pool.Exec(t.Context(), `insert into v_domains (domain_uuid, domain_name, domain_enabled)
		select gen_random_uuid(), 'd' || i || '.example', i <> 2 from generate_series(1, 3) as i`)
	must(t, err)
	d := daily("Europe/Berlin")
	d.EachDomain = true
	made := p.create(t, d)
	p.pass(24 * time.Hour)
	p.look(t)
	files := p.history(t, made.ID, store.SeriesRun)[0].Files
	names := map[string]bool{}
	for _, f := range files {
		names[f.Name] = true
		var params cdr.Request
		var text string
		must(t, p.Pool.QueryRow(t.Context(), "select params::text from trunkline.jobs where id = $1", f.JobID).Scan(&text))
		must(t, json.Unmarshal([]byte(text), &params))
		if params.DomainUUID != f.DomainUUID || f.DomainUUID == "" || params.DateStart != "2026-03-01" || params.DateEnd != "2026-03-01" {
			t.Errorf("the job of %s is of %s, %s", f.DomainName, params.DomainName, params.DateRange())
		}
	}
	if want := 2 + len(p.Sample.Domains); len(files) != want || len(names) != want {
		t.Errorf("the files are %+v", files)
	}
}

// A schedule's windows become whole files at its destination, an empty one too, and what was exported shows in its history.
func TestFilesArriveWhereTheyAreRead(t *testing.T) {
	t.Parallel()
	now := calendar.Day.Begin(time.Now().UTC()).Add(12 * time.Hour) // at the hours about a run there may be one window more
	p := newPlanOf(t, now.AddDate(0, 0, -5), sample.Options{CDRs: 400, Days: 4})
	settings := testbed.JobSettings
	settings.DeliveryDir = t.TempDir()
	p.store.Destinations = destinations.New(p.Pool, p.Tasks.Keys(), settings)
	pbxtest.Start(t, worker.New(worker.Options{
		Settings: settings, PBX: p.PBX, Redis: p.Redis, Tasks: p.Tasks, Log: p.Log,
		Exporter: cdr.Exporter{PBX: p.PBX, Store: cdr.Folder{Dir: t.TempDir()}, Retention: time.Hour, SliceRows: 100},
	}).Run)
	folder, err := p.store.Destinations.Create(t.Context(), destinations.Given{Name: "billing", Kind: "folder", Values: destinations.Values{"folder": "billing"}, Enabled: true, CreatedBy: "test"})
	must(t, err)
	d := daily("UTC")
	d.Name, d.Destinations, d.FileName = "nightly", []string{folder.ID}, "{number}_{date_start}.{extension}"
	made := p.create(t, d)
	p.set(now)
	settled := func() (windows []store.Window, all bool) {
		p.look(t)
		windows = p.history(t, made.ID, store.SeriesRun)
		for _, w := range windows {
			if w.State != store.StateSucceeded {
				return windows, false
			}
		}
		return windows, len(windows) == 5
	}
	pbxtest.Eventually(t, "all windows are exported", func() bool { _, all := settled(); return all })
	windows, _ := settled()
	var rows int64
	for _, w := range windows {
		f := w.Files[0]
		rows += *f.Rows
		var content []byte
		pbxtest.Eventually(t, f.Name+" is delivered", func() bool {
			content, err = os.ReadFile(filepath.Join(settings.DeliveryDir, "billing", f.Name))
			return err == nil
		})
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 || int64(len(content)) != *f.Bytes {
			t.Errorf("%s has %d bytes of the SHA-256 %x; want %d, %s", f.Name, len(content), sum, *f.Bytes, f.SHA256)
		}
	}
	var there int64
	must(t, p.Pool.QueryRow(t.Context(), "select count(*) from v_xml_cdr where start_stamp >= $1 and start_stamp < $2", windows[0].Start, windows[4].End).Scan(&there))
	if rows != there || rows == 0 || *windows[0].Files[0].Rows != 0 {
		t.Errorf("%d of %d calls were exported, %d of them on a day without calls", rows, there, *windows[0].Files[0].Rows)
	}
}
