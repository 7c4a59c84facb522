package remote

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const aDestination = "0190f3c2-7d1e-7c55-b2a4-5a1f6f0e9a12"

func TestDestinationsAreListedAndShown(t *testing.T) {
	t.Parallel()
	one := `{"id":"` + aDestination + `","name":"billing","tenant_domain":"a.example","kind":"sftp","settings":{"host":"sftp.example"},"enabled":true}`
	sc := &scene{answer: new("n"), api: answers{
		"GET " + destinationsPath: func(w http.ResponseWriter, r *http.Request, _ string) {
			if r.URL.Query().Get("kind") != "sftp" {
				t.Errorf("it asks for %s", r.URL.RawQuery)
			}
			says(200, `{"destinations":[`+one+`]}`)(w, r, "")
		},
		"GET " + destinationsPath + "/" + aDestination:              says(200, one),
		"POST " + destinationsPath + "/" + aDestination + "/test":   says(200, `{"at":"2026-03-01T00:15:00Z","message":"a file was written","host_key":"ssh-ed25519 AAAA","pinned":true}`),
		"POST " + destinationsPath + "/" + aDestination + "/rotate": says(200, `{"id":"`+aDestination+`","secret":"whsec_new"}`),
		"DELETE " + destinationsPath + "/" + aDestination:           says(200, one),
	}}
	sc.run(t, command(t, "destinations", "list", "--kind", "sftp")).wants(t, 0, "billing", "a.example", "sftp.example", "true")
	sc.run(t, command(t, "destinations", "show", aDestination)).wants(t, 0, "billing", "sftp.example")
	sc.run(t, command(t, "destinations", "show", "../jobs")).wants(t, 1, "not a destination's id")
	sc.run(t, command(t, "destinations", "test", aDestination)).wants(t, 0, "a file was written", "ssh-ed25519 AAAA")
	sc.run(t, command(t, "destinations", "rotate", aDestination, "--grace", "1h")).wants(t, 0, "whsec_new")
	sc.run(t, command(t, "destinations", "delete", aDestination)).wants(t, 1, "nothing was deleted")
	sc.run(t, command(t, "destinations", "delete", aDestination, "--yes")).wants(t, 0, "billing")
}

// Secrets are read from files or standard input, and stand in no command line, message or warning.
func TestSecretsOfDestinations(t *testing.T) {
	t.Parallel()
	var asked url.Values
	takes := func(w http.ResponseWriter, r *http.Request, body string) {
		asked, _ = url.ParseQuery(body)
		says(200, `{"id":"`+aDestination+`","name":"billing"}`)(w, r, body)
	}
	sc := &scene{in: "Geheim77\n", api: answers{"POST " + destinationsPath: takes, "PATCH " + destinationsPath + "/" + aDestination: takes}}
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		must(t, os.Chmod(path, mode)) // whatever the umask is
		return path
	}
	key := file("key", "-----BEGIN\nGeheim88\n-----END\r\n", 0o644)
	sc.run(t, command(t, "destinations", "create", "--name", "billing", "--kind", "sftp", "--domain", "a.example", "--no-test",
		"--set", "host=sftp.example", "--secret", "login_password=-", "--secret", "private_key="+key)).wants(t, 0, "billing", "chmod 600 "+key)
	want := url.Values{
		"name": {"billing"}, "kind": {"sftp"}, "tenant_domain": {"a.example"}, "test": {"false"}, "host": {"sftp.example"},
		"login_password": {"Geheim77"}, "private_key": {"-----BEGIN\nGeheim88\n-----END"},
	}
	if asked.Encode() != want.Encode() {
		t.Errorf("it asks for %s, want %s", asked.Encode(), want.Encode())
	}
	sc.run(t, command(t, "destinations", "edit", aDestination, "--set", "folder=", "--enabled", "false")).wants(t, 0, "billing")
	if want := (url.Values{"folder": {""}, "enabled": {"false"}}); asked.Encode() != want.Encode() {
		t.Errorf("it asks for %s, want %s", asked.Encode(), want.Encode())
	}
	sc.run(t, command(t, "destinations", "edit", aDestination)).wants(t, 1, "nothing is to be changed")
	asked = nil
	for says, flags := range map[string][]string{
		"--secret login_password=FILE": {"--set", "login_password=Geheim99"},
		"login_password=-":             {"--secret", "login_password"},
		"NAME is one of":               {"--secret", "Geheim99"},
		"give it once":                 {"--secret", "secret_key=" + key, "--secret", "secret_key=" + key},
		"standard input is secret_key": {"--secret", "secret_key=-", "--secret", "access_key=-"},
		"no such file":                 {"--secret", "secret_key=" + filepath.Join(t.TempDir(), "none")},
		"is empty":                     {"--secret", "secret_key=" + file("empty", "\n", 0o600)},
		"more than 65536 bytes":        {"--secret", "secret_key=" + file("large", strings.Repeat("x", maxSecret+1), 0o600)},
	} {
		got := sc.run(t, command(t, append([]string{"destinations", "edit", aDestination}, flags...)...))
		if got.wants(t, 1, says); strings.Contains(got.String(), "Geheim") || asked != nil {
			t.Errorf("%s: it asks for %v, and says %s", says, asked, got)
		}
	}
}

func TestDeliveriesAreListedAndSentAgain(t *testing.T) {
	t.Parallel()
	one := `{"id":"` + testJob + `","created_at":"2026-03-01T00:15:00Z","tenant_domain":"a.example","destination":"billing","event":"file","name":"calls.csv","state":"failed","error":{"code":"conflict","message":"another file has the name"},"attempts":[{"number":1,"status":500}]}`
	sc := &scene{api: answers{
		"GET " + deliveriesPath: func(w http.ResponseWriter, r *http.Request, _ string) {
			if q := r.URL.Query(); q.Get("state") != "failed" || q.Get("schedule") != aSchedule || q.Get("export_job") != testJob {
				t.Errorf("it asks for %s", r.URL.RawQuery)
			}
			says(200, `{"deliveries":[`+one+`],"next":"`+testJob+`"}`)(w, r, "")
		},
		"GET " + deliveriesPath + "/" + testJob:             says(200, one),
		"POST " + deliveriesPath + "/" + testJob + "/retry": says(202, one),
	}}
	sc.run(t, command(t, "deliveries", "list", "--state", "failed", "--schedule", aSchedule, "--export-job", testJob, "--window", testJob, "--limit", "1")).wants(t, 0, "calls.csv", "another file has the name", "older ones are left out")
	sc.run(t, command(t, "deliveries", "show", testJob)).wants(t, 0, "calls.csv", "500")
	sc.run(t, command(t, "deliveries", "retry", testJob)).wants(t, 0, "deliveries show")
	sc.run(t, command(t, "deliveries", "retry", "all")).wants(t, 1, "not a delivery's id")
}
