package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/internal/pbxtest"
)

const schedulesPages = "/console/schedules"

// scheduled makes a schedule and returns its id.
func (b *bundle) scheduled(t *testing.T, c call) (id string) {
	t.Helper()
	return b.do(t, b.asSuperadmin(c)).want(t, http.StatusCreated, "").text(t, "id")
}

// Schedules are listed by what stands in the address, with figures by state; a tenant's admin has its own alone, and no
// page runs what somebody wrote.
func TestConsoleSchedules(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.at(t, "2026-11-28T12:00:00Z")
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	root.get(t, schedulesPages).want(t, http.StatusOK, "").says(t, "There are no schedules yet", schedulesPages+"/new")
	own := b.scheduled(t, nightly("own <script>", "tenant_domain", b.sample.AdminDomain, "time_zone", "Asia/Kathmandu", "cron", "* * * * *"))
	other := b.scheduled(t, nightly("theirs", "tenant_domain", b.foreign().Name, "enabled", "false"))
	all := b.scheduled(t, nightly("of everybody", "tenant_domain", "global"))
	b.exec(t, "update trunkline.schedules set paused_because = $1 where id = $2", hostileText+strings.Repeat("x", 10_000), other)
	b.exec(t, "update trunkline.schedules set unreadable = 'it is of another build' where id = $1", all)
	for _, c := range []struct{ query, has, lacks string }{
		{"", own, "Next page"}, {"", other, "<script>"}, {"", "all <strong>3</strong>", "<img"}, {"", "paused <strong>1</strong>", "xxxxxxxxxxxxxxxxxxxx" + strings.Repeat("x", 300)},
		{"?text=THEIRS", other, own}, {"?tenant_domain=" + b.sample.AdminDomain, own, other}, {"?tenant_domain=global", all, own},
		{"?state=paused", other, own}, {"?state=enabled", own, other}, {"?state=failing", "it is of another build", own},
		{"?state=paused&text=own", "No schedule is so.", other}, {"?limit=1", "Next page", own}, {"?text=own", "every minute", other},
		{"?text=own", "2026-11-28 17:46:00 &#43;0545", other}, {"?text=own", "runs in every minute", other},
	} {
		page := root.get(t, schedulesPages+c.query).want(t, http.StatusOK, "")
		if !strings.Contains(page.body, c.has) || strings.Contains(page.body, c.lacks) || len(page.body) > 100_000 {
			t.Errorf("%s: want %q and not %q in %s", c.query, c.has, c.lacks, page.body)
		}
	}
	page := admin.get(t, schedulesPages).want(t, http.StatusOK, "").says(t, own, "all <strong>1</strong>", "own &lt;script&gt;")
	if strings.Contains(page.body, other) || strings.Contains(page.body, all) {
		t.Errorf("a tenant's admin sees %s", page.body)
	}
	admin.get(t, schedulesPages+"?tenant_domain="+b.foreign().Name).want(t, http.StatusForbidden, "")
	root.get(t, schedulesPages+"?state=shiny").want(t, http.StatusBadRequest, "").says(t, "state")
	root.get(t, schedulesPages+"/none").want(t, http.StatusNotFound, "")
	for _, id := range []string{other, all} {
		for _, below := range []string{"", "/run", "/pause", "/resume", "/skip", "/backfill", "/delete", "/edit", "/windows/" + noID, "/windows/" + noID + "/run"} {
			admin.get(t, schedulesPages+"/"+id+below).want(t, http.StatusNotFound, "")
		}
		for _, c := range [][]string{{"/run"}, {"/pause"}, {"/resume"}, {"/skip", "reason", "x"}, {"/backfill", "from", "2024-01-01", "to", "2024-01-02"}, {"/delete"}, {"/edit", "name", "mine"}, {"/edit/preview", "cron", "@daily"}} {
			admin.post(t, schedulesPages+"/"+id+c[0], c[1:]...).want(t, http.StatusNotFound, "")
		}
	}
	shown := admin.get(t, schedulesPages+"/"+own).want(t, http.StatusOK, "")
	shown.says(t, "The next window begins where the last one ended", "every minute", "runs in every minute", "It has exported nothing yet", "2026-11-28 17:46:00 &#43;0545", "2026-11-28 17:50:00 &#43;0545")
}

// Each action says first what it does, and then does it; the history shows that.
func TestConsoleScheduleActions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 200, now: newest})
	b.at(t, "2024-06-12T12:00:00Z")
	b.do(t, b.asAdmin(folderCalled("kept"))).want(t, http.StatusCreated, "")
	id := b.do(t, b.asAdmin(nightly("nightly", "time_zone", "UTC", "destinations", "kept", "format", "CSV"))).want(t, http.StatusCreated, "").text(t, "id")
	admin := b.tenantAdmin(t)
	path := schedulesPages + "/" + id
	// does reads the page of an action, which says something, and sends its form.
	does := func(what, says string, pairs ...string) {
		t.Helper()
		admin.get(t, path+what).want(t, http.StatusOK, "").says(t, says)
		admin.post(t, path+what, pairs...).want(t, http.StatusSeeOther, "")
	}
	// refused sends a form that is shown again, with what is wrong.
	refused := func(what string, status int, says string, pairs ...string) {
		t.Helper()
		admin.get(t, path+what).want(t, http.StatusOK, "")
		admin.post(t, path+what, pairs...).want(t, status, "").says(t, says, "Nothing was done")
	}
	windowAt := func(query string) string {
		t.Helper()
		return b.do(t, b.asAdmin(call{path: schedulesPath + "/" + id + "/windows" + query})).want(t, http.StatusOK, "").field(t, "windows", 0, "id")
	}
	succeeds := func(query string) {
		t.Helper()
		pbxtest.Eventually(t, query+" is exported and delivered", func() bool {
			b.look(t)
			page := admin.get(t, path+query).want(t, http.StatusOK, "").body
			return strings.Contains(page, `<span class="badge succeeded">`) && strings.Contains(page, `<span class="good">1 delivered</span>`)
		})
	}

	does("/run", "An extra export is made of what has come since the last one, from 2024-06-12 00:00:00 UTC to 2024-06-12 12:00:00 UTC")
	succeeds("?series=extra")
	b.at(t, "2024-06-14T12:00:00Z")
	does("/run", "2 windows are made, 000001 to 000002, from 2024-06-12 00:00:00 UTC to 2024-06-14 00:00:00 UTC.")
	succeeds("?series=run&number=1")
	first := "/windows/" + windowAt("?series=run&number=1")
	admin.get(t, path+first).want(t, http.StatusOK, "").says(t, "000001", "nightly/", "/console/exports/", "/file", `<span class="good">1 delivered</span>`, ">delivered</span>", "of which 0 came after", first+"/run")
	does(first+"/run", "is exported again, as the schedule is now")
	succeeds("?number=1&series=run&limit=1")
	refused("/skip", http.StatusBadRequest, "reason")
	does("/skip", "The next window, number 3, from 2024-06-14 00:00:00 UTC to 2024-06-15 00:00:00 UTC, is left out.", "reason", "switch "+hostileText)
	page := admin.get(t, path).want(t, http.StatusOK, "").says(t, "000003", "badge skipped", "switch &lt;script&gt;", "000001-r1", "<code>15 0 * * *</code>", "kept")
	if strings.Contains(page.body, "<img") {
		t.Errorf("a reason is not inert in %s", page.body)
	}
	refused(first+"/skip", http.StatusConflict, "only one that waits or has failed", "reason", "kept words")
	refused("/backfill", http.StatusBadRequest, `value="2024-06-20"`, "from", "2024-06-01", "to", "2024-06-20")
	refused("/backfill", http.StatusBadRequest, "backfill-from-fault", "to", "2024-06-20")
	does("/backfill", "no call is exported twice", "from", "2024-06-08", "to", "2024-06-10")
	succeeds("?series=backfill&number=3")
	does("/pause", "Nothing is lost", "reason", "holidays <b>")
	admin.get(t, path).says(t, "holidays &lt;b&gt;", "If it were not paused it would run", path+"/resume")
	does("/resume", "It then runs at ")
	admin.get(t, path).says(t, `<span class="badge up">enabled</span>`)
	if extra := "/windows/" + windowAt("?series=extra"); !strings.Contains(admin.get(t, path+extra).want(t, http.StatusOK, "").body, "as an extra export") {
		t.Errorf("got %s", admin.page)
	} else {
		admin.post(t, path+extra+"/run").want(t, http.StatusConflict, "").says(t, "no number")
	}
	for _, query := range []string{"?series=walk", "?state=lost", "?number=x", "?after=x"} {
		admin.get(t, path+query).want(t, http.StatusBadRequest, "")
	}
	admin.get(t, path+first+"?from=0").want(t, http.StatusBadRequest, "").says(t, "from")
	admin.get(t, path+first+"?from=2").want(t, http.StatusOK, "").says(t, "First page of files")
	for action, n := range map[string]int{"schedule.run": 3, "schedule.skip": 1, "schedule.backfill": 1, "schedule.pause": 1, "schedule.resume": 1} {
		if got := b.recorded(t, action, id); got != n {
			t.Errorf("%s was recorded %d times, want %d", action, got, n)
		}
	}
	admin.get(t, path+"/delete").want(t, http.StatusOK, "").says(t, "This cannot be undone", "it has made 3 windows")
	if to := admin.post(t, path+"/delete").want(t, http.StatusSeeOther, "").header.Get("Location"); to != schedulesPages {
		t.Errorf("one is led to %s", to)
	}
	admin.get(t, path).want(t, http.StatusNotFound, "")
}

// A form makes a schedule and changes one: what was typed is kept, the field that is wrong is marked, what is not changed needs
// no right, and who has not seen what somebody else changed meanwhile is told.
func TestConsoleScheduleForms(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.at(t, "2026-11-28T12:00:00Z")
	kept := b.do(t, b.asAdmin(folderCalled("kept"))).want(t, http.StatusCreated, "").text(t, "id")
	everybodys := b.do(t, b.asSuperadmin(folderCalled("everybodys", "tenant_domain", "global"))).want(t, http.StatusCreated, "").text(t, "id")
	admin, root := b.tenantAdmin(t), b.superadmin(t)
	form := admin.get(t, schedulesPages+"/new").want(t, http.StatusOK, "").says(t, "kept (folder, ")
	for _, never := range []string{everybodys, `name="tenant_domain"`, `name="files"`} {
		if strings.Contains(form.body, never) {
			t.Errorf("a tenant's admin is offered %s", never)
		}
	}
	for _, c := range []struct {
		faulty string
		pairs  []string
	}{
		{"name", []string{"cron", "@daily"}}, {"cron", []string{"name", "kept <b>"}}, {"cron", []string{"name", "kept <b>", "cron", "15 0 31 2 *"}},
		{"time_zone", []string{"name", "kept <b>", "cron", "@daily", "time_zone", "Mars/Olympus"}}, {"lag", []string{"name", "kept <b>", "cron", "@daily", "lag", "-1"}},
		{"columns", []string{"name", "kept <b>", "cron", "@daily", "columns", "nonsense"}}, {"file_name", []string{"name", "kept <b>", "cron", "@daily", "file_name", "../{number}"}},
		{"destinations", []string{"name", "kept <b>", "cron", "@daily", "destinations", noID}},
	} {
		got := admin.post(t, schedulesPages+"/new", append([]string{"caller_prefix", "+49 <i>"}, c.pairs...)...)
		if (got.status != http.StatusBadRequest && got.status != http.StatusNotFound) || !strings.Contains(got.body, `"#schedule-`+c.faulty+`"`) && !strings.Contains(got.body, `id="schedule-`+c.faulty+`-fault"`) ||
			!strings.Contains(got.body, `value="+49 &lt;i&gt;"`) && !strings.Contains(got.body, `value="&#43;49 &lt;i&gt;"`) || strings.Contains(got.body, "<i>") {
			t.Errorf("%v: got %d %s", c.pairs, got.status, got.body)
		}
	}
	admin.post(t, schedulesPages+"/new/preview", "cron", "*/15 * * * *", "time_zone", "Asia/Kathmandu").want(t, http.StatusOK, "").
		says(t, `id="runs"`, "every 15 minutes", "2026-11-28 18:00:00 &#43;0545", `value="Asia/Kathmandu"`)
	admin.post(t, schedulesPages+"/new/preview", "cron", "* * * * *").want(t, http.StatusOK, "").says(t, "runs in every minute")
	admin.post(t, schedulesPages+"/new/preview", "cron", "* * 31 2 *").want(t, http.StatusOK, "").says(t, "never happens")
	to := admin.post(t, schedulesPages+"/new", "name", "nightly", "cron", "* * * * *", "window", "previous_day", "time_zone", "UTC", "destinations", kept, "format", "CSV", "direction", "inbound").
		want(t, http.StatusSeeOther, "").header.Get("Location")
	admin.get(t, to).want(t, http.StatusOK, "").says(t, "runs in every minute", "The next window begins where the last one ended, at <time datetime=\"2026-11-27T00:00:00Z\"", "kept", "inbound")
	id := strings.TrimPrefix(to, schedulesPages+"/")

	edit := admin.get(t, to+"/edit").want(t, http.StatusOK, "").says(t, `value="nightly"`, `value="* * * * *"`, `<option value="CSV" selected>`, "the next window begins where the last one ended", "runs in every minute")
	seen := between(t, edit.body, `name="version" value="`, `"`)
	b.exec(t, "update trunkline.schedules set destinations = destinations || $1::uuid where id = $2", everybodys, id)
	// The destination of all domains is none that the tenant's admin sees: it stays as long as nothing is said of destinations.
	both := []string{"name", "nightly", "cron", "@daily", "time_zone", "UTC", "window", "previous_week", "format", "CSV", "direction", "inbound", "lag", "600", "destinations", everybodys + "," + kept, "version", seen}
	b.at(t, "2026-11-28T12:00:01Z")
	admin.post(t, to+"/edit", both...).want(t, http.StatusSeeOther, "")
	admin.get(t, to).want(t, http.StatusOK, "").says(t, "<code>@daily</code>", "each whole week", "everybodys", `at <time datetime="2026-11-27T00:00:00Z"`, "2026-11-30 00:00:00 UTC")
	if n := b.count(t, "select cardinality(destinations) from trunkline.schedules where id = $1", id); n != 2 {
		t.Errorf("it has %d destinations", n)
	}
	admin.post(t, to+"/edit", "name", "by night", "destinations", kept+","+everybodys).want(t, http.StatusForbidden, "").says(t, `value="by night"`, `id="schedule-name-fault"`)
	second := admin.post(t, to+"/edit", "name", "nightly", "cron", "@weekly", "time_zone", "UTC", "destinations", kept+","+everybodys, "version", seen).
		want(t, http.StatusPreconditionFailed, "").says(t, "was changed since this form was made", `value="@weekly"`)
	admin.post(t, to+"/edit", "name", "nightly", "cron", "@weekly", "time_zone", "UTC", "destinations", kept+","+everybodys, "version", between(t, second.body, `name="version" value="`, `"`)).
		want(t, http.StatusSeeOther, "")
	admin.post(t, to+"/edit/preview", "cron", "@hourly", "time_zone", "Europe/Berlin", "version", seen).want(t, http.StatusOK, "").says(t, "every hour", "2026-11-28 14:00:00 CET", seen)
	admin.get(t, to+"/edit").says(t, `value="@weekly"`)
	admin.post(t, to+"/edit", "version", between(t, admin.page, `name="version" value="`, `"`), "destinations", kept+","+everybodys).want(t, http.StatusSeeOther, "")
	if n := b.recorded(t, "schedule.change", id); n != 2 {
		t.Errorf("%d changes are recorded", n)
	}

	root.get(t, schedulesPages+"/new").want(t, http.StatusOK, "").says(t, `name="tenant_domain"`, `name="files"`, "one for each domain")
	root.post(t, schedulesPages+"/new", "name", "each", "cron", "@daily", "tenant_domain", b.sample.AdminDomain, "files", "each_domain").want(t, http.StatusBadRequest, "").says(t, `id="schedule-files-fault"`)
	all := root.post(t, schedulesPages+"/new", "name", "each", "cron", "@daily", "tenant_domain", "global", "files", "each_domain", "enabled", "false", "time_zone", "UTC").want(t, http.StatusSeeOther, "").header.Get("Location")
	root.get(t, all).want(t, http.StatusOK, "").says(t, "one for each domain", "badge off")
	root.get(t, all+"/edit").want(t, http.StatusOK, "").says(t, `<option value="each_domain" selected>`)
	admin.post(t, schedulesPages+"/new", "name", "greedy", "cron", "@daily", "tenant_domain", "global").want(t, http.StatusForbidden, "")
	for _, path := range []string{schedulesPages + "/new", all + "/edit"} {
		if page := root.get(t, path).want(t, http.StatusOK, ""); len(page.body) > 100_000 {
			t.Errorf("%s has %d bytes", path, len(page.body))
		}
	}
}

// Those of a filter are paused and resumed after a page has said how many they are; a tenant's admin changes its own alone.
func TestConsoleSchedulesOfAFilter(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, name := range []string{"first", "second"} {
		b.scheduled(t, nightly(name, "tenant_domain", b.sample.AdminDomain))
	}
	other := b.scheduled(t, nightly("first of others", "tenant_domain", b.foreign().Name))
	paused := func() int { return b.count(t, "select count(*) from trunkline.schedules where not enabled") }
	admin, root := b.tenantAdmin(t), b.superadmin(t)
	admin.get(t, schedulesPages).says(t, schedulesPages+"/pause")
	page := admin.get(t, schedulesPages+"/pause?text=FIRST").want(t, http.StatusOK, "").says(t, "<strong>1</strong> schedule is meant", "text <bdi>FIRST</bdi>")
	if strings.Contains(page.body, other) {
		t.Errorf("it names %s", page.body)
	}
	admin.post(t, schedulesPages+"/pause", "text", "FIRST", "reason", strings.Repeat("x", 501)).want(t, http.StatusBadRequest, "").says(t, "reason")
	admin.post(t, schedulesPages+"/pause", "text", "FIRST", "reason", "moved").want(t, http.StatusOK, "").says(t, "1 schedule was paused")
	if n := paused(); n != 1 {
		t.Errorf("%d are paused", n)
	}
	admin.post(t, schedulesPages+"/pause").want(t, http.StatusOK, "").says(t, "1 schedule was paused", "second")
	admin.get(t, schedulesPages+"/pause").want(t, http.StatusOK, "").says(t, "There is nothing to do")
	admin.get(t, schedulesPages+"/pause?state=paused").want(t, http.StatusOK, "").says(t, "There is nothing to do")
	admin.post(t, schedulesPages+"/pause", "tenant_domain", b.foreign().Name).want(t, http.StatusForbidden, "")
	root.get(t, schedulesPages+"/resume?state=paused").want(t, http.StatusOK, "").says(t, "<strong>2</strong> schedules are meant")
	root.post(t, schedulesPages+"/resume", "state", "paused").want(t, http.StatusOK, "").says(t, "2 schedules were resumed")
	if n := paused(); n != 0 {
		t.Errorf("%d are paused", n)
	}
	root.get(t, schedulesPages+"/pause").want(t, http.StatusOK, "").says(t, "<strong>3</strong> schedules are meant", "all that you see")
}

// A list of a thousand schedules, and a history of a thousand windows with many files, are as small as others.
func TestConsoleSchedulesOfALargePBX(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.scheduled(t, nightly("large", "tenant_domain", "global", "files", "each_domain"))
	b.exec(t, `insert into trunkline.schedules (id, domain_name, name, cron, time_zone, kind, lag, request, each_domain, file_name, destinations, enabled, next_run, planned_at, watermark,
			created_by_name, created_at, changed_by_name, changed_at)
		select gen_random_uuid(), domain_name, name || n, cron, time_zone, kind, lag, request, each_domain, file_name, destinations, enabled, next_run, planned_at, watermark,
			created_by_name, created_at, changed_by_name, changed_at from trunkline.schedules, generate_series(1, 1000) n`)
	b.exec(t, `insert into trunkline.windows (id, schedule_id, series, number, revision, start_at, end_at, time_zone, state, reason, made_at, ended_at)
		select gen_random_uuid(), $1, 'run', n, 0, now(), now() + interval '1 day', 'UTC', 'failed', repeat('<b>', 1000), now(), now() from generate_series(1, 1000) n`, id)
	b.exec(t, `insert into trunkline.window_files (window_id, job_id, domain_name, name, state, error)
		select w.id, gen_random_uuid(), repeat('d', 200), repeat('<i>', 100), 'failed', repeat('<b>', 1000) from trunkline.windows w, generate_series(1, 100) n where w.schedule_id = $1`, id)
	var window string
	must(t, b.pool.QueryRow(t.Context(), "select id::text from trunkline.windows limit 1").Scan(&window))
	root := b.superadmin(t)
	for _, path := range []string{schedulesPages, schedulesPages + "/" + id, schedulesPages + "/" + id + "/windows/" + window, schedulesPages + "/pause"} {
		if page := root.get(t, path).want(t, http.StatusOK, ""); len(page.body) > 100_000 || strings.Contains(page.body, "<i>") {
			t.Errorf("%s has %d bytes", path, len(page.body))
		}
	}
}

// The pages pass axe-core for both, at a desk and by phone, and are read and used without a script.
func TestConsoleSchedulesInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.at(t, "2026-11-28T12:00:00Z")
	id := b.scheduled(t, nightly("nightly", "tenant_domain", b.sample.AdminDomain))
	b.do(t, b.asSuperadmin(call{path: schedulesPath + "/" + id + "/run", form: form()})).want(t, http.StatusAccepted, "")
	b.do(t, b.asSuperadmin(call{path: schedulesPath + "/" + id + "/skip", form: form("reason", hostile)})).want(t, http.StatusOK, "")
	b.look(t)
	at := schedulesPages + "/" + id
	for _, c := range b.lookers() {
		w := b.lookingAt(t, schedulesPages, "Schedules", c)
		w.accessible(t, "schedules")
		w.do(t, chromedp.Click(`a[href="`+at+`"]`))
		w.shows(t, "Schedule")
		w.accessible(t, "schedule")
		w.do(t, chromedp.Click(`tr[data-key] a`))
		w.shows(t, "Window")
		w.accessible(t, "window")
		w.open(t, schedulesPages+"/pause")
		w.shows(t, "Pause schedules")
		w.accessible(t, "pausing schedules")
		w.open(t, at+"/backfill")
		w.shows(t, "Export a past span")
		w.accessible(t, "a past span")
		w.do(t, chromedp.SendKeys("#backfill-from", "2030-01-01"), chromedp.SendKeys("#backfill-to", "2030-01-02"), chromedp.Click("//button[text()='Export a past span']"))
		w.do(t, chromedp.WaitVisible("#backfill-to-fault"))
		w.accessible(t, "a past span that cannot be")
		w.open(t, schedulesPages+"/new")
		w.shows(t, "New schedule")
		w.accessible(t, "a new schedule")
		w.do(t, chromedp.SendKeys("#schedule-cron", "*/15 * * * *"))
		if !c.scripts {
			w.do(t, chromedp.Click("//button[text()='Show when it runs']"))
		}
		w.do(t, chromedp.WaitVisible("//bdi[text()='every 15 minutes']"))
		w.accessible(t, "a new schedule with its runs")
		w.open(t, at+"/edit")
		w.shows(t, "Change a schedule")
		w.accessible(t, "changing a schedule")
		w.do(t, chromedp.Click("//button[text()='Save']"))
		w.shows(t, "Schedule")
		for _, button := range []string{"Pause", "Resume"} {
			w.open(t, at)
			w.do(t, chromedp.Click("//a[text()='"+button+"']"))
			w.shows(t, button)
			w.accessible(t, button)
			w.do(t, chromedp.Click("//button[text()='"+button+"']"))
			w.shows(t, "Schedule")
		}
	}
}
