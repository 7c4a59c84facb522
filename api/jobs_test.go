package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// queue makes n provision jobs that no worker takes, and returns their ids, oldest first.
func (b *bundle) queue(t *testing.T, n int, as func(call) call) []string {
	t.Helper()
	var ids []string
	for i := range n {
		got := b.do(t, as(call{path: provisionPath, form: carrier(fmt.Sprintf("queued-%d", i), "wait", "0")})).want(t, http.StatusAccepted, "")
		ids = append(ids, got.text(t, "job_id"))
	}
	return ids
}

// jobIDs are the ids on one page of the list, and the next page's after.
func (b *bundle) jobIDs(t *testing.T, c call, query string) (ids []string, next string) {
	t.Helper()
	c.path = "/v1/jobs?" + query
	got := b.do(t, c).want(t, http.StatusOK, "")
	for _, job := range got.decode(t)["jobs"].([]any) {
		ids = append(ids, job.(map[string]any)["job_id"].(string))
	}
	return ids, got.text(t, "next")
}

func TestListJobs(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, cdrs: 20, now: newest, noWorker: true})
			queued := b.queue(t, 5, b.asSuperadmin)
			export, _, _ := b.exported(t, b.asSuperadmin(call{}))
			var all []string
			for next := ""; ; {
				page, after := b.jobIDs(t, b.asSuperadmin(call{}), "limit=2&after="+next)
				all = append(all, page...)
				if next = after; next == "" {
					break
				}
			}
			want := export
			for i := range queued {
				want += " " + queued[len(queued)-1-i]
			}
			if got := strings.Join(all, " "); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			for query, want := range map[string]int{"kind=export": 1, "kind=provision": 5, "state=queued": 5, "state=succeeded&kind=export": 1, "state=failed": 0, "limit=200": 6} {
				if got, _ := b.jobIDs(t, b.asSuperadmin(call{}), query); len(got) != want {
					t.Errorf("%s: got %d jobs, want %d", query, len(got), want)
				}
			}
		})
	}
}

// Filters of domain, time and external_id, each alone and together.
func TestListJobsFilters(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	add := func(as func(call) call, name string, more ...string) string {
		t.Helper()
		return b.do(t, as(call{path: provisionPath, form: carrier(name, append(more, "wait", "0")...)})).want(t, http.StatusAccepted, "").text(t, "job_id")
	}
	first, second := b.sample.Domains[0].Name, b.sample.Domains[1].Name
	old := add(b.asSuperadmin, "old", "external_id", "service-1")
	global := add(b.asSuperadmin, "global", "tenant_domain", "global")
	own := add(b.asAdmin, "own", "external_id", "service-2")
	old = b.madeAt(t, old, "2026-01-31T23:30:00Z")
	global = b.madeAt(t, global, "2026-02-01T00:00:00Z")
	own = b.madeAt(t, own, "2026-02-02T12:00:00Z")
	b.exec(t, `update trunkline.jobs set state = 'failed', error_code = 'timeout', error_message = 'Took 100% of_it', finished_at = now() where id = $1`, own)
	root := b.sample.SuperadminName + "@" + first
	names := map[string]string{old: "old", global: "global", own: "own"}
	for _, c := range []struct {
		as          func(call) call
		query, want string
	}{
		{b.asSuperadmin, "", "own global old"},
		{b.asSuperadmin, "tenant_domain=" + first, "old"},
		{b.asSuperadmin, "tenant_domain=" + strings.ToUpper(second), "own"},
		{b.asSuperadmin, "domain_uuid=" + b.sample.Domains[1].UUID, "own"},
		{b.asSuperadmin, "tenant_domain=global", "global"},
		{b.asSuperadmin, "external_id=service-1", "old"},
		{b.asSuperadmin, "external_id=service", ""},
		{b.asSuperadmin, "created_after=2026-02-01", "own global"},
		{b.asSuperadmin, "created_before=2026-02-01", "old"},
		{b.asSuperadmin, "created_after=2026-02-01T01:00:00%2B01:00&created_before=2026-02-02T12:00:00Z", "global"},
		{b.asSuperadmin, "created_before=0001-01-01", ""},
		{b.asSuperadmin, "created_after=2026-01-01&tenant_domain=" + first + "&kind=provision&state=queued&external_id=service-1", "old"},
		{b.asSuperadmin, "tenant_domain=" + first + "&external_id=service-2", ""},
		{b.asSuperadmin, "who=" + root, "global old"},
		{b.asSuperadmin, "who=" + root + "&state=queued&external_id=service-1", "old"},
		{b.asSuperadmin, "who=nobody", ""},
		{b.asSuperadmin, "text=took+100%25+OF_IT&created_after=2026-01-01", "own"},
		{b.asSuperadmin, "text=took+100%25+OF_IT&created_after=2026-02-03", ""},
		{b.asSuperadmin, "text=took%25of&created_after=2026-01-01", ""},
		{b.asSuperadmin, "text=GLOBAL&created_after=2026-01-01", "global"},
		{b.asAdmin, "text=took&created_after=2026-01-01", "own"},
		{b.asAdmin, "text=global&created_after=2026-01-01", ""},
		{b.asAdmin, "", "own"},
		{b.asAdmin, "tenant_domain=" + second, "own"},
		{b.asAdmin, "external_id=service-1", ""},
	} {
		ids, _ := b.jobIDs(t, c.as(call{}), c.query)
		var got []string
		for _, id := range ids {
			got = append(got, names[id])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.query, got, c.want)
		}
		counts := b.do(t, c.as(call{path: "/v1/jobs/counts?" + c.query})).want(t, http.StatusOK, "").decode(t)
		if counts["jobs"] != float64(len(ids)) || counts["exact"] != true {
			t.Errorf("%s: counts %v of %d jobs", c.query, counts, len(ids))
		}
	}
	b.do(t, b.asAdmin(call{path: "/v1/jobs?tenant_domain=" + first})).want(t, http.StatusForbidden, "forbidden")
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs?tenant_domain=none.example"})).want(t, http.StatusNotFound, "not_found").says(t, "none.example")
}

// madeAt has the job be one that was made then, and returns its id, which says so too.
func (b *bundle) madeAt(t *testing.T, job, at string) (id string) {
	t.Helper()
	made, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	ms := fmt.Sprintf("%012x", made.UnixMilli())
	id = ms[:8] + "-" + ms[8:] + job[13:]
	b.exec(t, "update trunkline.jobs set id = $2, created_at = $3 where id = $1", job, id, made)
	return id
}

// What the triggers keep is counted by state and kind, of the domains that the caller sees.
func TestCountJobs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.queue(t, 3, b.asSuperadmin)
	own := b.queue(t, 2, b.asAdmin)
	b.do(t, b.asAdmin(call{method: http.MethodPost, path: "/v1/jobs/" + own[0] + "/cancel"})).want(t, http.StatusOK, "")
	for _, c := range []struct {
		as          func(call) call
		query, want string
	}{
		{b.asSuperadmin, "", "map[exact:true jobs:5 kinds:[map[jobs:5 kind:provision states:map[cancelled:1 failed:0 partial:0 queued:4 running:0 succeeded:0]]] states:map[cancelled:1 failed:0 partial:0 queued:4 running:0 succeeded:0]]"},
		{b.asAdmin, "", "map[exact:true jobs:2 kinds:[map[jobs:2 kind:provision states:map[cancelled:1 failed:0 partial:0 queued:1 running:0 succeeded:0]]] states:map[cancelled:1 failed:0 partial:0 queued:1 running:0 succeeded:0]]"},
		{b.asAdmin, "state=queued", "map[exact:true jobs:1 kinds:[map[jobs:1 kind:provision states:map[cancelled:0 failed:0 partial:0 queued:1 running:0 succeeded:0]]] states:map[cancelled:0 failed:0 partial:0 queued:1 running:0 succeeded:0]]"},
		{b.asSuperadmin, "kind=export", "map[exact:true jobs:0 kinds:[] states:map[cancelled:0 failed:0 partial:0 queued:0 running:0 succeeded:0]]"},
		{b.asSuperadmin, "tenant_domain=global", "map[exact:true jobs:0 kinds:[] states:map[cancelled:0 failed:0 partial:0 queued:0 running:0 succeeded:0]]"},
	} {
		if got := fmt.Sprint(b.do(t, c.as(call{path: "/v1/jobs/counts?" + c.query})).want(t, http.StatusOK, "").decode(t)); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.query, got, c.want)
		}
	}
}

// Of what no figures are kept no more than the newest are counted, and the answer says so.
func TestCountsThatAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `
		insert into trunkline.jobs (id, kind, state, created_by, created_by_name, subject, body_hash, params, result, finished_at)
		select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'export', 'succeeded', gen_random_uuid(), 'many', 's' || n % 2, '', '{}', '{}', now()
		from generate_series(1, 20001) n`)
	for query, want := range map[string]string{
		"who=many": "20000 among 20000", "who=many&created_after=2020-01-01&text=s1": "10000 among 20000", "who=few": "0 among <nil>",
	} {
		got := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/counts?" + query})).want(t, http.StatusOK, "").decode(t)
		if said := fmt.Sprintf("%v among %v", got["jobs"], got["counted_among"]); said != want || got["exact"] != (query == "who=few") {
			t.Errorf("%s: got %v, want %s", query, got, want)
		}
	}
}

func TestListJobsErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for query, names := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "kind=fax": "fax", "state=lost": "lost", "after=x": "after",
		"created_after=yesterday": "created_after: \\\"yesterday", "created_before=2026-13-01": "created_before",
		"created_after=2026-02-01&created_before=2026-02-01": "created_before", "external_id=" + strings.Repeat("x", 256): "external_id",
		"after=urn:uuid:0190b5a0-0000-7000-8000-000000000000": "after", "text=x": "text: is looked for within a span of time; give created_after",
		"who=" + strings.Repeat("x", 256): "who", "created_after=2026-01-01&text=" + strings.Repeat("x", 256): "text",
	} {
		b.do(t, b.asSuperadmin(call{path: "/v1/jobs?" + query})).want(t, http.StatusBadRequest, "invalid_request").says(t, names)
	}
}

func TestJobShape(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	got := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("shape", "external_id", "17")})).want(t, http.StatusOK, "")
	job := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + got.text(t, "job_id")})).want(t, http.StatusOK, "")
	fields := job.decode(t)
	want := map[string]any{"kind": "provision", "state": "succeeded", "done": true, "attempts": 1.0, "external_id": "17",
		"created_by": b.sample.SuperadminName + "@" + b.sample.Domains[0].Name}
	for field, value := range want {
		if fields[field] != value {
			t.Errorf("%s is %v, want %v", field, fields[field], value)
		}
	}
	for _, field := range []string{"created_at", "started_at", "finished_at", "progress", "parameters", "result"} {
		if fields[field] == nil {
			t.Errorf("no %s in %s", field, job.body)
		}
	}
	if _, both := fields["error"]; both {
		t.Errorf("a result and an error in %s", job.body)
	}
}

func TestCancelAndRetry(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.queue(t, 1, b.asAdmin)[0]
	post := func(action string) call {
		return b.asAdmin(call{method: http.MethodPost, path: "/v1/jobs/" + id + "/" + action})
	}
	b.do(t, post("retry")).want(t, http.StatusConflict, "job_state").says(t, "queued")
	got := b.do(t, post("cancel")).want(t, http.StatusOK, "")
	if fields := got.decode(t); fields["state"] != "cancelled" || fields["error"].(map[string]any)["code"] != "cancelled" {
		t.Errorf("got %s", got.body)
	}
	b.do(t, post("cancel")).want(t, http.StatusConflict, "job_state").says(t, "cancelled")
	// Its password was wiped: the request has to be sent again.
	b.do(t, post("retry")).want(t, http.StatusConflict, "job_state").says(t, "wiped when it is cancelled", "send the request again")

	export := b.do(t, withHeader(b.asAdmin(call{path: exportPath, form: everything("wait", "0")}), "Idempotency-Key", "e")).want(t, http.StatusAccepted, "")
	id = export.text(t, "job_id")
	// Credentials in the body serve too.
	login := form("username", b.sample.AdminName, "password", b.sample.AdminPassword)
	b.do(t, call{path: "/v1/jobs/" + id + "/cancel", form: login}).want(t, http.StatusOK, "")
	retried := b.do(t, call{path: "/v1/jobs/" + id + "/retry", form: login}).want(t, http.StatusAccepted, "")
	if retried.text(t, "state") != "queued" || retried.header.Get("Location") != "/v1/jobs/"+id {
		t.Errorf("got %v %s", retried.header, retried.body)
	}
	b.startWorker(t)
	done := b.do(t, b.asAdmin(call{path: "/v1/jobs/" + id + "?wait=20"})).want(t, http.StatusOK, "")
	if done.text(t, "state") != "succeeded" {
		t.Errorf("got %s", done.body)
	}
}

func TestCancelOfARunningJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.queue(t, 1, b.asSuperadmin)[0]
	_, err := b.tasks.Claim(t.Context(), id, 1, "test")
	must(t, err)
	got := b.do(t, b.asSuperadmin(call{method: http.MethodPost, path: "/v1/jobs/" + id + "/cancel"})).want(t, http.StatusOK, "")
	if got.text(t, "state") != "running" || got.text(t, "cancel_requested") != "true" || got.header.Get("Retry-After") == "" {
		t.Errorf("got %s", got.body)
	}
}

// TestTenants: what one tenant has is not there for another's admin, on every path by which one could
// come to it.
func TestTenants(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true})
	foreign := b.queue(t, 1, b.asSuperadmin)[0]
	global := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("g", "wait", "0", "tenant_domain", "global")})).text(t, "job_id")
	export, _, _ := b.exported(t, b.asSuperadmin(call{}))
	own := b.queue(t, 1, b.asAdmin)[0]
	forAdmin := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("a", "wait", "0", "tenant_domain", b.sample.AdminDomain)})).text(t, "job_id")
	for _, id := range []string{foreign, global, export} {
		for _, c := range []call{
			{path: "/v1/jobs/" + id},
			{path: "/v1/jobs/" + id + "?wait=0"},
			{method: http.MethodPost, path: "/v1/jobs/" + id + "/cancel"},
			{method: http.MethodPost, path: "/v1/jobs/" + id + "/retry"},
			{path: "/v1/exports/" + id + "/file"},
		} {
			b.do(t, b.asAdmin(c)).want(t, http.StatusNotFound, "not_found")
		}
	}
	if got, _ := b.jobIDs(t, b.asAdmin(call{}), ""); strings.Join(got, " ") != forAdmin+" "+own {
		t.Errorf("the admin sees %v, want %s and %s", got, forAdmin, own)
	}
	if got, _ := b.jobIDs(t, b.asSuperadmin(call{}), ""); len(got) != 5 {
		t.Errorf("the superadmin sees %d jobs, want 5", len(got))
	}
	if job, err := b.tasks.Get(t.Context(), foreign, tenant.All); err != nil || job.State != tasks.StateQueued || job.CancelRequested {
		t.Errorf("the foreign job was touched: %+v, %v", job, err)
	}
	// A gateway of the same name in another domain is another gateway.
	b.startWorker(t)
	for _, as := range []func(call) call{b.asSuperadmin, b.asAdmin} {
		b.do(t, as(call{path: provisionPath, form: carrier("same-name")})).want(t, http.StatusOK, "")
	}
	if n := b.count(t, "select count(distinct domain_uuid) from v_gateways where gateway = 'same-name'"); n != 2 {
		t.Errorf("the gateways are in %d domains", n)
	}
}
