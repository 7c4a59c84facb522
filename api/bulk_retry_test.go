package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// A retry takes up the row that failed and no other, with the password that it was sent with.
func TestBulkRetry(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	text := "name;host;user;secret;notes;profile\n"
	for _, row := range [][2]string{{"one", "external"}, {"two", "internal"}, {"three", "external"}} {
		text += row[0] + ";host;u;" + gatewayPassword + ";as sent;" + row[1] + "\n"
	}
	id := b.do(t, b.asAdmin(file("mode=each&wait=0", text))).want(t, http.StatusAccepted, "").text(t, "job_id")
	// What is changed in between keeps one of them from being made.
	b.exec(t, "update v_sip_profiles set sip_profile_enabled = 'false' where sip_profile_name = 'internal'")
	b.startWorker(t)
	shown := func(state string) (job bulkJob) {
		t.Helper()
		must(t, json.Unmarshal([]byte(b.do(t, b.asAdmin(call{path: "/v1/jobs/" + id + "?wait=30"})).want(t, http.StatusOK, "").body), &job))
		if job.State != state {
			t.Fatalf("the job is %+v, and not %s", job, state)
		}
		return job
	}
	first := shown("partial")
	if two := first.Items.Items[1]; first.Counts["succeeded"] != 2 || first.Counts["failed"] != 1 || two.State != "failed" || two.Error == nil || two.Error.Code != "profile_unavailable" {
		t.Fatalf("got %+v", first)
	}
	b.exec(t, "update v_sip_profiles set sip_profile_enabled = 'true' where sip_profile_name = 'internal'")
	b.exec(t, "update v_gateways set description = 'by hand' where gateway = 'one'")
	b.retry(t, b.token(t, "stranger", "provision", otherDomain(b)), id).want(t, http.StatusNotFound, "not_found")
	b.retry(t, b.asAdmin, id)
	second := shown("succeeded")
	if two := second.Items.Items[1]; second.Counts["succeeded"] != 3 || two.Action != "created" || two.Error != nil || second.Result.Counts["created"] != 3 {
		t.Errorf("retried it is %+v", second)
	}
	for i, item := range second.Items.Items {
		if before := first.Items.Items[i]; i != 1 && (item.GatewayUUID != before.GatewayUUID || item.Action != before.Action) {
			t.Errorf("row %d was %+v and is %+v", item.Number, before, item)
		}
	}
	for name, description := range map[string]string{"one": "by hand", "two": "as sent", "three": "as sent"} {
		if n := b.count(t, "select count(*) from v_gateways where gateway = $1 and description = $2 and password = $3", name, description, gatewayPassword); n != 1 {
			t.Errorf("%d gateways %s are %s", n, name, description)
		}
	}
	if n := b.count(t, "select count(*) from trunkline.items where sealed is not null"); n != 0 {
		t.Errorf("%d items keep their secrets", n)
	}
	b.retry(t, b.asAdmin, id).want(t, http.StatusConflict, "job_state")
}

// Of a job whose workers were lost it is not known how its gateways were left: its retry leaves each as it is and says so,
// as it does of a single one, and what a job had ended before is kept.
func TestRetryOfABulkWhoseWorkersWereLost(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	text := "name;host;user;secret\none;host;u;" + gatewayPassword + "\ntwo;host;u;" + gatewayPassword + "\n"
	id := b.do(t, b.asAdmin(file("mode=each&wait=0", text))).want(t, http.StatusAccepted, "").text(t, "job_id")
	b.exec(t, "update trunkline.jobs set state = 'failed', error_code = 'worker_lost', error_message = 'lost', attempt = 1, finished_at = now() where id = $1", id)
	b.exec(t, "insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, enabled) select gen_random_uuid(), domain_uuid, 'two', 'newer', 'false' from trunkline.jobs where id = $1", id)
	b.startWorker(t)
	b.retry(t, b.asAdmin, id)
	job := b.do(t, b.asAdmin(call{path: "/v1/jobs/" + id + "?wait=30"})).bulk(t)
	if job.State != "failed" || len(job.Items.Items) != 2 {
		t.Fatalf("the job is %+v", job)
	}
	for _, item := range job.Items.Items {
		if item.State != "failed" || item.Error == nil || item.Error.Code != "conflict" {
			t.Errorf("row %d is %+v", item.Number, item)
		}
	}
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'one' or gateway = 'two' and proxy <> 'newer'"); n != 0 {
		t.Errorf("%d gateways were made or changed", n)
	}
}

// A worker that is lost while it writes down that nothing came of a job that is all or none has nothing come of the rest.
func TestBulkOfAllGoesOnWithNone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	text := "name;host;user;secret\none;host;u;" + gatewayPassword + "\ntwo;host;u;" + gatewayPassword + "\n"
	id := b.do(t, b.asAdmin(file("mode=all&wait=0", text))).want(t, http.StatusAccepted, "").text(t, "job_id")
	b.exec(t, "update trunkline.items set state = 'failed', error_code = 'profile_unavailable', error_message = 'gone' where job_id = $1 and number = 1", id)
	b.startWorker(t)
	job := b.do(t, b.asAdmin(call{path: "/v1/jobs/" + id + "?wait=30"})).bulk(t)
	if two := job.Items.Items[1]; job.State != "failed" || two.State != "skipped" || two.Error == nil || two.Error.Code != "skipped" {
		t.Errorf("the job is %+v", job)
	}
	if n := b.count(t, "select count(*) from v_gateways where gateway in ('one', 'two')"); n != 0 {
		t.Errorf("%d gateways were made", n)
	}
}
