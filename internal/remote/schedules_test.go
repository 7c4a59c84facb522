package remote

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/alecthomas/kong"
)

// command is the one that a command line names, with its flags.
func command(t *testing.T, words ...string) interface{ Run(*session) error } {
	t.Helper()
	parser, err := kong.New(&struct {
		Schedules    Schedules    `cmd:""`
		Destinations Destinations `cmd:""`
		Deliveries   Deliveries   `cmd:""`
	}{}, kong.ExplicitGroups([]kong.Group{ConnectionFlags}))
	must(t, err)
	line, err := parser.Parse(words)
	must(t, err)
	return line.Selected().Target.Addr().Interface().(interface{ Run(*session) error })
}

const aSchedule = "0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a11"

func TestSchedulesAreListed(t *testing.T) {
	t.Parallel()
	sc := &scene{api: answers{"GET " + schedulesPath: func(w http.ResponseWriter, r *http.Request, _ string) {
		if r.URL.Query().Get("failing") != "true" || r.URL.Query().Get("tenant_domain") != "a.example" {
			t.Errorf("it asks for %s", r.URL.RawQuery)
		}
		says(200, `{"schedules":[{"id":"`+aSchedule+`","name":"nightly","cron_words":"every day at 00:15","window":"previous_day","next_run":"2026-03-01T00:15:00+01:00","number":7,"failing":2,"last":{"state":"failed"}},
			{"id":"`+aSchedule+`","name":"old","paused_because":"its domain a.example is disabled"}]}`)(w, r, "")
	}}}
	sc.run(t, command(t, "schedules", "list", "--failing", "--domain", "a.example")).wants(t, 0, "every day at 00:15", "2026-03-01T00:15:00+01:00", "failed", "paused: its domain a.example is disabled")
}

func TestAScheduleIsMadeAndChanged(t *testing.T) {
	t.Parallel()
	var asked url.Values
	takes := func(w http.ResponseWriter, r *http.Request, body string) {
		asked, _ = url.ParseQuery(body)
		says(200, `{"id":"`+aSchedule+`","name":"nightly","next_runs":["2026-03-01T00:15:00+01:00"]}`)(w, r, body)
	}
	sc := &scene{api: answers{"POST " + schedulesPath: takes, "PATCH " + schedulesPath + "/" + aSchedule: takes}}
	sc.run(t, command(t, "schedules", "create", "--name", "nightly", "--cron", "15 0 * * *", "--destinations", "billing", "--set", "answered=true")).wants(t, 0, "2026-03-01T00:15:00+01:00")
	if want := (url.Values{"name": {"nightly"}, "cron": {"15 0 * * *"}, "destinations": {"billing"}, "answered": {"true"}}); asked.Encode() != want.Encode() {
		t.Errorf("it asks for %s, want %s", asked.Encode(), want.Encode())
	}
	sc.run(t, command(t, "schedules", "edit", aSchedule, "--time-zone", "", "--lag", "0")).wants(t, 0, "nightly")
	if want := (url.Values{"time_zone": {""}, "lag": {"0"}}); asked.Encode() != want.Encode() {
		t.Errorf("it asks for %s, want %s", asked.Encode(), want.Encode())
	}
	sc.run(t, command(t, "schedules", "edit", aSchedule)).wants(t, 1, "nothing is to be changed")
	sc.run(t, command(t, "schedules", "edit", "../jobs", "--lag", "0")).wants(t, 1, "not a schedule's id")
}

func TestSchedulesArePausedByOneWayOfNaming(t *testing.T) {
	t.Parallel()
	sc := &scene{api: answers{
		"POST " + schedulesPath + "/pause":                    says(200, `{"count":1,"schedules":[{"id":"`+aSchedule+`","name":"nightly"}]}`),
		"POST " + schedulesPath + "/" + aSchedule + "/resume": says(200, `{"id":"`+aSchedule+`","name":"nightly"}`),
	}}
	sc.run(t, command(t, "schedules", "pause")).wants(t, 1, "one of the three")
	sc.run(t, command(t, "schedules", "pause", aSchedule, "--all")).wants(t, 1, "one of the three")
	sc.run(t, command(t, "schedules", "pause", "--domain", "a.example")).wants(t, 0, "1 schedules: paused", "nightly")
	sc.run(t, command(t, "schedules", "resume", aSchedule)).wants(t, 0, "nightly")
}

func TestWindowsAreRunAndShown(t *testing.T) {
	t.Parallel()
	window := `{"series":"run","number":42,"revision":1,"start":"2026-03-01T00:00:00Z","state":"waiting","files":[{"job_id":"` + testJob + `","rows":12}]}`
	sc := &scene{api: answers{
		"POST " + schedulesPath + "/" + aSchedule + "/run":      says(202, `{"windows":[`+window+`]}`),
		"POST " + schedulesPath + "/" + aSchedule + "/backfill": says(202, `{"windows":[`+window+`],"note":"the schedule is paused: these wait"}`),
		"GET " + schedulesPath + "/" + aSchedule + "/windows":   says(200, `{"windows":[`+window+`],"next":"`+testJob+`"}`),
		"GET " + schedulesPath + "/next":                        says(200, `{"cron_words":"every minute","warning":"it runs every minute","time_zone":"UTC","runs":["2026-03-01T00:15:00Z"]}`),
	}}
	sc.run(t, command(t, "schedules", "run", aSchedule, "--number", "42")).wants(t, 0, "waiting", "schedules history")
	sc.run(t, command(t, "schedules", "backfill", aSchedule, "--from", "2026-01-01", "--to", "2026-01-02")).wants(t, 0, "waiting", "NOTE: the schedule is paused")
	sc.run(t, command(t, "schedules", "history", aSchedule, "--limit", "1")).wants(t, 0, "42", testJob, "12", "older ones are left out")
	sc.run(t, command(t, "schedules", "next", "--cron", "* * * * *")).wants(t, 0, "WARNING: it runs every minute", "2026-03-01T00:15:00Z")
	sc.run(t, command(t, "schedules", "next")).wants(t, 1, "one of them")
	sc.run(t, command(t, "schedules", "delete", aSchedule)).wants(t, 1, "--yes")
}
