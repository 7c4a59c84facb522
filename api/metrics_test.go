package api_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"trunkline/api"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

// scraped are the metrics of one scrape by name and labels, such as
// trunkline_jobs{kind=export,state=queued}; of a histogram the number of its observations.
type scraped map[string]float64

func (b *bundle) scrape(t *testing.T) scraped {
	t.Helper()
	got := b.do(t, call{path: "/metrics", from: "127.0.0.1:9"}).want(t, http.StatusOK, "")
	return parseMetrics(t, got.body)
}

func parseMetrics(t *testing.T, body string) scraped {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	must(t, err)
	all := scraped{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			key := name
			if len(labels) > 0 {
				slices.Sort(labels)
				key += "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.Counter != nil:
				all[key] = m.GetCounter().GetValue()
			case m.Gauge != nil:
				all[key] = m.GetGauge().GetValue()
			case m.Histogram != nil:
				all[key] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return all
}

// want checks values; a value below 0 says that there is no such metric.
func (s scraped) want(t *testing.T, want map[string]float64) {
	t.Helper()
	for name, value := range want {
		got, there := s[name]
		if value < 0 {
			if there {
				t.Errorf("%s is %v and should not be there", name, got)
			}
			continue
		}
		if !there || got != value {
			t.Errorf("%s is %v (there: %t), want %v", name, got, there, value)
		}
	}
}

// anew has a front end that has counted nothing and remembers no scrape, as after a restart.
func (b *bundle) anew(t *testing.T) {
	t.Helper()
	var err error
	b.server, err = api.New(b.options)
	must(t, err)
}

func TestMetricsAreWellFormed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest})
	b.exported(t, b.asSuperadmin(call{}))
	b.do(t, call{path: "/v1/jobs", from: stranger + ":1"})
	got := b.do(t, call{path: "/metrics"}).want(t, http.StatusOK, "")
	problems, err := promlint.New(strings.NewReader(got.body)).Lint()
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, name := range []string{"trunkline_requests_total", "trunkline_requests_in_flight", "trunkline_request_duration_seconds", "trunkline_denials_total", "trunkline_up",
		"trunkline_switch_up", "trunkline_database_connections", "trunkline_jobs", "trunkline_jobs_ended_total", "trunkline_queue_depth", "trunkline_queue_oldest_seconds",
		"trunkline_queue_tasks", "trunkline_schedules", "trunkline_schedule_windows", "trunkline_export_rows_total", "trunkline_export_bytes_total", "go_goroutines", "process_cpu_seconds_total"} {
		if !strings.Contains(got.body, "# HELP "+name+" ") {
			t.Errorf("there is no %s", name)
		}
	}
	if !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("got Content-Type %s", got.header.Get("Content-Type"))
	}
}

func TestWhoMayScrape(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	must(t, os.WriteFile(b.whitelist, []byte(caller+"\n"), 0o600)) // this host is not on it
	b.anew(t)
	for name, c := range map[string]struct {
		call call
		want int
	}{
		"this host":                         {call{from: "127.0.0.1:9"}, http.StatusOK},
		"this host by IPv6":                 {call{from: "[::1]:9"}, http.StatusOK},
		"this host by HEAD":                 {call{method: http.MethodHead, from: "127.0.0.1:9"}, http.StatusOK},
		"on the whitelist":                  {call{from: caller + ":9"}, http.StatusOK},
		"a stranger":                        {call{from: stranger + ":9"}, http.StatusForbidden},
		"a proxy on this host, not trusted": {call{from: "127.0.0.1:9", headers: map[string]string{"X-Forwarded-For": "127.0.0.1"}}, http.StatusForbidden},
		"another method":                    {call{method: http.MethodPost, from: caller + ":9"}, http.StatusMethodNotAllowed},
	} {
		c.call.path = "/metrics"
		if got := b.do(t, c.call); got.status != c.want || strings.Contains(got.body, "trunkline_up") != (c.want == http.StatusOK) && c.call.method == "" {
			t.Errorf("%s: got %d, want %d", name, got.status, c.want)
		}
	}
}

// No text of a caller's becomes a label, so that none can make metrics without end.
func TestRequestMetrics(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for i := range 20 {
		b.do(t, call{path: fmt.Sprintf("/made-up-%d", i), method: fmt.Sprintf("MADEUP%d", i)})
		b.do(t, b.asSuperadmin(call{path: fmt.Sprintf("/v1/jobs/0190b5a0-0000-7000-8000-%012d", i)}))
	}
	for i := range 3 {
		b.do(t, call{path: "/v1/jobs", user: fmt.Sprintf("root-%d", i), pass: "wrong"})
	}
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs"})).want(t, http.StatusOK, "")
	b.do(t, call{path: "/v1/jobs", from: stranger + ":1"}).want(t, http.StatusForbidden, "")
	b.do(t, call{path: "/v1/jobs?limit=0&password=x"}).want(t, http.StatusBadRequest, "credentials_in_query")
	got := b.scrape(t)
	got.want(t, map[string]float64{
		"trunkline_requests_total{code=404,endpoint=unrouted,method=other}":                  20,
		"trunkline_requests_total{code=404,endpoint=/v1/jobs/:id,method=GET}":                20,
		"trunkline_requests_total{code=401,endpoint=/v1/jobs,method=GET}":                    3,
		"trunkline_requests_total{code=200,endpoint=/v1/jobs,method=GET}":                    1,
		"trunkline_requests_total{code=403,endpoint=/v1/jobs,method=GET}":                    1,
		"trunkline_requests_total{code=400,endpoint=/v1/jobs,method=GET}":                    1,
		"trunkline_request_duration_seconds{endpoint=/v1/jobs,method=GET}":                   6,
		"trunkline_request_duration_seconds{endpoint=/v1/jobs/:id,method=GET}":               20,
		"trunkline_requests_in_flight":                                                       1, // the scrape itself
		"trunkline_denials_total{reason=authentication_failed}":                              3,
		"trunkline_denials_total{reason=not_whitelisted}":                                    1,
		"trunkline_denials_total{reason=untrusted_proxy}":                                    0,
		"trunkline_denials_total{reason=credentials_in_query}":                               -1,
		"trunkline_denials_total{reason=not_found}":                                          -1,
		"trunkline_requests_total{code=200,endpoint=/app/gateways/provision.php,method=GET}": -1,
	})
	for name := range got {
		if strings.Contains(name, "made-up") || strings.Contains(name, "MADEUP") || strings.Contains(name, "root") || strings.Contains(name, "0190b5a0") {
			t.Errorf("a caller's text is in %s", name)
		}
	}
}

func TestJobMetrics(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest, noWorker: true})
	b.queue(t, 2, b.asSuperadmin)
	b.exec(t, "update trunkline.jobs set queued_at = now() - interval '1 hour'")
	first := b.scrape(t)
	first.want(t, map[string]float64{
		"trunkline_jobs{kind=provision,state=queued}":                        2,
		"trunkline_jobs{kind=provision,state=running}":                       0,
		"trunkline_jobs{kind=export,state=queued}":                           0,
		"trunkline_queue_depth{kind=provision}":                              2,
		"trunkline_queue_oldest_seconds{kind=export}":                        0,
		"trunkline_queue_tasks{queue=provision,state=pending}":               2,
		"trunkline_queue_tasks{queue=export,state=pending}":                  0,
		"trunkline_export_rows_total":                                        0,
		"trunkline_up{part=database}":                                        1,
		"trunkline_up{part=redis}":                                           1,
		"trunkline_switch_up{switch=" + b.switches[0].Addr() + "}":           1,
		"trunkline_database_connections_limit":                               20,
		"trunkline_jobs_ended_total{kind=provision,reason=,state=succeeded}": -1,
	})
	if oldest := first["trunkline_queue_oldest_seconds{kind=provision}"]; oldest < 3600 {
		t.Errorf("the oldest job waits %v seconds, want an hour at least", oldest)
	}
	b.startWorker(t)
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("here")})).want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("here-too")})).want(t, http.StatusOK, "")
	_, _, fields := b.exported(t, b.asSuperadmin(call{}))
	rows, bytes := fields["total_records"].(float64), fields["bytes"].(float64)
	if rows == 0 || bytes == 0 {
		t.Fatalf("got %v", fields)
	}
	pbxtest.Eventually(t, "all jobs have ended", func() bool {
		return b.count(t, "select count(*) from trunkline.jobs where state in ('queued', 'running')") == 0
	})
	want := map[string]float64{
		"trunkline_jobs_ended_total{kind=provision,reason=,state=succeeded}": 4,
		"trunkline_jobs_ended_total{kind=export,reason=,state=succeeded}":    1,
		"trunkline_export_rows_total":                                        rows,
		"trunkline_export_bytes_total":                                       bytes,
		"trunkline_jobs{kind=provision,state=queued}":                        0,
		"trunkline_queue_depth{kind=provision}":                              0,
		"trunkline_queue_oldest_seconds{kind=provision}":                     0,
	}
	b.anew(t)
	b.scrape(t).want(t, want)
	// The totals are those of all processes, and outlive the jobs' rows.
	b.exec(t, "delete from trunkline.jobs")
	b.anew(t)
	b.scrape(t).want(t, want)
}

// A part that does not answer is down; the scrape is answered with all that the others know.
func TestScrapeWithPartsAway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	private := pbxtest.NewRedis(t)
	client := pbxtest.RedisClient(t, private.URL())
	b.options.Tasks = tasks.NewClient(b.pool, b.tasks.Keys(), client, config.Settings{QueuedJobs: plenty, ExportDomainBytes: plenty}, b.options.Log)
	const database, inRedis = "trunkline_up{part=database}", "trunkline_up{part=redis}"
	const ofDatabase, ofRedis = "trunkline_queue_depth{kind=export}", "trunkline_queue_tasks{queue=export,state=pending}"
	sw := "trunkline_switch_up{switch=" + b.switches[0].Addr() + "}"

	must(t, private.Kill())
	b.anew(t)
	b.scrape(t).want(t, map[string]float64{database: 1, inRedis: 0, sw: 1, ofDatabase: 0, ofRedis: -1})
	must(t, private.Restart(t.Context()))
	must(t, b.switches[0].Stop())
	b.anew(t)
	b.scrape(t).want(t, map[string]float64{database: 1, inRedis: 1, sw: 0, ofDatabase: 0, ofRedis: 0})
	must(t, b.switches[0].Restart())
	b.exec(t, "alter table trunkline.jobs rename to elsewhere")
	b.anew(t)
	b.scrape(t).want(t, map[string]float64{database: 0, inRedis: 1, ofDatabase: -1, ofRedis: 0, "trunkline_database_connections_limit": 20})
	b.exec(t, "alter table trunkline.elsewhere rename to jobs")
}

// Any number of scrapes asks the parts once a second at most.
func TestScrapesShareOneAnswer(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	asked := func() int {
		n := 0
		for _, command := range b.switches[0].Commands() {
			if strings.Contains(command.Line, "status") {
				n++
			}
		}
		return n
	}
	began := time.Now()
	for range 20 {
		b.scrape(t)
	}
	seconds := int(time.Since(began) / time.Second)
	if got := asked(); got < 1 || got > 1+seconds {
		t.Errorf("20 scrapes in %d s asked the switch %d times", seconds, got)
	}
}
