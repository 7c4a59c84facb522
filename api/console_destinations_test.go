package api_test

import (
	"html"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

const consoleDestinations = "/console/destinations"

// versions is the hidden field by which a form says what it is an edit of.
var versions = regexp.MustCompile(`name="version" value="([^"]+)"`)

// madeAt is the id of the destination that an answer of the console leads to.
func (a answer) madeAt(t *testing.T) string {
	t.Helper()
	found := regexp.MustCompile(`/console/destinations/([0-9a-f-]{36})`).FindStringSubmatch(a.body)
	if found == nil {
		t.Fatalf("no destination is in %s", a.body)
	}
	return found[1]
}

// A tenant's admin makes, edits, tests and deletes destinations of its own domain, and sees no others.
func TestConsoleDestinations(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	admin.get(t, consoleDestinations).want(t, http.StatusOK, "").says(t, "There are no destinations yet")
	admin.get(t, consoleDestinations+"/new").want(t, http.StatusOK, "").says(t, "?kind=sftp", "?kind=mail")
	admin.get(t, consoleDestinations+"/new?kind=pigeon").want(t, http.StatusBadRequest, "")
	admin.get(t, consoleDestinations+"/new?kind=folder").want(t, http.StatusOK, "").says(t, "It will belong to", b.sample.AdminDomain)
	const name = `<script>alert(1)</script>`
	got := admin.post(t, consoleDestinations+"/new", "kind", "folder", "name", name, "folder", "../up", "enabled", "true", "test", "true").want(t, http.StatusBadRequest, "")
	got.says(t, `id="destination-folder-fault"`, html.EscapeString("../up"), html.EscapeString(name))
	id := admin.post(t, consoleDestinations+"/new", "kind", "folder", "name", name, "folder", "billing", "enabled", "true", "test", "true").want(t, http.StatusCreated, "").
		says(t, "passed").madeAt(t)
	if b.recorded(t, "destination.create", id) != 1 {
		t.Error("it is not in the audit")
	}
	root.get(t, consoleDestinations+"/new?kind=folder").want(t, http.StatusOK, "")
	root.post(t, consoleDestinations+"/new", "kind", "folder", "name", "nobody's", "folder", "x").want(t, http.StatusBadRequest, "").says(t, `id="destination-tenant_domain-fault"`)
	theirs := root.post(t, consoleDestinations+"/new", "kind", "folder", "name", "theirs", "folder", "x", "tenant_domain", b.foreign().Name).want(t, http.StatusCreated, "").madeAt(t)

	if page := admin.get(t, consoleDestinations).want(t, http.StatusOK, "").says(t, "billing", "passed"); strings.Contains(page.body, "theirs") || strings.Contains(page.body, name) {
		t.Errorf("the tenant's admin gets %s", page.body)
	}
	root.get(t, consoleDestinations+"?kind=folder").want(t, http.StatusOK, "").says(t, "theirs", "billing")
	root.get(t, consoleDestinations+"?kind=s3").want(t, http.StatusOK, "").says(t, "No destination is so")
	for _, below := range []string{"", "/edit", "/delete"} {
		admin.get(t, consoleDestinations+"/"+theirs+below).want(t, http.StatusNotFound, "")
	}
	for _, below := range []string{"/test", "/delete", "/host-key", "/rotate"} {
		admin.post(t, consoleDestinations+"/"+theirs+below).want(t, http.StatusNotFound, "")
	}

	// Of two tabs the second is told.
	path := consoleDestinations + "/" + id
	version := versions.FindStringSubmatch(admin.get(t, path+"/edit").want(t, http.StatusOK, "").body)[1]
	admin.post(t, path+"/edit", "version", version, "name", "billing", "folder", "", "enabled", "false").want(t, http.StatusOK, "").says(t, "It was changed since")
	admin.get(t, path).want(t, http.StatusOK, "").says(t, "disabled")
	admin.get(t, consoleDestinations).want(t, http.StatusOK, "").says(t, "own folder", "It was changed since")
	admin.post(t, path+"/edit", "version", version, "name", "other", "enabled", "true").want(t, http.StatusPreconditionFailed, "").says(t, "was changed since", `value="other"`)
	admin.post(t, path+"/edit", "version", "x", "name", "other").want(t, http.StatusBadRequest, "")
	admin.post(t, path+"/test").want(t, http.StatusOK, "").says(t, "passed")
	admin.post(t, path+"/rotate").want(t, http.StatusBadRequest, "").says(t, "no secret that Trunkline makes")

	// What a schedule uses stays.
	version = versions.FindStringSubmatch(admin.get(t, path+"/edit").body)[1]
	admin.post(t, path+"/edit", "version", version, "name", "billing", "folder", "", "enabled", "true").want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(nightly("nightly <b>", "destinations", id))).want(t, http.StatusCreated, "")
	page := admin.get(t, path+"/delete").want(t, http.StatusOK, "").says(t, "nightly &lt;b&gt;")
	if strings.Contains(page.body, "<button>Delete") {
		t.Error("it could be deleted")
	}
	admin.post(t, path+"/delete").want(t, http.StatusConflict, "").says(t, "nightly")
	b.exec(t, "delete from trunkline.schedules")
	admin.get(t, path+"/delete").want(t, http.StatusOK, "").says(t, "cannot be undone")
	admin.post(t, path+"/delete").want(t, http.StatusSeeOther, "")
	admin.get(t, path).want(t, http.StatusNotFound, "")

	// Who may export sees them and changes none.
	_, secret := b.issue(t, "exporter", "export", "all_domains", "true")
	exporter := b.visitor()
	exporter.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
	if page := exporter.get(t, consoleDestinations+"/"+theirs).want(t, http.StatusOK, ""); strings.Contains(page.body, "Test it now") {
		t.Error("who may not test it is offered to")
	}
	exporter.post(t, consoleDestinations+"/"+theirs+"/test").want(t, http.StatusForbidden, "")
	exporter.get(t, consoleDestinations+"/new").want(t, http.StatusForbidden, "")
}

// What is kept as a secret is in no page but the one that is shown once; left empty it stays.
func TestConsoleDestinationsKeepSecrets(t *testing.T) {
	t.Parallel()
	receiver := pbxtest.NewReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	b := newBundle(t, setUp{noWorker: true, settings: hooked(receiver)})
	v := b.tenantAdmin(t)
	v.get(t, consoleDestinations+"/new?kind=webhook")
	const path = consoleDestinations + "/new"
	url := receiver.URL + "?token=Geheim77"
	if got := v.post(t, path, "kind", "webhook", "name", "", "webhook_url", url).want(t, http.StatusBadRequest, ""); strings.Contains(got.body, "Geheim77") {
		t.Error("the URL is sent back")
	}
	made := v.post(t, path, "kind", "webhook", "name", "hook", "webhook_url", url).want(t, http.StatusCreated, "").says(t, "whsec_")
	secret := regexp.MustCompile(`whsec_[\w+/=]+`).FindString(html.UnescapeString(made.body))
	at := consoleDestinations + "/" + made.madeAt(t)
	v.post(t, at+"/test").want(t, http.StatusOK, "").says(t, "passed")
	if test, _ := told(t, receiver, 1); !pbxtest.SignedWith(test, secret) {
		t.Error("the secret that was shown is another one")
	}
	version := versions.FindStringSubmatch(v.get(t, at+"/edit").want(t, http.StatusOK, "").says(t, "what is kept stays").body)[1]
	v.post(t, at+"/edit", "version", version, "name", "renamed", "webhook_url", "", "enabled", "true").want(t, http.StatusOK, "")
	v.post(t, at+"/test").want(t, http.StatusOK, "").says(t, "passed")
	if test, _ := told(t, receiver, 2); test.URI != "/hooks/trunkline?token=Geheim77" {
		t.Errorf("it is told at %s", test.URI)
	}
	v.post(t, at+"/rotate", "grace", "soon").want(t, http.StatusBadRequest, "").says(t, `id="rotate-grace-fault"`)
	rotated := v.post(t, at+"/rotate", "grace", "1h").want(t, http.StatusOK, "").says(t, "whsec_")
	fresh := regexp.MustCompile(`whsec_[\w+/=]+`).FindString(html.UnescapeString(rotated.body))
	for _, page := range []string{consoleDestinations, at, at + "/edit", at + "/delete"} {
		got := v.get(t, page).want(t, http.StatusOK, "")
		for _, never := range []string{"Geheim77", "whsec_", secret, fresh} {
			if strings.Contains(html.UnescapeString(got.body), never) {
				t.Errorf("%s has %s", page, never)
			}
		}
	}
	v.get(t, at).says(t, "The secret before is good until")
	for _, never := range []string{"Geheim77", secret, fresh} {
		if strings.Contains(b.log.String(), never) {
			t.Errorf("the log has %s", never)
		}
	}
}

// The key of a server is shown to be compared before anything is delivered there, and can be forgotten.
func TestConsoleDestinationsShowServersKeys(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSSHD(t, "")
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.DeliveryNetworks = prefixes("127.0.0.0/8") }})
	host, port, err := net.SplitHostPort(server.Addr())
	must(t, err)
	v := b.tenantAdmin(t)
	v.get(t, consoleDestinations+"/new?kind=sftp")
	asked := []string{"kind", "sftp", "host", host, "port", port, "login", server.Login, "private_key", server.Key}
	made := v.post(t, consoleDestinations+"/new", append(asked, "name", "server")...).want(t, http.StatusCreated, "").says(t, "SHA256:", "pin it")
	at := consoleDestinations + "/" + made.madeAt(t)
	found := html.UnescapeString(regexp.MustCompile(`name="host_key" value="([^"]+)"`).FindStringSubmatch(made.body)[1])
	v.post(t, at+"/host-key", "host_key", "nonsense").want(t, http.StatusBadRequest, "").says(t, "is not a server&#39;s key")
	v.post(t, at+"/host-key", "host_key", found).want(t, http.StatusSeeOther, "")
	fingerprint := regexp.MustCompile(`SHA256:[\w+/]+`).FindString(html.UnescapeString(made.body))
	if page := html.UnescapeString(v.get(t, at).body); !strings.Contains(page, fingerprint) || strings.Contains(page, "PRIVATE KEY") {
		t.Errorf("got %s", page)
	}
	v.post(t, at+"/test").want(t, http.StatusOK, "").says(t, "let us log in")
	// The key is kept though the form does not have it, until somebody has it forgotten.
	version := versions.FindStringSubmatch(v.get(t, at+"/edit").body)[1]
	v.post(t, at+"/edit", "version", version, "name", "server", "host", host, "port", port, "login", server.Login, "host_key", found, "enabled", "true").want(t, http.StatusOK, "")
	v.post(t, at+"/test").want(t, http.StatusOK, "").says(t, "passed")
	version = versions.FindStringSubmatch(v.get(t, at+"/edit").body)[1]
	v.post(t, at+"/edit", "version", version, "name", "server", "host", host, "port", port, "login", server.Login, "host_key", found, "forget_private_key", "true").
		want(t, http.StatusBadRequest, "").says(t, "login_password or private_key")
	v.post(t, at+"/host-key", "host_key", "").want(t, http.StatusSeeOther, "")
	if pinned := v.post(t, at+"/test").want(t, http.StatusOK, "").says(t, "Forget this key"); !strings.Contains(html.UnescapeString(pinned.body), "fingerprint <code>"+fingerprint) {
		t.Errorf("got %s", pinned.body)
	}
	must(t, server.Close())
	v.post(t, at+"/test").want(t, http.StatusServiceUnavailable, "").says(t, "Files could not be delivered there now", "failed")
}

// What was delivered stands on a destination's page, and is sent again from there.
func TestConsoleDestinationsShowDeliveries(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest})
	destination, delivery := b.delivered(t)
	v := b.superadmin(t)
	v.get(t, consoleDestinations+"/"+destination).want(t, http.StatusOK, "").says(t, "calls.csv", "delivered", "/console/deliveries/"+delivery)
	v.post(t, "/console/deliveries/"+delivery+"/retry").want(t, http.StatusSeeOther, "")
	pbxtest.Eventually(t, "it was tried twice", func() bool {
		return strings.Contains(v.get(t, consoleDestinations+"/"+destination).body, `<td class="number">2</td>`)
	})
	b.tenantAdmin(t).get(t, consoleDestinations+"/"+destination).want(t, http.StatusNotFound, "")
}

// In a browser a destination is made by its form, with a script and without one, and axe-core finds nothing wrong.
func TestConsoleDestinationsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, c := range b.lookers() {
		t.Run(c.who, func(t *testing.T) {
			w := b.lookingAt(t, consoleDestinations, "Destinations", c)
			w.accessible(t, "the list")
			w.do(t, chromedp.Click("//a[text()='New destination']"))
			w.shows(t, "New destination")
			w.accessible(t, "the kinds")
			for _, kind := range []string{"s3", "sftp", "webhook", "mail"} {
				w.open(t, consoleDestinations+"/new?kind="+kind)
				w.accessible(t, "the form of "+kind)
			}
			w.open(t, consoleDestinations+"/new?kind=folder")
			if c.who == "superadmin" {
				w.do(t, chromedp.SetValue("#destination-tenant_domain", b.sample.AdminDomain))
			}
			w.do(t, chromedp.SendKeys("#destination-name", "files of "+c.who), chromedp.SendKeys("#destination-folder", "../up"), chromedp.Click("//button[text()='Save']"),
				chromedp.WaitVisible("#destination-folder-fault"))
			w.accessible(t, "what is wrong")
			w.do(t, chromedp.SetValue("#destination-folder", "files"), chromedp.Click("//button[text()='Save']"))
			w.shows(t, "The destination was made")
			w.accessible(t, "what was made")
			w.do(t, chromedp.Click("//a[text()='To the destination']"))
			w.shows(t, "Destination")
			w.accessible(t, "a destination")
			w.do(t, chromedp.Click("//a[text()='Edit']"))
			w.shows(t, "Edit a destination")
			w.accessible(t, "the form of an edit")
			w.do(t, chromedp.Click("//a[text()='Leave it as it is']"), chromedp.Click("//a[text()='Delete']"))
			w.shows(t, "Delete the destination")
			w.accessible(t, "the question")
			w.do(t, chromedp.Click("//button[text()='Delete the destination']"))
			w.shows(t, "Destinations")
			w.loadedNothingElse(t)
		})
	}
}
