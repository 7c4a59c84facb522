package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

// Windows are exported in their turn, again, extra, of the past, or not at all, and their history shows that.
func TestRunSchedules(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 200, now: newest})
	b.at(t, "2024-06-12T12:00:00Z")
	b.do(t, b.asSuperadmin(folderCalled("kept", "tenant_domain", "global"))).want(t, http.StatusCreated, "")
	id := b.do(t, b.asSuperadmin(nightly("nightly", "tenant_domain", "global", "time_zone", "UTC", "destinations", "kept", "format", "CSV"))).want(t, http.StatusCreated, "").text(t, "id")
	path := schedulesPath + "/" + id
	ask := func(what string, status int, code string, pairs ...string) answer {
		t.Helper()
		return b.do(t, b.asSuperadmin(call{path: path + what, form: form(pairs...)})).want(t, status, code)
	}
	history := func(query string) answer {
		t.Helper()
		return b.do(t, b.asSuperadmin(call{path: path + "/windows" + query})).want(t, http.StatusOK, "")
	}
	// ended waits until a window has, and its file is delivered.
	ended := func(query string) (page answer) {
		t.Helper()
		pbxtest.Eventually(t, query+" is delivered", func() bool {
			b.look(t)
			page = history(query)
			return page.field(t, "windows", 0, "state") == "succeeded" && strings.Contains(page.field(t, "windows", 0, "files", 0, "deliveries"), "delivered:1")
		})
		return page
	}

	extra := ask("/run", http.StatusAccepted, "")
	if extra.field(t, "windows", 0, "series") != "extra" || extra.field(t, "windows", 0, "number") != "" || extra.field(t, "windows", 0, "end") != "2024-06-12T12:00:00Z" {
		t.Errorf("got %s", extra.body)
	}
	ended("?series=extra")
	if shown := b.do(t, b.asSuperadmin(call{path: path})); shown.text(t, "number") != "0" || shown.text(t, "watermark") != "2024-06-12T00:00:00Z" {
		t.Errorf("an extra export has changed it: %s", shown.body)
	}

	b.at(t, "2024-06-14T12:00:00Z")
	due := ask("/run", http.StatusAccepted, "")
	if due.field(t, "windows", 1, "label") != "000002" || due.field(t, "windows", 0, "start") != "2024-06-12T00:00:00Z" {
		t.Errorf("got %s", due.body)
	}
	first := ended("?series=run&number=1")
	if first.field(t, "windows", 0, "files", 0, "name") != "nightly/all-domains_2024-06-12_000001.csv" || first.field(t, "windows", 0, "files", 0, "rows") == "" ||
		!strings.Contains(first.field(t, "windows", 0, "files", 0, "download_url"), "signature=") || len(first.field(t, "windows", 0, "files", 0, "sha256")) != 64 {
		t.Errorf("got %s", first.body)
	}
	link := strings.TrimPrefix(first.field(t, "windows", 0, "files", 0, "download_url"), b.options.Settings.PublicURL)
	b.do(t, call{path: link}).want(t, http.StatusOK, "").says(t, "start_stamp")
	again := ask("/run", http.StatusAccepted, "", "number", "1")
	if again.field(t, "windows", 0, "label") != "000001-r1" || again.field(t, "windows", 0, "start") != "2024-06-12T00:00:00Z" {
		t.Errorf("got %s", again.body)
	}
	revised := ended("?number=1&series=run&limit=1")
	if revised.text(t, "next") == "" || revised.field(t, "windows", 0, "files", 0, "name") != "nightly/all-domains_2024-06-12_000001-r1.csv" {
		t.Errorf("got %s", revised.body)
	}
	if rest := history("?number=1&series=run&limit=1&after=" + revised.text(t, "next")); rest.field(t, "windows", 0, "revision") != "0" || rest.text(t, "next") != "" {
		t.Errorf("got %s", rest.body)
	}
	deliveries := func(schedule, more string) []any {
		t.Helper()
		page := b.do(t, b.asSuperadmin(call{path: deliveriesPath + "?schedule=" + schedule + more})).want(t, http.StatusOK, "")
		all, _ := page.decode(t)["deliveries"].([]any)
		return all
	}
	other := b.do(t, b.asSuperadmin(nightly("other", "tenant_domain", "global", "time_zone", "UTC", "destinations", "kept"))).want(t, http.StatusCreated, "").text(t, "id")
	pbxtest.Eventually(t, "the extra file, those of two windows and that of the first one again are delivered", func() bool {
		return len(deliveries(id, "&state=delivered&event=file")) == 4
	})
	if shown := b.do(t, b.asSuperadmin(call{path: path})).want(t, http.StatusOK, ""); shown.text(t, "deliveries") != "map[delivered:4 failed:0 pending:0]" ||
		shown.field(t, "last", "deliveries", "delivered") != "1" {
		t.Errorf("got %s", shown.body)
	}
	if shown := b.do(t, b.asSuperadmin(call{path: schedulesPath + "/" + other})).want(t, http.StatusOK, ""); shown.text(t, "deliveries") != "" {
		t.Errorf("got %s", shown.body)
	}
	if all := deliveries(other, ""); len(all) != 0 {
		t.Errorf("another schedule has delivered %v", all)
	}
	window := first.field(t, "windows", 0, "id")
	if all := deliveries(id, "&window="+window); len(all) != 1 || !strings.Contains(fmt.Sprint(all[0]), "tries:1") {
		t.Errorf("of the first window were delivered %v", all)
	}
	one := b.do(t, b.asSuperadmin(call{path: path + "/windows/" + window})).want(t, http.StatusOK, "")
	if one.text(t, "label") != "000001" || one.field(t, "files", 0, "late_rows") != "0" || one.field(t, "files", 0, "rows") == "" {
		t.Errorf("got %s", one.body)
	}
	b.do(t, b.asAdmin(call{path: path + "/windows/" + window})).want(t, http.StatusNotFound, "not_found")
	b.do(t, b.asSuperadmin(call{path: schedulesPath + "/" + other + "/windows/" + window})).want(t, http.StatusNotFound, "not_found").says(t, "no such window")
	ask("/run", http.StatusNotFound, "not_found", "number", "99").says(t, "window 99")
	ask("/run", http.StatusNotFound, "not_found", "number", "1", "series", "backfill")

	skipped := ask("/skip", http.StatusOK, "", "reason", "the switch was down")
	if skipped.field(t, "windows", 0, "label") != "000003" || skipped.field(t, "windows", 0, "state") != "skipped" || skipped.field(t, "windows", 0, "reason") != "the switch was down" ||
		skipped.field(t, "windows", 0, "end") != "2024-06-15T00:00:00Z" {
		t.Errorf("got %s", skipped.body)
	}
	ask("/skip", http.StatusConflict, "conflict", "reason", "x", "number", "1").says(t, "000001-r1")

	backfilled := ask("/backfill", http.StatusAccepted, "", "from", "2024-06-08", "to", "2024-06-10")
	if backfilled.field(t, "windows", 2, "label") != "b000003" || backfilled.field(t, "windows", 2, "end") != "2024-06-11T00:00:00Z" {
		t.Errorf("got %s", backfilled.body)
	}
	ended("?series=backfill&number=3")
	ask("/backfill", http.StatusConflict, "conflict", "from", "2024-06-10", "to", "2024-06-11").says(t, "b000003")
	for _, tc := range []struct {
		what, says string
		pairs      []string
	}{
		{"/backfill", "to", []string{"from", "2024-06-01"}},
		{"/backfill", "from", []string{"from", "x", "to", "2024-06-02"}},
		{"/backfill", "to", []string{"from", "2024-06-01", "to", "2024-06-20"}},
		{"/backfill", "TRUNKLINE_SCHEDULE_BACKFILL", []string{"from", "1999-06-01", "to", "2024-06-01"}},
		{"/run", "number", []string{"number", "0"}},
		{"/run", "series", []string{"series", "extra", "number", "1"}},
		{"/run", "number", []string{"series", "backfill"}},
		{"/skip", "reason", nil},
		{"/skip", "reason", []string{"reason", strings.Repeat("x", 501)}},
		{"/pause", "reason", []string{"reason", strings.Repeat("x", 501)}},
	} {
		ask(tc.what, http.StatusBadRequest, "", tc.pairs...).says(t, tc.says)
	}
	for _, query := range []string{"?series=walk", "?state=lost", "?number=x", "?after=x"} {
		name, _, _ := strings.Cut(query[1:], "=")
		b.do(t, b.asSuperadmin(call{path: path + "/windows" + query})).want(t, http.StatusBadRequest, "invalid_request").says(t, name)
	}
	for action, n := range map[string]int{"schedule.run": 3, "schedule.skip": 1, "schedule.backfill": 1} {
		if got := b.recorded(t, action, id); got != n {
			t.Errorf("%s was recorded %d times", action, got)
		}
	}
}

// A page of windows ends early where it would have too many files, and the next goes on there.
func TestWindowsOfManyFiles(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.ExportDays = 7 }})
	b.at(t, "2024-06-12T12:00:00Z")
	id := b.do(t, b.asSuperadmin(nightly("all", "tenant_domain", "global", "files", "each_domain", "window", "since_last_run"))).want(t, http.StatusCreated, "").text(t, "id")
	path := schedulesPath + "/" + id
	ask := func(status int, pairs ...string) answer {
		t.Helper()
		return b.do(t, b.asSuperadmin(call{path: path + "/backfill", form: form(pairs...)})).want(t, status, "")
	}
	for day := 1; day <= 3; day++ {
		date := fmt.Sprintf("2024-06-%02d", day)
		ask(http.StatusAccepted, "from", date, "to", date)
	}
	ask(http.StatusBadRequest, "from", "2024-05-01", "to", "2024-05-08").says(t, "to:", "TRUNKLINE_EXPORT_DAYS")
	b.exec(t, `insert into trunkline.window_files (window_id, job_id, domain_name, name, state)
		select id, gen_random_uuid(), 'd' || n, 'f' || n, 'queued' from trunkline.windows, generate_series(1, 1500) as n`)
	var seen []string
	for after := ""; ; {
		page := b.do(t, b.asSuperadmin(call{path: path + "/windows?after=" + after})).want(t, http.StatusOK, "")
		seen = append(seen, page.field(t, "windows", 0, "label"))
		if windows := page.decode(t)["windows"].([]any); len(windows) != 1 || len(windows[0].(map[string]any)["files"].([]any)) != 1500 {
			t.Errorf("a page has %d windows", len(windows))
		}
		if after = page.text(t, "next"); after == "" {
			break
		}
	}
	if fmt.Sprint(seen) != "[b000003 b000002 b000001]" {
		t.Errorf("got %v", seen)
	}
}

// What has failed is in a list, the metrics and the health of the parts, until it is exported again or skipped.
func TestFailedWindowsAreSeen(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.at(t, "2026-11-28T12:00:00Z")
	id := b.do(t, b.asAdmin(nightly("nightly"))).want(t, http.StatusCreated, "").text(t, "id")
	b.do(t, b.asAdmin(nightly("paused", "enabled", "false"))).want(t, http.StatusCreated, "")
	ready := func() string {
		t.Helper()
		return b.do(t, call{path: "/readyz"}).want(t, http.StatusOK, "").field(t, "parts", "schedules")
	}
	if got := ready(); got != "ok" {
		t.Errorf("got %s", got)
	}
	b.at(t, "2026-11-30T12:00:00Z")
	if got := ready(); !strings.Contains(got, "overdue schedules: 1") {
		t.Errorf("got %s", got)
	}
	b.anew(t)
	b.scrape(t).want(t, map[string]float64{"trunkline_schedules{state=enabled}": 1, "trunkline_schedules{state=paused}": 1, "trunkline_schedules{state=overdue}": 1})
	b.look(t)
	b.exec(t, "update trunkline.jobs set state = 'failed', error_code = 'server_error', error_message = 'broken', finished_at = now() where id in (select job_id from trunkline.window_files limit 1)")
	b.look(t)
	b.anew(t)
	b.scrape(t).want(t, map[string]float64{
		"trunkline_schedules{state=overdue}": 0, "trunkline_schedule_windows{state=failed}": 1, "trunkline_schedule_windows{state=running}": 1, "trunkline_schedule_windows{state=waiting}": 0,
	})
	failing := b.do(t, b.asAdmin(call{path: schedulesPath + "?failing=true"})).want(t, http.StatusOK, "")
	failed := b.do(t, b.asAdmin(call{path: schedulesPath + "/" + id + "/windows?state=failed"})).want(t, http.StatusOK, "")
	if failing.field(t, "schedules", 0, "id") != id || failing.field(t, "schedules", 0, "failing") != "1" || failed.field(t, "windows", 0, "reason") != "broken" || failed.field(t, "windows", 0, "files", 0, "error") != "broken" {
		t.Errorf("got %s and %s", failing.body, failed.body)
	}
	if got := ready(); !strings.Contains(got, failed.field(t, "windows", 0, "label")+" of schedule "+id) || strings.Contains(got, "nightly") {
		t.Errorf("got %s", got)
	}
	b.do(t, b.asAdmin(call{path: schedulesPath + "/" + id + "/skip", form: form("reason", "known", "number", failed.field(t, "windows", 0, "number"))})).want(t, http.StatusOK, "")
	if got := ready(); got != "ok" {
		t.Errorf("got %s", got)
	}
}
