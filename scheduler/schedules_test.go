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
