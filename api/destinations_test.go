package api_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

const (
	destinationsPath = "/v1/destinations"
	deliveriesPath   = "/v1/deliveries"
)

// folderCalled is a new destination of kind folder.
func folderCalled(name string, more ...string) call {
	return call{path: destinationsPath, form: form(append([]string{"name", name, "kind", "folder", "folder", name}, more...)...)}
}

// delivered makes a destination of all domains and brings an export there. It returns the ids of both.
func (b *bundle) delivered(t *testing.T) (destination, delivery string) {
	t.Helper()
	destination = b.do(t, b.asSuperadmin(folderCalled("delivered", "tenant_domain", "global"))).want(t, http.StatusCreated, "").text(t, "id")
	job := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "CSV", "deliver_to", destination, "deliver_as", "calls.csv")})).
		want(t, http.StatusOK, "").text(t, "job_id")
	pbxtest.Eventually(t, "it is delivered", func() bool {
		page := b.do(t, b.asSuperadmin(call{path: deliveriesPath + "?state=delivered&export_job=" + job})).want(t, http.StatusOK, "").decode(t)
		all, _ := page["deliveries"].([]any)
		if len(all) == 1 {
			delivery, _ = all[0].(map[string]any)["id"].(string)
		}
		return delivery != ""
	})
	return destination, delivery
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.DestinationsPerDomain = 2 }})
	made := b.do(t, b.asAdmin(folderCalled("billing"))).want(t, http.StatusCreated, "")
	own := b.sample.Domains[1]
	id, path := made.text(t, "id"), destinationsPath+"/"+made.text(t, "id")
	if made.header.Get("Location") != path || made.text(t, "tenant_domain") != own.Name || made.text(t, "domain_uuid") != own.UUID ||
		made.text(t, "settings") != "map[folder:billing]" || made.text(t, "enabled") != "true" || made.text(t, "test") == "" || b.recorded(t, "destination.create", id) != 1 {
		t.Errorf("got %s", made.body)
	}
	if _, err := os.Stat(filepath.Join(b.options.Settings.DeliveryDir, own.UUID, "billing")); err != nil {
		t.Error(err)
	}
	b.do(t, b.asAdmin(folderCalled("Billing"))).want(t, http.StatusConflict, "conflict").says(t, "name")
	b.do(t, b.asAdmin(folderCalled("more", "test", "false"))).want(t, http.StatusCreated, "")
	b.do(t, b.asAdmin(folderCalled("most"))).want(t, http.StatusConflict, "conflict").says(t, "TRUNKLINE_DESTINATIONS_PER_DOMAIN")
	for _, tc := range []struct {
		form []string
		says string
	}{
		{[]string{"kind", "pigeon"}, "kind"},
		{[]string{"kind", "folder", "folder", "../x"}, "folder"},
		{[]string{"kind", "folder", "folder", "/etc"}, "folder"},
		{[]string{"kind", ""}, "kind"},
		{[]string{"name", " "}, "name"},
		{[]string{"tenant_domain", "global"}, "tenant_domain"},
		{[]string{"tenant_domain", b.sample.Domains[2].Name}, "tenant_domain"},
		{[]string{"color", "red"}, "color"},
	} {
		c := folderCalled("bad")
		for i := 0; i < len(tc.form); i += 2 {
			c.form.Set(tc.form[i], tc.form[i+1])
		}
		if got := b.do(t, b.asAdmin(c)); got.status != http.StatusBadRequest && got.status != http.StatusForbidden {
			t.Errorf("%v: got %d %s", tc.form, got.status, got.body)
		} else {
			got.says(t, tc.says)
		}
	}

	changed := b.do(t, b.asAdmin(call{method: http.MethodPatch, path: path, form: form("folder", "", "name", "other", "enabled", "false")})).want(t, http.StatusOK, "")
	if changed.text(t, "settings") != "map[]" || changed.text(t, "name") != "other" || changed.text(t, "enabled") != "false" || b.recorded(t, "destination.change", id) != 1 {
		t.Errorf("got %s", changed.body)
	}
	b.do(t, b.asAdmin(call{method: http.MethodPatch, path: path, form: form("folder", "a/../b")})).want(t, http.StatusBadRequest, "invalid_request").says(t, "folder")
	b.do(t, b.asAdmin(call{path: path + "/test", form: form()})).want(t, http.StatusOK, "").says(t, "message")
	b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusOK, "").says(t, `"last_test":{"at":`, `"failed_deliveries":0`)
	list := b.do(t, b.asAdmin(call{path: destinationsPath + "?limit=1"})).want(t, http.StatusOK, "")
	next := b.do(t, b.asAdmin(call{path: destinationsPath + "?limit=1&after=" + list.text(t, "next")})).want(t, http.StatusOK, "").says(t, id)
	if next.text(t, "next") != "" {
		t.Errorf("got %s", next.body)
	}
	b.do(t, b.asAdmin(call{method: http.MethodDelete, path: path})).want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusNotFound, "not_found")
	if b.recorded(t, "destination.delete", id) != 1 {
		t.Error("its end was not recorded")
	}
}

// A domain's caller neither sees nor uses what is another's, or of all.
func TestDestinationsOfOthers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest})
	ofAll := b.do(t, b.asSuperadmin(folderCalled("all", "tenant_domain", "global"))).want(t, http.StatusCreated, "").text(t, "id")
	other := b.do(t, b.asSuperadmin(folderCalled("other", "tenant_domain", b.sample.Domains[2].Name))).want(t, http.StatusCreated, "").text(t, "id")
	for _, id := range []string{ofAll, other} {
		for _, c := range []call{
			{path: destinationsPath + "/" + id},
			{path: destinationsPath + "/" + id + "/test", form: form()},
			{method: http.MethodPatch, path: destinationsPath + "/" + id, form: form("name", "mine")},
			{method: http.MethodDelete, path: destinationsPath + "/" + id},
			{path: exportPath, form: everything("deliver_to", id, "deliver_as", "x.csv")},
		} {
			b.do(t, b.asAdmin(c)).want(t, http.StatusNotFound, "not_found")
		}
	}
	if got := b.do(t, b.asAdmin(call{path: destinationsPath})).want(t, http.StatusOK, ""); got.text(t, "destinations") != "[]" {
		t.Errorf("got %s", got.body)
	}
	b.do(t, b.asSuperadmin(call{path: destinationsPath + "?tenant_domain=global"})).want(t, http.StatusOK, "").says(t, ofAll)
	// Not even a superadmin brings one domain's calls, or all domains', to another domain.
	for _, domain := range []string{b.sample.Domains[1].Name, ""} {
		b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("deliver_to", other, "deliver_as", "x.csv", "tenant_domain", domain)})).want(t, http.StatusForbidden, "forbidden")
	}
	for _, bad := range [][]string{{"deliver_to", ofAll}, {"deliver_as", "x.csv"}, {"deliver_to", ofAll, "deliver_as", "../x"}, {"deliver_to", ofAll + "," + ofAll, "deliver_as", "x"}} {
		b.do(t, b.asSuperadmin(call{path: exportPath, form: everything(bad...)})).want(t, http.StatusBadRequest, "")
	}
	if _, delivery := b.delivered(t); b.do(t, b.asAdmin(call{path: deliveriesPath + "/" + delivery})).status != http.StatusNotFound {
		t.Error("another's delivery is shown")
	}
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest})
	destination, id := b.delivered(t)
	shown := b.do(t, b.asSuperadmin(call{path: deliveriesPath + "/" + id})).want(t, http.StatusOK, "")
	attempts, _ := shown.decode(t)["attempts"].([]any)
	if shown.text(t, "state") != "delivered" || shown.text(t, "destination") != "delivered" || shown.text(t, "destination_id") != destination ||
		shown.text(t, "receipt") != "map[where:delivered/calls.csv]" || len(attempts) != 1 {
		t.Errorf("got %s", shown.body)
	}
	job := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + shown.text(t, "export_job_id")})).want(t, http.StatusOK, "")
	if !strings.Contains(fmt.Sprint(job.decode(t)["result"].(map[string]any)["deliveries"]), "state:delivered") {
		t.Errorf("the export shows %s", job.body)
	}

	ended := func(want string) answer {
		var got answer
		pbxtest.Eventually(t, "it has ended", func() bool {
			got = b.do(t, b.asSuperadmin(call{path: deliveriesPath + "/" + id}))
			return got.text(t, "state") != "pending"
		})
		if got.text(t, "state") != want {
			t.Fatalf("got %s", got.body)
		}
		return got
	}
	again := call{path: deliveriesPath + "/" + id + "/retry", form: form()}
	file := filepath.Join(b.options.Settings.DeliveryDir, "delivered", "calls.csv")
	// The same bytes are there, so that nothing has to be written.
	b.do(t, b.asSuperadmin(again)).want(t, http.StatusAccepted, "")
	ended("delivered").says(t, `"there":true`)
	content, err := os.ReadFile(file)
	must(t, err)
	// Somebody has taken it away: it is sent again.
	must(t, os.Remove(file))
	b.do(t, b.asSuperadmin(again)).want(t, http.StatusAccepted, "")
	ended("delivered")
	if now, err := os.ReadFile(file); err != nil || string(now) != string(content) {
		t.Errorf("another file was sent: %v", err)
	}
	// Another file has its name: that is in nobody's way.
	must(t, os.WriteFile(file, []byte("other"), 0o600))
	b.do(t, b.asSuperadmin(again)).want(t, http.StatusAccepted, "")
	if got := ended("failed"); len(got.decode(t)["attempts"].([]any)) != 4 || !strings.Contains(got.text(t, "error"), "conflict") {
		t.Errorf("got %s", got.body)
	}
	b.do(t, b.asSuperadmin(call{path: destinationsPath + "/" + destination})).want(t, http.StatusOK, "").says(t, `"failed_deliveries":1`)
	if now, err := os.ReadFile(file); err != nil || string(now) != "other" {
		t.Errorf("the other file was replaced: %q, %v", now, err)
	}
	if n := b.recorded(t, "delivery.retry", id); n != 3 {
		t.Errorf("%d retries were recorded", n)
	}
	b.do(t, b.asSuperadmin(call{path: deliveriesPath + "?state=lost"})).want(t, http.StatusBadRequest, "invalid_request").says(t, "state")
	b.do(t, b.asSuperadmin(call{path: deliveriesPath + "?event=lost"})).want(t, http.StatusBadRequest, "invalid_request").says(t, "event").says(t, "job.ended")
	b.do(t, b.asSuperadmin(call{path: deliveriesPath + "?schedule=nightly"})).want(t, http.StatusBadRequest, "invalid_request").says(t, "schedule")
	b.do(t, b.asSuperadmin(call{method: http.MethodDelete, path: destinationsPath + "/" + destination})).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(again)).want(t, http.StatusAccepted, "")
	ended("failed").says(t, "deleted")
}

// A mail tells of the file, and its link is good for as long as the destination is.
func TestMailedLinks(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSMTPD(t)
	b := newBundle(t, setUp{cdrs: 20, now: newest, settings: func(s *config.Settings) {
		s.DeliveryNetworks, s.DeliveryCA = prefixes("127.0.0.0/8"), server.CAFile
	}})
	made := b.do(t, b.asAdmin(call{path: destinationsPath, form: form("name", "mail", "kind", "mail", "host", "127.0.0.1", "port", fmt.Sprint(server.StartTLS),
		"login", server.Login, "login_password", server.Password, "mail_from", "cdr@pbx.example", "mail_to", "billing@customer.example")})).want(t, http.StatusCreated, "")
	if strings.Contains(made.body, server.Password) || made.text(t, "has_credentials") != "true" {
		t.Errorf("got %s", made.body)
	}
	id := made.text(t, "id")
	job := b.do(t, b.asAdmin(call{path: exportPath, form: everything("format", "CSV", "deliver_to", id, "deliver_as", "calls.csv")})).want(t, http.StatusOK, "")
	var mail string
	pbxtest.Eventually(t, "the mail is there", func() bool {
		mails, err := server.Mails()
		must(t, err)
		mail = strings.Join(mails, "")
		return mail != ""
	})
	text := strings.ReplaceAll(strings.ReplaceAll(mail, "=\r\n", ""), "=3D", "=")
	_, link, _ := strings.Cut(text, b.options.Settings.PublicURL)
	link, _, _ = strings.Cut(link, "\r\n")
	if !strings.Contains(link, job.text(t, "job_id")) || !strings.Contains(text, "Rows:    "+job.text(t, "total_records")) {
		t.Fatalf("the mail is %s", text)
	}
	if got := b.do(t, call{path: link}).want(t, http.StatusOK, ""); len(got.body) == 0 || strings.Contains(mail, got.body[:40]) {
		t.Errorf("got %q, and the mail is %s", got.body, mail)
	}
	b.do(t, call{path: strings.Replace(link, id, b.sample.SuperadminUUID, 1)}).want(t, http.StatusForbidden, "invalid_link")
	b.do(t, b.asAdmin(call{method: http.MethodPatch, path: destinationsPath + "/" + id, form: form("enabled", "false")})).want(t, http.StatusOK, "")
	b.do(t, call{path: link}).want(t, http.StatusForbidden, "invalid_link")
	b.do(t, b.asAdmin(call{method: http.MethodPatch, path: destinationsPath + "/" + id, form: form("enabled", "true")})).want(t, http.StatusOK, "")
	b.do(t, call{path: link}).want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(call{method: http.MethodDelete, path: destinationsPath + "/" + id})).want(t, http.StatusOK, "")
	b.do(t, call{path: link}).want(t, http.StatusForbidden, "invalid_link")
	// Whatever cannot be reached, or is not allowed to be, is said at once.
	for field, wrong := range map[string]string{"mail_to": "refused@customer.example", "host": "169.254.169.254", "port": "1", "login_password": "wrong"} {
		c := call{path: destinationsPath, form: form("name", "mail", "kind", "mail", "host", "127.0.0.1", "port", fmt.Sprint(server.StartTLS),
			"login", server.Login, "login_password", server.Password, "mail_from", "cdr@pbx.example", "mail_to", "billing@customer.example")}
		c.form.Set(field, wrong)
		if got := b.do(t, b.asAdmin(c)); got.status < 400 || strings.Contains(got.body, server.Password) {
			t.Errorf("%s: got %d %s", field, got.status, got.body)
		}
	}
	b.do(t, b.asAdmin(call{path: destinationsPath + "?login_password=x"})).want(t, http.StatusBadRequest, "credentials_in_query")
	if strings.Contains(b.log.String(), server.Password) {
		t.Error("the log has the password")
	}
}
