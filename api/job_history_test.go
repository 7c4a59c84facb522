package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// A job tells of its attempts, of the request that asked for it and of its next attempt, over /v1 and in the console; who
// is in charge of all domains sees on which worker, and what was written about it is inert.
func TestTheHistoryOfAJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.madeRunning(t, b.ownDomain())
	b.exec(t, "update trunkline.jobs set worker = 'pbx-7:4711', attempt_at = now(), request_id = 'request-7' where id = $1", id)
	b.exec(t, "update trunkline.jobs set parked_at = now(), wake_at = '2031-01-02T03:04:05Z', progress = json_build_object('note', $2::text) where id = $1", id, hostileText)
	root := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + id})).want(t, http.StatusOK, "")
	root.says(t, `"outcome":"waits"`, `"worker":"pbx-7:4711"`, `"request_id":"request-7"`, `"next_attempt_at":"2031-01-02T03:04:05`)
	if own := b.do(t, b.asAdmin(call{path: "/v1/jobs/" + id})).want(t, http.StatusOK, ""); strings.Contains(own.body, "pbx-7") || !strings.Contains(own.body, `"outcome":"waits"`) {
		t.Errorf("a tenant's admin gets %s", own.body)
	}
	page := b.superadmin(t).get(t, "/console/jobs/"+id).want(t, http.StatusOK, "")
	if text := page.section("timeline"); !strings.Contains(text, "attempt 1 by pbx-7:4711") || !strings.Contains(text, "the job waits, without a worker") || !strings.Contains(text, "2031-01-02 03:04:05 UTC next attempt") {
		t.Errorf("the page: %s", text)
	}
	if !strings.Contains(page.body, "request-7") || strings.Contains(page.body, "<script>alert") {
		t.Errorf("the page: %s", page.body)
	}
	if own := b.tenantAdmin(t).get(t, "/console/jobs/"+id).want(t, http.StatusOK, ""); strings.Contains(own.body, "pbx-7") {
		t.Error("a tenant's admin reads the worker's name")
	}
	got := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("asked", "wait", "0"), headers: map[string]string{"X-Request-Id": "mine-1"}})).want(t, http.StatusAccepted, "")
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + got.text(t, "job_id")})).want(t, http.StatusOK, "").says(t, `"request_id":"mine-1"`)
}
