package api_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/scheduler"
)

const schedulesPath = "/v1/schedules"

// nightly is a new schedule that runs every day at 00:15.
func nightly(name string, more ...string) call {
	c := call{path: schedulesPath, form: form("name", name, "cron", "15 0 * * *")}
	for i := 0; i < len(more); i += 2 {
		c.form.Set(more[i], more[i+1])
	}
	return c
}

// at sets the clock of schedules.
func (b *bundle) at(t *testing.T, text string) {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	must(t, err)
	b.options.Schedules.Now = func() time.Time { return moment }
}

// look has a scheduler do what is due by the clock of schedules.
func (b *bundle) look(t *testing.T) {
	t.Helper()
	exporter := scheduler.Exporter{Schedules: b.options.Schedules, Tasks: b.tasks, DB: b.options.PBX.FusionPBX, AtOnce: 100, Log: slog.New(slog.DiscardHandler)}
	must(t, exporter.Look(t.Context()))
	_, err := b.tasks.Sweep(t.Context()) // a scheduler does that too
	must(t, err)
}

// field is a value within an answer, by names and indexes.
func (a answer) field(t *testing.T, path ...any) string {
	t.Helper()
	var value any = a.decode(t)
	for _, step := range path {
		switch at := value.(type) {
		case map[string]any:
			value = at[step.(string)]
		case []any:
			if step.(int) >= len(at) {
				t.Fatalf("there is no %v in %s", path, a.body)
			}
			value = at[step.(int)]
		default:
			t.Fatalf("there is no %v in %s", path, a.body)
		}
	}
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// A schedule is made, shown, changed and deleted, and whatever is changed of it leaves no gap.
func TestSchedules(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.at(t, "2026-11-28T12:00:00Z")
	own := b.sample.Domains[1] // in New York
	b.do(t, b.asAdmin(folderCalled("billing"))).want(t, http.StatusCreated, "")
	made := b.do(t, b.asAdmin(nightly("nightly", "destinations", "Billing", "format", "csv", "columns", "billing", "direction", "inbound,outbound"))).want(t, http.StatusCreated, "")
	id, path := made.text(t, "id"), schedulesPath+"/"+made.text(t, "id")
	for field, want := range map[string]string{
		"tenant_domain": own.Name, "domain_uuid": own.UUID, "cron_words": "every day at 00:15", "time_zone": "America/New_York", "window": "previous_day", "lag": "600",
		"files": "one", "file_name": "{schedule}/{domain}_{date_start}_{number}.{extension}", "enabled": "true", "number": "0", "watermark": "2026-11-28T00:00:00-05:00",
		"next_run": "2026-11-29T00:15:00-05:00", "next_window": "map[end:2026-11-29T00:00:00-05:00 start:2026-11-28T00:00:00-05:00]", "last": "", "failing": "0",
		"export": "map[columns:billing direction:inbound,outbound format:CSV]", "created_by": "admin@" + own.Name,
	} {
		if got := made.text(t, field); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
	if made.header.Get("Location") != path || made.field(t, "destinations", 0, "name") != "billing" || made.field(t, "next_runs", 4) != "2026-12-03T00:15:00-05:00" ||
		b.recorded(t, "schedule.create", id) != 1 {
		t.Errorf("got %s", made.body)
	}

	change := func(pairs ...string) answer {
		t.Helper()
		return b.do(t, b.asAdmin(call{method: http.MethodPatch, path: path, form: form(pairs...)})).want(t, http.StatusOK, "")
	}
	// Each is of a parameter, and nothing else changes; empty is as if it had never been given.
	for _, tc := range []struct{ name, value, field, want string }{
		{"name", "by night", "name", "by night"},
		{"lag", "0", "lag", "0"},
		{"lag", "", "lag", "600"},
		{"direction", "", "export", "map[columns:billing format:CSV]"},
		{"columns", "start_stamp:Start,billsec", "export", "map[columns:start_stamp:Start,billsec:billsec format:CSV]"},
		{"template", "cgrates", "export", "map[columns:start_stamp:Start,billsec:billsec format:CSV template:cgrates]"},
		{"columns", "", "export", "map[format:CSV template:cgrates]"},
		{"compression", "gzip", "export", "map[compression:gzip format:CSV template:cgrates]"},
		{"destinations", "", "destinations", "[]"},
		{"file_name", "{number}.{extension}", "file_name", "{number}.{extension}"},
		{"enabled", "false", "enabled", "false"},
		{"enabled", "", "enabled", "true"},
	} {
		if got := change(tc.name, tc.value); got.text(t, tc.field) != tc.want || got.text(t, "next_run") == "" == (tc.want != "false") {
			t.Errorf("%s=%s: got %s", tc.name, tc.value, got.body)
		}
	}
	if b.recorded(t, "schedule.change", id) != 12 {
		t.Error("a change was not recorded")
	}

	// Two days on, it has made two windows; the next one begins where they ended, whatever it is to be.
	b.at(t, "2026-11-30T12:00:00Z")
	b.look(t)
	for _, tc := range []struct{ name, value, end string }{
		{"window", "previous_month", "2026-12-01T00:00:00-05:00"},
		{"time_zone", "Europe/Berlin", "2026-12-01T00:00:00+01:00"},
		{"window", "previous_week", "2026-12-07T00:00:00+01:00"},
		{"window", "since_last_run", ""},
	} {
		got := change(tc.name, tc.value)
		start, err := time.Parse(time.RFC3339, got.field(t, "next_window", "start"))
		if err != nil || !start.Equal(time.Date(2026, 11, 30, 5, 0, 0, 0, time.UTC)) || got.field(t, "next_window", "end") != tc.end || got.text(t, "number") != "2" {
			t.Errorf("%s=%s: got %s", tc.name, tc.value, got.body)
		}
	}
	shown := b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusOK, "")
	if shown.field(t, "last", "label") != "000002" || shown.field(t, "last", "files", 0, "state") != "queued" {
		t.Errorf("got %s", shown.body)
	}
	listed := b.do(t, b.asAdmin(call{path: schedulesPath + "?name=NIGHT&enabled=true&failing=false"})).want(t, http.StatusOK, "")
	if listed.field(t, "schedules", 0, "id") != id || listed.field(t, "schedules", 0, "last", "files") != "" {
		t.Errorf("got %s", listed.body)
	}
	for _, none := range []string{"?name=other", "?enabled=false", "?failing=true"} {
		if got := b.do(t, b.asAdmin(call{path: schedulesPath + none})).want(t, http.StatusOK, ""); got.text(t, "schedules") != "[]" {
			t.Errorf("%s: got %s", none, got.body)
		}
	}
	b.do(t, b.asSuperadmin(nightly("all", "tenant_domain", "global", "enabled", "false"))).want(t, http.StatusCreated, "")
	for _, tc := range []struct {
		as          func(call) call
		query, want string
	}{
		{b.asAdmin, "", `{"schedules":1,"enabled":1,"paused":0,"failing":0}`},
		{b.asSuperadmin, "", `{"schedules":2,"enabled":1,"paused":1,"failing":0}`},
		{b.asSuperadmin, "?tenant_domain=global", `{"schedules":1,"enabled":0,"paused":1,"failing":0}`},
		{b.asSuperadmin, "?name=NIGHT&enabled=false", `{"schedules":0,"enabled":0,"paused":0,"failing":0}`},
	} {
		if got := b.do(t, tc.as(call{path: schedulesPath + "/counts" + tc.query})).want(t, http.StatusOK, ""); strings.TrimSpace(got.body) != tc.want {
			t.Errorf("%s: got %s, want %s", tc.query, got.body, tc.want)
		}
	}
	b.do(t, b.asAdmin(call{method: http.MethodDelete, path: path})).want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusNotFound, "not_found")
	if b.recorded(t, "schedule.delete", id) != 1 {
		t.Error("its end was not recorded")
	}
}

// Whatever is wrong with a schedule is told by the name of the parameter, when it is made and when it is changed.
func TestSchedulesRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.SchedulesPerDomain, s.ExportDays = 2, 10 }})
	made := b.do(t, b.asAdmin(nightly("nightly"))).want(t, http.StatusCreated, "")
	others := b.do(t, b.asSuperadmin(folderCalled("others", "tenant_domain", b.sample.Domains[2].Name))).want(t, http.StatusCreated, "").text(t, "id")
	for _, tc := range []struct{ name, value string }{
		{"name", " "}, {"name", strings.Repeat("x", 65)}, {"cron", ""}, {"cron", "@every 5m"}, {"cron", "61 * * * *"}, {"time_zone", "Mars/Olympus"}, {"window", "previous_year"},
		{"window", "previous_month"}, {"lag", "-1"}, {"lag", "soon"}, {"files", "each_domain"}, {"files", "two"}, {"file_name", "x.csv"}, {"file_name", "../{number}"},
		{"destinations", "nowhere"}, {"destinations", others}, {"destinations", "00000000-0000-0000-0000-000000000000"}, {"enabled", "perhaps"},
		{"format", "PDF"}, {"columns", "color"}, {"compression", "rar"}, {"template", "none"}, {"delimiter", "x"}, {"direction", "sideways"}, {"gateway", "x"}, {"guard", "no"},
		{"color", "red"}, {"date_start", "2026-01-01"},
	} {
		b.do(t, b.asAdmin(nightly("bad", tc.name, tc.value))).want(t, http.StatusBadRequest, "").says(t, tc.name)
		b.do(t, b.asAdmin(call{method: http.MethodPatch, path: schedulesPath + "/" + made.text(t, "id"), form: form(tc.name, tc.value)})).
			want(t, http.StatusBadRequest, "invalid_request").says(t, tc.name)
	}
	if now := b.do(t, b.asAdmin(call{path: schedulesPath + "/" + made.text(t, "id")})).want(t, http.StatusOK, ""); now.body != made.body {
		t.Errorf("it was changed from %s to %s", made.body, now.body)
	}
	b.do(t, b.asAdmin(nightly("Nightly"))).want(t, http.StatusConflict, "conflict").says(t, "name")
	b.do(t, b.asAdmin(nightly("second"))).want(t, http.StatusCreated, "")
	b.do(t, b.asAdmin(nightly("third"))).want(t, http.StatusConflict, "conflict").says(t, "TRUNKLINE_SCHEDULES_PER_DOMAIN")
	for query, says := range map[string]string{
		"?cron=nonsense": "cron", "?cron=@daily&time_zone=x": "time_zone", "?cron=@daily&n=0": "n", "": "cron",
	} {
		b.do(t, b.asAdmin(call{path: schedulesPath + "/next" + query})).want(t, http.StatusBadRequest, "").says(t, says)
	}
}

// When a cron expression runs is told before there is a schedule, and of one that there is.
func TestNextRuns(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.at(t, "2026-11-28T12:00:00Z")
	made := b.do(t, b.asAdmin(nightly("nightly"))).want(t, http.StatusCreated, "")
	for _, path := range []string{"/" + made.text(t, "id") + "/next?n=2", "/next?cron=15+0+*+*+*&n=2"} {
		got := b.do(t, b.asAdmin(call{path: schedulesPath + path})).want(t, http.StatusOK, "")
		if got.text(t, "runs") != "[2026-11-29T00:15:00-05:00 2026-11-30T00:15:00-05:00]" || got.text(t, "cron_words") != "every day at 00:15" || got.text(t, "time_zone") != "America/New_York" {
			t.Errorf("%s: got %s", path, got.body)
		}
	}
	got := b.do(t, b.asSuperadmin(call{path: schedulesPath + "/next?time_zone=Europe/Berlin&cron=" + "*%20*%20*%20*%20*"})).want(t, http.StatusOK, "")
	if got.field(t, "runs", 4) != "2026-11-28T13:05:00+01:00" || got.text(t, "warning") == "" {
		t.Errorf("got %s", got.body)
	}
}

// What a domain's caller sees, makes and changes is its own; schedules of all domains are a superadmin's.
func TestSchedulesOfOthers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	ofAll := b.do(t, b.asSuperadmin(nightly("all", "tenant_domain", "global", "files", "each_domain"))).want(t, http.StatusCreated, "")
	other := b.do(t, b.asSuperadmin(nightly("other", "tenant_domain", b.sample.Domains[2].Name))).want(t, http.StatusCreated, "")
	if ofAll.text(t, "domain_uuid") != "" || ofAll.text(t, "files") != "each_domain" || other.text(t, "tenant_domain") != b.sample.Domains[2].Name {
		t.Errorf("got %s and %s", ofAll.body, other.body)
	}
	own := b.do(t, b.asAdmin(nightly("own"))).want(t, http.StatusCreated, "").text(t, "id")
	for _, made := range []answer{ofAll, other} {
		path := schedulesPath + "/" + made.text(t, "id")
		for _, c := range []call{
			{path: path}, {path: path + "/windows"}, {path: path + "/next"},
			{method: http.MethodPatch, path: path, form: form("name", "mine")}, {method: http.MethodDelete, path: path},
			{path: path + "/run", form: form()}, {path: path + "/run", form: form("number", "1")}, {path: path + "/skip", form: form("reason", "mine")},
			{path: path + "/backfill", form: form("from", "2024-01-01", "to", "2024-01-02")}, {path: path + "/pause", form: form()}, {path: path + "/resume", form: form()},
		} {
			b.do(t, b.asAdmin(c)).want(t, http.StatusNotFound, "not_found")
		}
		if now := b.do(t, b.asSuperadmin(call{path: path})).want(t, http.StatusOK, ""); now.body != made.body {
			t.Errorf("it was changed from %s to %s", made.body, now.body)
		}
	}
	for _, domain := range []string{"global", b.sample.Domains[2].Name} {
		for _, c := range []call{
			nightly("foreign", "tenant_domain", domain), {path: schedulesPath + "?tenant_domain=" + domain}, {path: schedulesPath + "/pause", form: form("tenant_domain", domain)},
		} {
			b.do(t, b.asAdmin(c)).want(t, http.StatusForbidden, "forbidden")
		}
	}
	if got := b.do(t, b.asAdmin(call{path: schedulesPath})).want(t, http.StatusOK, ""); got.field(t, "schedules", 0, "id") != own || strings.Count(got.body, `"cron_words"`) != 1 {
		t.Errorf("got %s", got.body)
	}
	if got := b.do(t, b.asSuperadmin(call{path: schedulesPath + "?tenant_domain=global"})).want(t, http.StatusOK, ""); got.field(t, "schedules", 0, "id") != ofAll.text(t, "id") || strings.Count(got.body, `"cron_words"`) != 1 {
		t.Errorf("got %s", got.body)
	}
	// A tenant that pauses all pauses its own.
	if got := b.do(t, b.asAdmin(call{path: schedulesPath + "/pause", form: form("all", "true")})).want(t, http.StatusOK, ""); got.text(t, "count") != "1" || got.field(t, "schedules", 0, "id") != own {
		t.Errorf("got %s", got.body)
	}
}

// A tenant whose schedule brings files to a destination of all domains does not name them: they could pass for those of another
// domain there, or take their names.
func TestSchedulesNamesAtDestinationsOfOthers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.do(t, b.asSuperadmin(folderCalled("provider", "tenant_domain", "global"))).want(t, http.StatusCreated, "")
	b.do(t, b.asAdmin(folderCalled("own"))).want(t, http.StatusCreated, "")
	path := schedulesPath + "/" + b.do(t, b.asSuperadmin(nightly("nightly", "tenant_domain", b.sample.AdminDomain, "destinations", "provider"))).want(t, http.StatusCreated, "").text(t, "id")
	change := func(pairs ...string) call { return call{method: http.MethodPatch, path: path, form: form(pairs...)} }
	const name = "nightly/other.example_2026-11-28_{number}.csv"
	b.do(t, b.asAdmin(change("file_name", name))).want(t, http.StatusForbidden, "forbidden").says(t, "file_name")
	b.do(t, b.asAdmin(change("name", "weekly"))).want(t, http.StatusForbidden, "forbidden").says(t, "name")
	b.do(t, b.asAdmin(change("cron", "30 0 * * *", "name", "nightly", "file_name", ""))).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(change("file_name", "{domain}-{number}.csv"))).want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(change("name", "weekly"))).want(t, http.StatusOK, "") // no name of a file holds it
	b.do(t, b.asAdmin(change("file_name", name, "destinations", "own"))).want(t, http.StatusOK, "")
}

// One schedule or many are paused and resumed, and a list shows which.
func TestPauseSchedules(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.at(t, "2026-11-28T12:00:00Z")
	var ids []string
	for _, name := range []string{"one", "two", "another"} {
		ids = append(ids, b.do(t, b.asAdmin(nightly(name))).want(t, http.StatusCreated, "").text(t, "id"))
	}
	paused := b.do(t, b.asAdmin(call{path: schedulesPath + "/" + ids[0] + "/pause", form: form("reason", "holidays")})).want(t, http.StatusOK, "")
	if paused.text(t, "enabled") != "false" || paused.text(t, "paused_because") != "holidays" || paused.text(t, "next_run") != "" || paused.field(t, "next_runs", 0) != "2026-11-29T00:15:00-05:00" {
		t.Errorf("got %s", paused.body)
	}
	b.do(t, b.asAdmin(call{path: schedulesPath + "/pause", form: form()})).want(t, http.StatusBadRequest, "missing_parameters").says(t, "all=true")
	b.do(t, b.asAdmin(call{path: schedulesPath + "/pause", form: form("all", "true", "name", "o")})).want(t, http.StatusBadRequest, "invalid_request").says(t, "all")
	many := b.do(t, b.asAdmin(call{path: schedulesPath + "/pause", form: form("name", "O", "reason", "moving")})).want(t, http.StatusOK, "")
	if many.text(t, "count") != "2" || strings.Contains(many.body, ids[0]) { // one was so before
		t.Errorf("got %s", many.body)
	}
	if b.look(t); b.count(t, "select count(*) from trunkline.windows") != 0 {
		t.Error("a paused schedule has run")
	}
	// What a paused schedule makes waits, and the answer says so; what somebody names is exported all the same.
	b.at(t, "2026-11-29T12:00:00Z")
	ask := func(what string, pairs ...string) answer {
		t.Helper()
		return b.do(t, b.asAdmin(call{path: schedulesPath + "/" + ids[0] + what, form: form(pairs...)})).want(t, http.StatusAccepted, "")
	}
	ask("/run").says(t, "once it is resumed")
	ask("/backfill", "from", "2026-11-20", "to", "2026-11-21").says(t, "once it is resumed")
	if extra := ask("/run"); extra.text(t, "note") != "" || extra.field(t, "windows", 0, "series") != "extra" {
		t.Errorf("got %s", extra.body)
	}
	b.look(t)
	if b.count(t, "select count(*) from trunkline.windows where state = 'running' and series = 'extra'") != 1 || b.count(t, "select count(*) from trunkline.windows where state = 'waiting'") != 3 {
		t.Error("windows of a paused schedule are exported")
	}
	resumed := b.do(t, b.asAdmin(call{path: schedulesPath + "/" + ids[0] + "/resume", form: form()})).want(t, http.StatusOK, "")
	if again := ask("/run"); again.text(t, "note") != "" {
		t.Errorf("got %s", again.body)
	}
	if resumed.text(t, "enabled") != "true" || resumed.text(t, "paused_because") != "" || resumed.text(t, "next_run") == "" {
		t.Errorf("got %s", resumed.body)
	}
	rest := b.do(t, b.asAdmin(call{path: schedulesPath + "/resume", form: form("enabled", "false")})).want(t, http.StatusOK, "")
	if rest.text(t, "count") != "2" || strings.Contains(rest.body, ids[0]) {
		t.Errorf("got %s", rest.body)
	}
	for i, id := range ids {
		if b.recorded(t, "schedule.pause", id) != 1 || b.recorded(t, "schedule.resume", id) != 1 {
			t.Errorf("schedule %d: its changes were not recorded once", i)
		}
	}
}
