package api_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/delivery/outbox"
	"trunkline/internal/pbxtest"
	"trunkline/scheduler"
)

const secretPath = "/v1/webhook-secret"

// telling has the ends of jobs told, as each process does that sweeps.
func (b *bundle) telling(t *testing.T) {
	t.Helper()
	teller := scheduler.Teller{
		Outbox: outbox.NewBox(b.options.PBX.Pool, b.options.Tasks), PublicURL: b.options.Settings.PublicURL, Interval: 10 * time.Millisecond, Log: b.options.Log,
	}
	pbxtest.Start(t, teller.Run)
}

// A callback_url is told of its job's end by a signed message, that of an export with the file's figures.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	status := new(atomic.Int64)
	status.Store(http.StatusOK)
	receiver := pbxtest.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	b := newBundle(t, setUp{cdrs: 300, now: newest, settings: hooked(receiver)})
	b.telling(t)
	url := receiver.URL + "?token=Geheim77"
	asked := func(more ...string) call {
		return b.asAdmin(call{path: exportPath, form: everything(append([]string{"format", "CSV", "callback_url", url}, more...)...)})
	}
	b.do(t, asked()).want(t, http.StatusBadRequest, "invalid_request").says(t, "callback_url: ").says(t, "/v1/webhook-secret")
	b.do(t, b.asAdmin(call{path: secretPath})).want(t, http.StatusNotFound, "not_found")
	made := b.do(t, b.asAdmin(call{path: secretPath, form: form()})).want(t, http.StatusCreated, "")
	secret := made.text(t, "secret")
	if kept := b.do(t, b.asAdmin(call{path: secretPath})).want(t, http.StatusOK, ""); kept.text(t, "made_at") != made.text(t, "made_at") || strings.Contains(kept.body, "whsec_") || b.recorded(t, "webhook_secret.make", "webhook secret") != 1 {
		t.Errorf("got %s", kept.body)
	}

	job := b.do(t, asked()).want(t, http.StatusOK, "")
	ended, message := told(t, receiver, 1)
	data, _ := message["data"].(map[string]any)
	file, _ := data["file"].(map[string]any)
	if message["type"] != "job.ended" || ended.URI != "/hooks/trunkline?token=Geheim77" || !pbxtest.SignedWith(ended, secret) || data["job_id"] != job.text(t, "job_id") ||
		data["state"] != "succeeded" || data["kind"] != "export" || data["domain_uuid"] != b.sample.Domains[1].UUID || file["sha256"] != job.text(t, "sha256") || file["total_records"] == nil {
		t.Errorf("got %s", ended.Body)
	}
	link, _ := file["url"].(string)
	link, _ = strings.CutPrefix(link, b.options.Settings.PublicURL)
	b.do(t, call{path: link}).want(t, http.StatusUnauthorized, "") // whoever is told has credentials of its own, or gets nothing
	whole := b.do(t, b.asAdmin(call{path: link})).want(t, http.StatusOK, "")
	if row := strings.Split(whole.body, "\n")[1]; row == "" || strings.Contains(string(ended.Body), row) {
		t.Errorf("the message has rows: %s", ended.Body)
	}

	// One that has failed is told too, after a time in which the receiver was away; by both secrets, for one was replaced.
	status.Store(http.StatusInternalServerError)
	rotated := b.do(t, b.asAdmin(call{path: secretPath, form: form("grace", "1h")})).want(t, http.StatusCreated, "").text(t, "secret")
	imported := b.do(t, b.asAdmin(call{path: "/v1/gateways/actions", form: form("action", "disable", "ids", "11111111-2222-4333-8444-555555555555", "callback_url", url)}))
	if imported.status != http.StatusNotFound {
		t.Errorf("of a job that was not accepted: got %d %s", imported.status, imported.body)
	}
	gateway := b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("called back")})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	b.do(t, b.asAdmin(call{path: "/v1/gateways/actions", form: form("action", "disable", "ids", gateway, "callback_url", url)})).want(t, http.StatusOK, "")
	bulk, message := told(t, receiver, 2)
	data, _ = message["data"].(map[string]any)
	counts, _ := data["counts"].(map[string]any)
	if data["kind"] != "bulk" || data["state"] != "succeeded" || counts["total"] != 1.0 || counts["succeeded"] != 1.0 || !pbxtest.SignedWith(bulk, secret) || !pbxtest.SignedWith(bulk, rotated) {
		t.Errorf("got %v: %s", bulk.Header, bulk.Body)
	}
	id, path := bulk.Header.Get("webhook-id"), deliveriesPath+"/"+bulk.Header.Get("webhook-id")
	var waits answer
	pbxtest.Eventually(t, "it waits for its next try", func() bool {
		waits = b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusOK, "")
		return strings.Contains(waits.body, "next_attempt_at")
	})
	status.Store(http.StatusOK)
	b.do(t, b.asAdmin(call{path: path + "/retry", form: form()})).want(t, http.StatusAccepted, "")
	if again, _ := told(t, receiver, 3); again.Header.Get("webhook-id") != id || string(again.Body) != string(bulk.Body) {
		t.Errorf("sent again it is %v: %s", again.Header, again.Body)
	}
	var done answer
	pbxtest.Eventually(t, "it is delivered", func() bool {
		done = b.do(t, b.asAdmin(call{path: path}))
		return done.text(t, "state") == "delivered"
	})
	list := b.do(t, b.asAdmin(call{path: deliveriesPath + "?event=job.ended"})).want(t, http.StatusOK, "").says(t, id)
	for _, text := range []string{waits.body, done.body, list.body, b.log.String(), b.do(t, b.asAdmin(call{path: "/v1/jobs/" + job.text(t, "job_id")})).body} {
		for _, kept := range []string{"Geheim77", strings.TrimPrefix(secret, "whsec_"), strings.TrimPrefix(rotated, "whsec_"), "/hooks/trunkline"} {
			if strings.Contains(text, kept) {
				t.Errorf("%s is shown: %s", kept, text)
			}
		}
	}
	if n := len(receiver.All()); n != 3 {
		t.Errorf("%d messages were sent", n)
	}
}

// It tells two requests apart, and what can be known of it is said at the call.
func TestBadCallbacks(t *testing.T) {
	t.Parallel()
	receiver := pbxtest.NewReceiver(t, nil)
	b := newBundle(t, setUp{cdrs: 20, now: newest, noWorker: true, settings: hooked(receiver)})
	b.do(t, b.asAdmin(call{path: secretPath, form: form()})).want(t, http.StatusCreated, "")
	asked := func(url string) call {
		return b.asAdmin(call{path: exportPath, headers: map[string]string{"Idempotency-Key": "one"}, form: everything("format", "CSV", "callback_url", url, "wait", "0")})
	}
	for url, says := range map[string]string{
		"http://127.0.0.1/Geheim77":                   "https",
		"https://user:Geheim77@127.0.0.1/":            "password",
		"https://169.254.169.254/Geheim77":            "TRUNKLINE_DELIVERY_NETWORKS",
		"https://[64:ff9b::169.254.169.254]/Geheim77": "TRUNKLINE_DELIVERY_NETWORKS",
	} {
		got := b.do(t, asked(url)).want(t, http.StatusBadRequest, "invalid_request").says(t, "callback_url: ").says(t, says)
		if strings.Contains(got.body, "Geheim77") {
			t.Errorf("got %s", got.body)
		}
	}
	first := b.do(t, asked(receiver.URL)).want(t, http.StatusAccepted, "").text(t, "job_id")
	if again := b.do(t, asked(receiver.URL)).want(t, http.StatusAccepted, "").text(t, "job_id"); again != first {
		t.Errorf("the same request made job %s after %s", again, first)
	}
	b.do(t, asked(receiver.URL+"/other")).want(t, http.StatusUnprocessableEntity, "")
	b.do(t, b.asAdmin(call{path: exportPath + "?date_start=2020-01-01&date_end=2020-12-31&callback_url=https%3A%2F%2Fa.example%2F"})).want(t, http.StatusBadRequest, "credentials_in_query")
	b.do(t, b.asAdmin(call{path: secretPath, form: form("tenant_domain", b.sample.Domains[2].Name)})).want(t, http.StatusForbidden, "")
	b.do(t, b.asAdmin(call{path: secretPath, form: form("grace", "9000h")})).want(t, http.StatusBadRequest, "").says(t, "grace")
	// Each domain has a secret of its own, and jobs of no one domain theirs.
	global := call{path: exportPath, form: everything("callback_url", receiver.URL, "wait", "0")}
	b.do(t, b.asSuperadmin(global)).want(t, http.StatusBadRequest, "invalid_request").says(t, "/v1/webhook-secret")
	b.do(t, b.asSuperadmin(call{path: secretPath, form: form("tenant_domain", "global")})).want(t, http.StatusCreated, "")
	b.do(t, b.asSuperadmin(global)).want(t, http.StatusAccepted, "")
}
