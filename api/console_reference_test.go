package api_test

import (
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/internal/config"
	"trunkline/internal/fault"
)

var scriptTokens = regexp.MustCompile(`data-script-token="([^"]+)"`)

// script is what a script of the visitor's page of the API asks for.
func (v *visitor) script(t *testing.T, method, path string, form url.Values, with ...string) *http.Request {
	t.Helper()
	page := v.get(t, "/console/api").want(t, http.StatusOK, "")
	token := scriptTokens.FindStringSubmatch(page.body)
	if token == nil {
		t.Fatalf("the page has no token for its script: %s", page.body)
	}
	req := v.request(method, path, form)
	req.Header.Set("X-CSRF-Token", html.UnescapeString(token[1]))
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(with); i += 2 {
		if req.Header.Del(with[i]); with[i+1] != "" {
			req.Header.Set(with[i], with[i+1])
		}
	}
	return req
}

// The page lists every path, whatever the browser runs.
func TestConsoleReference(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	c, err := theContract()
	must(t, err)
	for who, v := range map[string]*visitor{"superadmin": b.superadmin(t), "tenant's admin": b.tenantAdmin(t)} {
		got := v.get(t, "/console/api").want(t, http.StatusOK, "")
		for path := range c.document.Paths.Map() {
			if !strings.Contains(got.body, "<code>"+path+"</code>") {
				t.Errorf("%s: %s is not listed", who, path)
			}
		}
		if policy := got.header.Get("Content-Security-Policy"); !strings.Contains(policy, "img-src 'self' data:;") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %s", who, policy)
		}
	}
	v := b.superadmin(t)
	packed := v.request(http.MethodGet, regexp.MustCompile(`/console/assets/swagger-ui\.[0-9a-f]+\.css`).FindString(v.get(t, "/console/api").body), nil)
	plain := v.do(t, packed).want(t, http.StatusOK, "").says(t, ".swagger-ui")
	packed.Header.Set("Accept-Encoding", "gzip, br")
	if got := v.do(t, packed); got.header.Get("Content-Encoding") != "gzip" || len(got.body) >= len(plain.body) || got.header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("got %v of %d bytes", got.header, len(got.body))
	}
}

// A session is as good as credentials at /v1 for what a script of its own page asks for, and for nobody else.
func TestSessionAtTheAPI(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	const path, change = "/v1/tokens", "/v1/tokens"
	made := form("name", "by a page", "scopes", "read", "all_domains", "true")
	b.send(t, root.script(t, "GET", path, nil)).want(t, http.StatusOK, "")
	b.send(t, root.script(t, "POST", change, made)).want(t, http.StatusCreated, "").says(t, "by a page", b.sample.SuperadminName)
	if b.recorded(t, "token.create", "by a page") != 1 {
		t.Error("it is not in the audit")
	}
	theirs := admin.script(t, "GET", path, nil).Header.Get("X-CSRF-Token")
	ofForms := html.UnescapeString(formToken.FindStringSubmatch(root.get(t, "/console/sessions").body)[1])
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(b.sample.SuperadminName+":"+b.sample.SuperadminPassword))
	for what, c := range map[string]struct {
		with   []string
		status int
		code   fault.Code
	}{
		"no header":                   {[]string{"X-CSRF-Token", ""}, 401, fault.AuthenticationFailed},
		"a made-up one":               {[]string{"X-CSRF-Token", "x"}, 403, fault.CrossSite},
		"another session's":           {[]string{"X-CSRF-Token", theirs}, 403, fault.CrossSite},
		"that of forms":               {[]string{"X-CSRF-Token", ofForms}, 403, fault.CrossSite},
		"another site":                {[]string{"Sec-Fetch-Site", "cross-site"}, 403, fault.CrossSite},
		"another host of the site":    {[]string{"Sec-Fetch-Site", "same-site", "Origin", "https://a.pbx.example"}, 403, fault.CrossSite},
		"a person":                    {[]string{"Sec-Fetch-Site", "none"}, 403, fault.CrossSite},
		"another origin":              {[]string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, 403, fault.CrossSite},
		"nobody says who":             {[]string{"Sec-Fetch-Site", "", "Origin", ""}, 403, fault.CrossSite},
		"no cookie":                   {[]string{"Cookie", ""}, 401, fault.AuthenticationFailed},
		"a cookie that is no secret":  {[]string{"Cookie", "__Host-trunkline=x"}, 403, fault.CrossSite},
		"the page's own origin":       {[]string{"Sec-Fetch-Site", "", "Origin", ownSite}, 200, ""},
		"credentials beside":          {[]string{"Authorization", basic}, 200, ""},
		"credentials without a token": {[]string{"Authorization", basic, "X-CSRF-Token", "x"}, 200, ""},
		"wrong credentials":           {[]string{"Authorization", "Bearer tk_x"}, 401, fault.AuthenticationFailed},
	} {
		got := b.send(t, root.script(t, "GET", path, nil, c.with...))
		if got.status != c.status || c.code != "" && got.text(t, "code") != c.code {
			t.Errorf("%s: GET: got %d %s", what, got.status, got.body)
		}
		want := c.status
		if want == http.StatusOK {
			want = http.StatusCreated
		}
		made.Set("name", what)
		if got := b.send(t, root.script(t, "POST", change, made, c.with...)); got.status != want {
			t.Errorf("%s: POST: got %d %s", what, got.status, got.body)
		}
	}
	b.send(t, root.script(t, "POST", change, form("name", "x", "scopes", "read", "username", b.sample.SuperadminName, "password", b.sample.SuperadminPassword))).
		want(t, http.StatusBadRequest, fault.InvalidRequest)

	// What it may do is what its holder may now.
	b.send(t, admin.script(t, "GET", "/v1/jobs?tenant_domain="+b.foreign().Name, nil)).want(t, http.StatusForbidden, fault.Forbidden)
	b.send(t, admin.script(t, "GET", "/v1/jobs", nil)).want(t, http.StatusOK, "")
	_, secret := b.issue(t, "reader", "read", "all_domains", "true")
	reader := b.visitor()
	reader.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
	b.send(t, reader.script(t, "GET", "/v1/jobs", nil)).want(t, http.StatusOK, "")
	b.send(t, reader.script(t, "GET", path, nil)).want(t, http.StatusForbidden, fault.Forbidden)

	// It serves at /v1 alone, and makes no session that would outlive it.
	b.send(t, root.script(t, "POST", provisionPath, carrier("first"))).want(t, http.StatusUnauthorized, fault.AuthenticationFailed)
	b.send(t, root.script(t, "POST", "/v1/console/sign-ons", form("tenant_domain", b.sample.AdminDomain))).want(t, http.StatusForbidden, fault.Forbidden)
	b.send(t, root.script(t, "GET", "/v1/console/sessions", nil)).want(t, http.StatusOK, "").says(t, b.sample.AdminName)

	// It ends with the session, and with the user.
	over := root.script(t, "GET", path, nil)
	root.post(t, "/console/sign-out").want(t, http.StatusSeeOther, "")
	b.send(t, over).want(t, http.StatusUnauthorized, fault.AuthenticationFailed).says(t, "session of the console is over")
	name, _, _ := strings.Cut(b.sample.AdminName, "@")
	ask := admin.script(t, "GET", "/v1/jobs", nil)
	b.exec(t, "update v_users set user_enabled = false where username = $1", name)
	admin.isOut(t)
	b.send(t, ask).want(t, http.StatusUnauthorized, fault.AuthenticationFailed)
	for _, secret := range []string{over.Header.Get("X-CSRF-Token"), theirs, ofForms} {
		if strings.Contains(b.log.String(), secret) {
			t.Error("a session's token is in the log")
		}
	}
}

// From where a session may be used at /v1 is what says that of the session: not the whitelist of programs.
func TestSessionAtTheAPIByAddress(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) {
		s.TrustedProxies, s.RateLimitUnauthenticated = prefixes("10.0.0.0/8"), 4
	}})
	at := func(address string) *visitor {
		v := b.visitor()
		v.from, v.header = "10.0.0.1:9", http.Header{"X-Forwarded-For": {address}, "X-Forwarded-Proto": {"https"}}
		return v
	}
	code := b.do(t, b.asAdmin(call{path: "/v1/console/sign-ons", form: form()})).want(t, http.StatusCreated, "").text(t, "code")
	v := at(stranger)
	v.post(t, "/console/sign-on", "sign_on_code", code).want(t, http.StatusSeeOther, "")
	v.get(t, "/console/openapi.json").want(t, http.StatusOK, "").says(t, `"openapi": "3.1.0"`)
	b.send(t, v.script(t, "GET", "/v1/jobs", nil)).want(t, http.StatusOK, "")
	b.send(t, v.script(t, "GET", "/v1/tokens", nil)).want(t, http.StatusForbidden, fault.Forbidden) // without the scope admin
	b.send(t, v.script(t, "GET", "/v1/jobs", nil, "X-CSRF-Token", "")).want(t, http.StatusForbidden, fault.NotWhitelisted)
	b.send(t, v.script(t, "GET", "/v1/jobs", nil, "X-Forwarded-For", caller)).want(t, http.StatusForbidden, fault.NotWhitelisted)
	guess := v.script(t, "GET", "/v1/jobs", nil)
	guess.Header.Set("X-CSRF-Token", "x")
	for range 4 {
		b.send(t, guess)
	}
	b.send(t, guess).want(t, http.StatusTooManyRequests, fault.RateLimited)
}

// In a browser the reference is shown, and what is tried is answered, by the session alone.
func TestConsoleReferenceInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, c := range b.lookers()[:2] {
		t.Run(c.who, func(t *testing.T) {
			w := b.lookingAt(t, "/console/api", "API", c)
			w.do(t, chromedp.WaitVisible(".swagger-ui #operations-tag-jobs"))
			w.accessible(t, "the reference")
			w.do(t, chromedp.Click(".swagger-ui #operations-tag-jobs"), chromedp.Click("#operations-jobs-listJobs .opblock-summary-control"),
				chromedp.Click("#operations-jobs-listJobs .try-out__btn"), chromedp.Click("#operations-jobs-listJobs .execute"),
				chromedp.WaitVisible("#operations-jobs-listJobs .live-responses-table"))
			if got := ask(t, w, chromedp.Text("#operations-jobs-listJobs .live-responses-table")); !strings.Contains(got, "200") || !strings.Contains(got, `"jobs"`) {
				t.Errorf("got %s", got)
			}
			if page := ask(t, w, chromedp.Text(".swagger-ui")); strings.Contains(page, "X-CSRF-Token") {
				t.Error("the session's token is shown")
			}
			w.accessible(t, "an operation")
			w.loadedNothingElse(t)
		})
	}
	w := b.openWindow(t, narrow, false)
	w.withoutScripts(t)
	w.open(t, "/console/api")
	w.signIn(t, b.sample.SuperadminName, b.sample.SuperadminPassword)
	w.do(t, chromedp.WaitVisible("//code[text()='/v1/jobs/{id}']"))
}
