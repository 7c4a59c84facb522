package api_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/internal/pbxtest"
)

// hostile is what a stranger may call themselves.
const hostile = `<script>document.title="taken"</script><img src=x onerror=alert(1)>` + "\u202e"

func TestConsoleWhitelistManager(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	root := b.superadmin(t)
	path := "/console/whitelist"
	before, err := os.ReadFile(b.whitelist)
	must(t, err)
	root.get(t, path).want(t, http.StatusOK, "").says(t, "As a list", "As text")
	root.get(t, path+"?check="+stranger).says(t, stranger+" may not call")
	root.get(t, path+"?check=nonsense").want(t, http.StatusOK, "").says(t, "is not an IP address")
	root.post(t, path+"/add", "address", "203.0.113.300", "comment", "kept").want(t, http.StatusBadRequest, "").says(t, `value="203.0.113.300"`, `value="kept"`, `role="alert"`)
	root.post(t, path+"/add", "address", stranger, "comment", "one <b>").want(t, http.StatusSeeOther, "")
	root.get(t, path+"?check="+stranger).says(t, stranger+" may call", "one &lt;b&gt;")
	root.post(t, path+"/remove", "address", stranger).want(t, http.StatusSeeOther, "")
	if after, err := os.ReadFile(b.whitelist); err != nil || string(after) != string(before) {
		t.Errorf("the file is %q, %v", after, err)
	}

	version := func() string {
		root.get(t, path)
		return between(t, root.page, `name="version" value="`, `"`)
	}
	stood := version()
	root.post(t, path+"/judge", "text", "127.0.0.1\n\nnonsense\n", "version", stood).want(t, http.StatusOK, "").says(t, "line 3", "nonsense")
	root.post(t, path+"/text", "text", "127.0.0.1\nnonsense\n", "version", stood).want(t, http.StatusBadRequest, "").says(t, "line 2", "\n127.0.0.1\nnonsense\n</textarea>")
	locked := root.post(t, path+"/text", "text", "203.0.113.9\n", "version", stood)
	locked.want(t, http.StatusConflict, "").says(t, "You would lock yourself out", "Make the edit and lock me out", `name="allow_lockout" value="true"`)
	if after, err := os.ReadFile(b.whitelist); err != nil || string(after) != string(before) {
		t.Errorf("the file is %q, %v", after, err)
	}
	root.post(t, path+"/text", "text", "127.0.0.1 # here\n", "version", stood).want(t, http.StatusSeeOther, "")
	root.post(t, path+"/text", "text", "127.0.0.1 # other\n", "version", stood).want(t, http.StatusConflict, "").says(t, "has changed since", "# other")
	root.post(t, path+"/text", "text", "203.0.113.9\n", "version", version(), "allow_lockout", "true").want(t, http.StatusSeeOther, "")
	root.get(t, path).want(t, http.StatusForbidden, "")
}

// A tenant's admin has no whitelist, and of tokens and the audit what /v1 lets it have.
func TestConsoleAccessOfATenant(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	admin := b.tenantAdmin(t)
	before, err := os.ReadFile(b.whitelist)
	must(t, err)
	admin.get(t, "/console/tokens").want(t, http.StatusOK, "")
	if strings.Contains(admin.page, "/console/whitelist") || strings.Contains(admin.page, "all_domains") {
		t.Errorf("it is offered %s", admin.page)
	}
	admin.get(t, "/console/whitelist").want(t, http.StatusForbidden, "")
	admin.post(t, "/console/whitelist/add", "address", stranger).want(t, http.StatusForbidden, "")
	admin.post(t, "/console/whitelist/text", "text", stranger, "version", "x", "allow_lockout", "true").want(t, http.StatusForbidden, "")
	if got := admin.post(t, "/console/whitelist/judge", "text", stranger).want(t, http.StatusForbidden, ""); strings.Contains(got.body, "As text") {
		t.Errorf("it is shown %s", got.body)
	}
	if after, err := os.ReadFile(b.whitelist); err != nil || string(after) != string(before) {
		t.Errorf("the file is %q, %v", after, err)
	}
	id, _ := b.issue(t, "of-all", "read", "all_domains", "true")
	admin.get(t, "/console/tokens/"+id).want(t, http.StatusNotFound, "")
	admin.post(t, "/console/tokens/"+id+"/revoke").want(t, http.StatusNotFound, "")
	admin.post(t, "/console/tokens/create", "name", "greedy", "scope_read", "true", "all_domains", "true").want(t, http.StatusForbidden, "").says(t, `value="greedy"`)
	admin.get(t, "/console/audit").want(t, http.StatusOK, "")
	if strings.Contains(admin.page, "of-all") {
		t.Errorf("it sees %s", admin.page)
	}
}

func TestConsoleTokens(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	root := b.superadmin(t)
	root.get(t, "/console/tokens").want(t, http.StatusOK, "").says(t, "There are none yet")
	root.post(t, "/console/tokens/create", "name", "kept <b>").want(t, http.StatusBadRequest, "").says(t, "scopes", "kept &lt;b&gt;")
	root.get(t, "/console/tokens/create").want(t, http.StatusSeeOther, "")
	made := root.post(t, "/console/tokens/create", "name", "whmcs", "scope_read", "true", "scope_provision", "true", "all_domains", "true").want(t, http.StatusCreated, "")
	first := between(t, made.body, `id="secret">`, "<")
	if made.header.Get("Cache-Control") != "no-store" || made.header.Get("Location") != "" {
		t.Errorf("got %v", made.header)
	}
	b.do(t, bearing(first, call{path: "/v1/gateways"})).want(t, http.StatusOK, "")
	root.get(t, "/console/tokens").says(t, "whmcs", "read, provision")
	id := between(t, root.page, `href="/console/tokens/`, `"`)
	if id == "" || strings.Contains(root.page, first) {
		t.Errorf("the list shows %s", root.page)
	}
	root.get(t, "/console/tokens/"+id).want(t, http.StatusOK, "").says(t, "whmcs", "Revoke for good")
	root.post(t, "/console/tokens/"+id+"/rotate", "grace", "soon").want(t, http.StatusBadRequest, "").says(t, `value="soon"`, `id="rotate-grace-fault"`)
	if back := root.get(t, "/console/tokens/"+id+"/rotate").want(t, http.StatusSeeOther, "").header.Get("Location"); back != "/console/tokens/"+id {
		t.Errorf("who reads the path of a form is led to %q", back)
	}
	second := between(t, root.post(t, "/console/tokens/"+id+"/rotate", "grace", "1h").want(t, http.StatusOK, "").body, `id="secret">`, "<")
	if second == first {
		t.Error("the secret is the same")
	}
	root.post(t, "/console/tokens/"+id+"/revoke").want(t, http.StatusSeeOther, "")
	b.do(t, bearing(second, call{path: "/v1/gateways"})).want(t, http.StatusUnauthorized, "")
	root.get(t, "/console/tokens/"+id).says(t, "Revoked")
	root.get(t, "/console/tokens?revoked=true").says(t, "whmcs")
	if got := root.get(t, "/console/tokens"); strings.Contains(got.body, "whmcs") {
		t.Error("a revoked one is listed")
	}
	for _, action := range []string{"token.create", "token.rotate", "token.revoke"} {
		root.get(t, "/console/audit?kind=change&action="+action).says(t, "whmcs")
	}
}

// between is what stands in the text after one mark and before the next other.
func between(t *testing.T, text, after, before string) string {
	t.Helper()
	_, rest, begins := strings.Cut(text, after)
	found, _, ends := strings.Cut(rest, before)
	if !begins || !ends {
		t.Fatalf("%q is not in %s", after, text)
	}
	return found
}

// The pages of access in a browser, as superadmin and as a tenant's admin; whatever strangers call themselves is inert.
func TestConsoleAccessInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.visitor().post(t, "/console/sign-in", "username", hostile, "password", "wrong")
	b.issue(t, "shown", "read", "all_domains", "true")
	root := b.superadmin(t)
	pbxtest.Eventually(t, "the denial is in the audit", func() bool {
		return strings.Contains(root.get(t, "/console/audit?kind=denial").body, "&lt;script&gt;")
	})
	for _, c := range []struct {
		who, name, password string
		width               int64
		dark                bool
		pages               []string
	}{
		{"superadmin", b.sample.SuperadminName, b.sample.SuperadminPassword, wide, false, []string{"Whitelist", "Tokens", "Audit"}},
		{"superadmin by phone", b.sample.SuperadminName, b.sample.SuperadminPassword, narrow, true, []string{"Whitelist", "Tokens", "Audit"}},
		{"tenant's admin", b.sample.AdminName, b.sample.AdminPassword, narrow, false, []string{"Tokens", "Audit"}},
	} {
		t.Run(c.who, func(t *testing.T) {
			w := b.openWindow(t, c.width, c.dark)
			w.open(t, "/console/sessions")
			w.signIn(t, c.name, c.password)
			w.shows(t, "Sessions")
			for _, page := range c.pages {
				w.do(t, chromedp.Click("//nav//a[text()='"+page+"']"))
				w.shows(t, page)
				w.accessible(t, page)
				if title := ask(t, w, chromedp.Title()); title == "taken" {
					t.Error("a stranger's name is run as a script")
				}
			}
			if c.pages[0] == "Whitelist" {
				w.open(t, "/console/whitelist")
				w.do(t, chromedp.SendKeys("#text", "\nnonsense"), chromedp.WaitVisible("//*[@id='faults']//li[contains(., 'nonsense')]"))
				w.accessible(t, "a faulty whitelist")
				w.open(t, "/console/tokens")
				w.do(t, chromedp.SendKeys("#token-name", "faulty"), chromedp.Click("//button[text()='Make the token']"), chromedp.WaitVisible("#token-problem"))
				w.accessible(t, "a faulty form")
				w.open(t, "/console/tokens")
				w.do(t, chromedp.SendKeys("#token-name", "made "+strings.ReplaceAll(c.who, " ", "-")), chromedp.Click("input[name=scope_read]"), chromedp.Click("input[name=all_domains]"),
					chromedp.Click("//button[text()='Make the token']"), chromedp.WaitVisible("#secret"))
				w.accessible(t, "a secret")
				w.do(t, chromedp.Click("//a[text()='To the token']"))
				w.shows(t, "Token")
				w.accessible(t, "one token")
			}
			w.open(t, "/console/audit?"+url.Values{"who": {hostile}}.Encode())
			w.accessible(t, "a filtered audit")
			w.loadedNothingElse(t)
		})
	}
}
