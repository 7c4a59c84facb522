package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

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
	b.exec(t, `update trunkline.jobs set created_at = '2026-01-31 23:30:00Z' where id = $1`, old)
	b.exec(t, `update trunkline.jobs set created_at = '2026-02-01 00:00:00Z' where id = $1`, global)
	b.exec(t, `update trunkline.jobs set created_at = '2026-02-02 12:00:00Z' where id = $1`, own)
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
	}
	b.do(t, b.asAdmin(call{path: "/v1/jobs?tenant_domain=" + first})).want(t, http.StatusForbidden, "forbidden")
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs?tenant_domain=none.example"})).want(t, http.StatusNotFound, "not_found").says(t, "none.example")
}

func TestListJobsErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for query, names := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "kind=fax": "fax", "state=lost": "lost", "after=x": "after",
		"created_after=yesterday": "created_after: \\\"yesterday", "created_before=2026-13-01": "created_before",
		"created_after=2026-02-01&created_before=2026-02-01": "created_before", "external_id=" + strings.Repeat("x", 256): "external_id",
		"after=urn:uuid:0190b5a0-0000-7000-8000-000000000000": "after",
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
