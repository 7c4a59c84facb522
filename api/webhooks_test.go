package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

// hook is a new destination of kind webhook.
func hook(url string, more ...string) call {
	return call{path: destinationsPath, form: form(append([]string{"name", "hook", "kind", "webhook", "webhook_url", url}, more...)...)}
}

// hooked lets the receiver be reached.
func hooked(receiver *pbxtest.Receiver) func(*config.Settings) {
	return func(s *config.Settings) { s.DeliveryNetworks, s.DeliveryCA = prefixes("127.0.0.0/8"), receiver.CAFile }
}

// told is the n-th message that was received, from 1, once there are so many.
func told(t *testing.T, receiver *pbxtest.Receiver, n int) (r pbxtest.Received, message map[string]any) {
	t.Helper()
	pbxtest.Eventually(t, "the message is received", func() bool { return len(receiver.All()) >= n })
	r = receiver.All()[n-1]
	must(t, json.Unmarshal(r.Body, &message))
	return r, message
}

// A webhook is told of the file of an export, with a link to it and none of its rows.
func TestWebhooksAreToldOfFiles(t *testing.T) {
	t.Parallel()
	status := new(atomic.Int64)
	status.Store(http.StatusOK)
	receiver := pbxtest.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	b := newBundle(t, setUp{cdrs: 300, now: newest, settings: hooked(receiver)})
	made := b.do(t, b.asAdmin(hook(receiver.URL+"?token=Geheim77"))).want(t, http.StatusCreated, "")
	id, secret := made.text(t, "id"), made.text(t, "secret")
	if !strings.HasPrefix(secret, "whsec_") || len(receiver.All()) != 0 {
		t.Errorf("got %s, and %d messages before it knew the secret", made.body, len(receiver.All()))
	}
	path := destinationsPath + "/" + id
	var shown strings.Builder
	see := func(a answer) answer { shown.WriteString(a.body); return a }
	see(b.do(t, b.asAdmin(call{path: path + "/test", form: form()})).want(t, http.StatusOK, "")).says(t, "received")
	if test, message := told(t, receiver, 1); message["type"] != "test" || test.URI != "/hooks/trunkline?token=Geheim77" || !pbxtest.SignedWith(test, secret) {
		t.Errorf("got %+v", test)
	}
	job := b.do(t, b.asAdmin(call{path: exportPath, form: everything("format", "CSV", "deliver_to", id, "deliver_as", "june/calls.csv")})).want(t, http.StatusOK, "")
	ready, message := told(t, receiver, 2)
	data, _ := message["data"].(map[string]any)
	if message["type"] != "export.ready" || !pbxtest.SignedWith(ready, secret) || data["job_id"] != job.text(t, "job_id") || data["name"] != "june/calls.csv" ||
		data["tenant_domain"] != b.sample.Domains[1].Name || data["sha256"] != job.text(t, "sha256") || data["total_records"] == nil {
		t.Errorf("got %s", ready.Body)
	}
	link, _ := data["download_url"].(string)
	link, _ = strings.CutPrefix(link, b.options.Settings.PublicURL)
	file := b.do(t, call{path: link}).want(t, http.StatusOK, "")
	if row := strings.Split(file.body, "\n")[1]; row == "" || strings.Contains(string(ready.Body), row) {
		t.Errorf("the message has rows: %s", ready.Body)
	}

	// While the secret is replaced, messages are signed with both; it is sent again under the same id.
	var delivery string
	pbxtest.Eventually(t, "it is recorded", func() bool {
		page := see(b.do(t, b.asAdmin(call{path: deliveriesPath + "?state=delivered&destination=" + id})).want(t, http.StatusOK, "")).decode(t)
		if all, _ := page["deliveries"].([]any); len(all) == 1 {
			delivery, _ = all[0].(map[string]any)["id"].(string)
		}
		return delivery != ""
	})
	if delivery != ready.Header.Get("webhook-id") {
		t.Errorf("webhook-id is %s, of delivery %s", ready.Header.Get("webhook-id"), delivery)
	}
	rotated := b.do(t, b.asAdmin(call{path: path + "/rotate", form: form("grace", "1h")})).want(t, http.StatusOK, "").text(t, "secret")
	retry := call{path: deliveriesPath + "/" + delivery + "/retry", form: form()}
	see(b.do(t, b.asAdmin(retry)).want(t, http.StatusAccepted, ""))
	again, _ := told(t, receiver, 3)
	if again.Header.Get("webhook-id") != delivery || !pbxtest.SignedWith(again, secret) || !pbxtest.SignedWith(again, rotated) || len(strings.Fields(again.Header.Get("webhook-signature"))) != 2 {
		t.Errorf("got %v", again.Header)
	}
	if b.recorded(t, "destination.rotate", id) != 1 {
		t.Error("that it was rotated is not recorded")
	}
	b.do(t, b.asAdmin(call{path: path + "/rotate", form: form("grace", "0s")})).want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(call{path: path + "/rotate", form: form("grace", "soon")})).want(t, http.StatusBadRequest, "").says(t, "grace")
	ended := func() (got answer) {
		pbxtest.Eventually(t, "it has ended", func() bool {
			got = see(b.do(t, b.asAdmin(call{path: deliveriesPath + "/" + delivery})))
			return got.text(t, "state") != "pending"
		})
		return got
	}
	ended()

	// A receiver that wants no more gets no more.
	status.Store(http.StatusGone)
	see(b.do(t, b.asAdmin(retry)).want(t, http.StatusAccepted, ""))
	if got := ended(); got.text(t, "state") != "failed" || !strings.Contains(got.body, `"status":410`) || !strings.Contains(got.text(t, "error"), "disabled") {
		t.Errorf("got %s", got.body)
	}
	fourth, _ := told(t, receiver, 4)
	if pbxtest.SignedWith(fourth, secret) || pbxtest.SignedWith(fourth, rotated) {
		t.Error("the old secrets are still used")
	}
	if got := see(b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusOK, "")); got.text(t, "enabled") != "false" || !strings.Contains(got.text(t, "settings"), "https://127.0.0.1:") {
		t.Errorf("got %s", got.body)
	}
	see(b.do(t, b.asAdmin(retry)).want(t, http.StatusAccepted, ""))
	if got := ended(); got.text(t, "state") != "failed" || len(receiver.All()) != 4 {
		t.Errorf("it was sent nevertheless: %s", got.body)
	}
	for _, text := range []string{shown.String(), b.log.String()} {
		for _, kept := range []string{"Geheim77", strings.TrimPrefix(secret, "whsec_"), strings.TrimPrefix(rotated, "whsec_"), "/hooks/trunkline"} {
			if strings.Contains(text, kept) {
				t.Errorf("%s is shown", kept)
			}
		}
	}
}

// What can be known when a webhook is made is said then.
func TestBadWebhooks(t *testing.T) {
	t.Parallel()
	receiver := pbxtest.NewReceiver(t, nil)
	b := newBundle(t, setUp{noWorker: true, settings: hooked(receiver)})
	for _, tc := range []struct {
		url, says string
		status    int
	}{
		{"", "webhook_url", http.StatusBadRequest},
		{"http://127.0.0.1/Geheim77", "https", http.StatusBadRequest},
		{"https://user:Geheim77@127.0.0.1/", "password", http.StatusBadRequest},
		{"https://169.254.169.254/Geheim77", "TRUNKLINE_DELIVERY_NETWORKS", http.StatusForbidden},
		{"https://[::1]/Geheim77", "TRUNKLINE_DELIVERY_NETWORKS", http.StatusForbidden},
		{"https://[::ffff:10.0.0.1]/Geheim77", "TRUNKLINE_DELIVERY_NETWORKS", http.StatusForbidden},
		{"https://" + pbxtest.FreeAddr(t) + "/Geheim77", "takes no connections", http.StatusServiceUnavailable},
	} {
		got := b.do(t, b.asAdmin(hook(tc.url)))
		if got.status != tc.status || strings.Contains(got.body, "Geheim77") || !strings.Contains(got.body, tc.says) {
			t.Errorf("%s: got %d %s", tc.url, got.status, got.body)
		}
	}
	b.do(t, b.asAdmin(hook(receiver.URL, "events", "gateway.state,everything"))).want(t, http.StatusBadRequest, "invalid_request").says(t, "events").says(t, "schedule.window.failed")
	b.do(t, b.asAdmin(call{path: destinationsPath + "?webhook_url=https%3A%2F%2Fa.example%2F"})).want(t, http.StatusBadRequest, "credentials_in_query")
	folder := b.do(t, b.asAdmin(folderCalled("billing"))).want(t, http.StatusCreated, "").text(t, "id")
	b.do(t, b.asAdmin(call{path: destinationsPath + "/" + folder + "/rotate", form: form()})).want(t, http.StatusBadRequest, "invalid_request")
	if len(receiver.All()) != 0 {
		t.Error("something was sent")
	}
}
