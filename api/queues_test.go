package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A queue that is paused holds jobs back, says so to whoever waits, in /readyz and to Prometheus, and goes on once it is
// resumed; both stand in the audit.
func TestPausedQueue(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	post := func(action string, pairs ...string) call {
		return b.asSuperadmin(call{method: http.MethodPost, path: "/v1/queues/" + action, form: form(pairs...)})
	}
	b.do(t, post("provision/pause")).want(t, http.StatusBadRequest, "missing_parameters").says(t, "reason")
	b.do(t, post("provision/pause", "reason", strings.Repeat("x", 501))).want(t, http.StatusBadRequest, "invalid_request").says(t, "reason")
	b.do(t, post("fax/pause", "reason", "none")).want(t, http.StatusNotFound, "not_found").says(t, "provision, export, bulk, deliver")
	b.do(t, b.asAdmin(call{method: http.MethodPost, path: "/v1/queues/provision/pause", form: form("reason", "mine")})).want(t, http.StatusForbidden, "forbidden")
	for _, path := range []string{"/v1/queues", "/v1/workers"} {
		b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusForbidden, "forbidden").says(t, "of all domains")
	}
	root := b.sample.SuperadminName + "@" + b.sample.Domains[0].Name
	paused := b.do(t, post("provision/pause", "reason", "the switch is replaced")).want(t, http.StatusOK, "").decode(t)["paused"].(map[string]any)
	if paused["by"] != root || paused["reason"] != "the switch is replaced" {
		t.Errorf("got %v", paused)
	}
	waits := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("held", "wait", "1")})).want(t, http.StatusAccepted, "")
	waits.says(t, "the queue provision is paused since 2")
	first := b.do(t, b.asSuperadmin(call{path: "/v1/queues"})).want(t, http.StatusOK, "").decode(t)["queues"].([]any)[0].(map[string]any)
	if first["queue"] != "provision" || first["queued"] != 1.0 || first["running"] != 0.0 || first["paused"] == nil || fmt.Sprint(first["kinds"]) != "[provision]" {
		t.Errorf("got %v", first)
	}
	b.do(t, call{path: "/readyz"}).want(t, http.StatusOK, "").says(t, "paused queues: provision")
	b.do(t, call{path: "/metrics"}).says(t, `trunkline_queue_paused{queue="provision"} 1`)
	for range 2 { // a second time changes nothing
		if resumed := b.do(t, post("provision/resume")).want(t, http.StatusOK, "").decode(t); resumed["paused"] != nil {
			t.Errorf("got %v", resumed)
		}
	}
	if job := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + waits.text(t, "job_id") + "?wait=20"})).want(t, http.StatusOK, ""); job.text(t, "state") != "succeeded" {
		t.Errorf("got %s", job.body)
	}
	audit := b.do(t, b.asSuperadmin(call{path: "/v1/audit?kind=change"})).want(t, http.StatusOK, "")
	if n := strings.Count(audit.body, "queue.pause") + strings.Count(audit.body, "queue.resume"); n != 2 {
		t.Errorf("the audit has %d entries, want 2: %s", n, audit.body)
	}
}

func TestListWorkers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.queue(t, 1, b.asSuperadmin)[0]
	b.exec(t, `insert into trunkline.workers (id, name, shared, version, queue, slots) values (gen_random_uuid(), 'host:7', true, 'v1', 'provision', 3)`)
	b.exec(t, `update trunkline.jobs set state = 'running', worker = 'host:7', heartbeat_at = now(), started_at = now() where id = $1`, id)
	workers := b.do(t, b.asSuperadmin(call{path: "/v1/workers"})).want(t, http.StatusOK, "").decode(t)["workers"].([]any)
	if len(workers) != 1 {
		t.Fatalf("got %v", workers)
	}
	w := workers[0].(map[string]any)
	jobs := w["jobs"].([]any)
	if w["host"] != "host" || w["pid"] != 7.0 || w["version"] != "v1" || fmt.Sprint(w["queues"]) != "[map[concurrency:3 queue:provision]]" || len(jobs) != 1 || jobs[0].(map[string]any)["job_id"] != id {
		t.Errorf("got %v", w)
	}
}
