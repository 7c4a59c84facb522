package api_test

import (
	"encoding/base64"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/fault"
)

const ownSite = "https://pbx.example"

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

func TestConsoleSignsInAndOut(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	v := b.visitor()
	if got := v.get(t, "/console/sessions?x=1"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/console/sign-in?next=%2Fconsole%2Fsessions%3Fx%3D1" {
		t.Errorf("without a session: got %d %v", got.status, got.header)
	}
	v.get(t, "/console/sign-in?next=%2Fconsole%2Fsessions").want(t, http.StatusOK, "")
	got := v.post(t, "/console/sign-in", "username", b.sample.SuperadminName, "password", b.sample.SuperadminPassword, "next", "/console/sessions")
	if got.status != http.StatusSeeOther || got.header.Get("Location") != "/console/sessions" {
		t.Fatalf("got %d %v %s", got.status, got.header, got.body)
	}
	c := v.cookie
	if c.Name != "__Host-trunkline" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("the cookie is %+v", c)
	}
	v.get(t, "/console/sessions").want(t, http.StatusOK, "").says(t, b.sample.SuperadminName, "(this one)", "all domains")
	if b.recorded(t, "console.sign-in", "by password") != 1 {
		t.Error("it is not in the audit")
	}
	stolen := *v
	if got := v.post(t, "/console/sign-out"); got.status != http.StatusSeeOther || v.cookie != nil {
		t.Errorf("signing out: got %d %s", got.status, got.body)
	}
	stolen.isIn(t, false)
	if strings.Contains(b.log.String(), c.Value) || strings.Contains(b.log.String(), b.sample.SuperadminPassword) {
		t.Error("a secret is in the log")
	}
}

// Where one goes after signing in is never elsewhere.
func TestConsoleSendsNobodyElsewhere(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, next := range []string{"", "https://evil.example/console", "//evil.example/console/", "/\\evil.example", "/console/../v1", "/consolex", "javascript:alert(1)", "/v1/tokens", "/console%2f..", "\x00"} {
		got := b.visitor().post(t, "/console/sign-in", "username", b.sample.AdminName, "password", b.sample.AdminPassword, "next", next)
		if to := got.header.Get("Location"); to != "/console" && got.status != http.StatusBadRequest {
			t.Errorf("%q: sent to %q, %d", next, to, got.status)
		}
	}
}

func TestConsoleRefusesToSignIn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TrustedProxies = prefixes("10.0.0.0/8") }})
	name, password := b.sample.SuperadminName, b.sample.SuperadminPassword
	forwarded := func(from string, proto ...string) http.Header {
		return http.Header{"X-Forwarded-For": {from}, "X-Forwarded-Proto": proto}
	}
	for what, c := range map[string]struct {
		from   string
		header http.Header
		form   []string
		status int
		says   string
	}{
		"a stranger":                {stranger + ":1", nil, []string{"username", name, "password", password}, 403, stranger},
		"plain HTTP":                {caller + ":1", nil, []string{"username", name, "password", password}, 403, "use https://"},
		"a proxy that says http":    {"10.0.0.1:1", forwarded(caller, "http"), []string{"username", name, "password", password}, 403, "use https://"},
		"a proxy that says nothing": {"10.0.0.1:1", forwarded(caller), []string{"username", name, "password", password}, 403, "have it set X-Forwarded-Proto"},
		"a proxy that says both":    {"10.0.0.1:1", forwarded(caller, "https", "http"), []string{"username", name, "password", password}, 403, "use https://"},
		"a caller who says https":   {caller + ":1", forwarded(caller, "https"), []string{"username", name, "password", password}, 403, "use https://"},
		"a proxy that says https":   {"10.0.0.1:1", forwarded(caller, "https"), []string{"username", name, "password", password}, 303, ""},
		"on this host":              {"", nil, []string{"username", name, "password", password}, 303, ""},
		"an unknown proxy":          {"127.0.0.1:1", forwarded(caller, "https"), []string{"username", name, "password", password}, 403, "TRUNKLINE_TRUSTED_PROXIES"},
		"a wrong password":          {"", nil, []string{"username", name, "password", "wrong"}, 401, "username or password is wrong"},
		"no password":               {"", nil, []string{"username", name}, 401, "type your name and your password"},
		"nothing":                   {"", nil, []string{"username", "", "token", ""}, 401, "type your name and your password"},
		"a wrong token":             {"", nil, []string{"token", "tk_nonsense"}, 401, "token"},
		"another site's page":       {"", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}, []string{"username", name, "password", password}, 403, "not sent from a page of this console"},
		"a parameter of no meaning": {"", nil, []string{"username", name, "password", password, "admin", "1"}, 400, "admin: unknown here"},
	} {
		v := b.visitor()
		v.from, v.header = c.from, c.header
		got := v.post(t, "/console/sign-in", c.form...)
		if got.status != c.status || !strings.Contains(html.UnescapeString(got.body), c.says) || (v.cookie != nil) != (c.status == 303) {
			t.Errorf("%s: got %d %s, want %d %q", what, got.status, got.body, c.status, c.says)
		}
		if strings.Contains(got.body, password) {
			t.Errorf("%s: the password is shown", what)
		}
	}
	v := b.visitor()
	req := v.request(http.MethodPost, "/console/sign-in", form("username", name, "password", password))
	req.Header.Del("Origin")
	if got := v.do(t, req); got.status != http.StatusForbidden {
		t.Errorf("a request that does not say whose page asks: got %d", got.status)
	}
	if got := v.get(t, "/console/sign-in?password="+password); got.status != http.StatusBadRequest || strings.Contains(got.body, password) {
		t.Errorf("a password in the query: got %d %s", got.status, got.body)
	}
}

// The name that was typed stands in the form again, inert; what is a secret does not.
func TestConsoleShowsWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	const typed = `"><script>alert(1)</script>`
	got := b.visitor().post(t, "/console/sign-in", "username", typed, "password", "p4ssw0rd-typed", "next", typed)
	if got.status != http.StatusUnauthorized || strings.Contains(got.body, "<script>alert") || !strings.Contains(html.UnescapeString(got.body), typed) || strings.Contains(got.body, "p4ssw0rd-typed") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	_, secret := b.issue(t, "pasted", "read", "all_domains", "true")
	if got := b.visitor().post(t, "/console/sign-in", "username", secret, "password", "x"); got.status != http.StatusUnauthorized || strings.Contains(got.body, secret) || strings.Contains(b.log.String(), secret) {
		t.Errorf("a token as a name: got %d %s", got.status, got.body)
	}
}

// A session ends at once with what it was made by.
func TestConsoleSessionEndsWithItsHolder(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	of := "where username = '" + b.sample.AdminName + "'"
	for what, sql := range map[string]string{
		"a new password":      "update v_users set password = 'x' " + of,
		"a new second factor": "update v_users set user_totp_secret = 'JBSWY3DP' " + of,
		"disabled":            "update v_users set user_enabled = false " + of,
		"no admin any more":   "delete from v_user_groups where user_uuid = (select user_uuid from v_users " + of + ")",
		"its domain disabled": "update v_domains set domain_enabled = false where domain_uuid = (select domain_uuid from v_users " + of + ")",
		"deleted":             "delete from v_users " + of,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{noWorker: true})
			name := b.sample.AdminName
			v, other := b.tenantAdmin(t), b.superadmin(t)
			v.isIn(t, true)
			if strings.Contains(name, "@") {
				name, _, _ = strings.Cut(name, "@")
			}
			b.exec(t, strings.ReplaceAll(sql, "'"+b.sample.AdminName+"'", "'"+name+"'"))
			v.isOut(t)
			other.isIn(t, true)
			if n := b.count(t, "select count(*) from trunkline.sessions"); n != 1 {
				t.Errorf("%d sessions are kept", n)
			}
		})
	}
	for what, c := range map[string]call{
		"revoked": {method: http.MethodDelete, path: "/v1/tokens/"},
		"rotated": {method: http.MethodPost, path: "/rotate", form: form("grace", "24h")},
	} {
		t.Run("token "+what, func(t *testing.T) {
			t.Parallel()
			id, secret := b.issue(t, what, "read", "all_domains", "true")
			v := b.visitor()
			v.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
			v.get(t, "/console/sessions").want(t, http.StatusOK, "").says(t, "token:"+what)
			if c.form != nil {
				c.path = "/v1/tokens/" + id + c.path
			} else {
				c.path += id
			}
			b.do(t, b.asSuperadmin(c)).want(t, http.StatusOK, "")
			v.isOut(t)
		})
	}
}

// Whoever has a secret that was replaced, which is good for a while yet, gets no session that would go on for longer.
func TestConsoleReplacedSecret(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, lifetime := range []string{"", "48h"} {
		about := form("name", "replaced"+lifetime, "scopes", "read", "all_domains", "true")
		if lifetime != "" {
			about.Set("expires_in", lifetime)
		}
		made := b.do(t, b.asSuperadmin(call{path: "/v1/tokens", form: about})).want(t, http.StatusCreated, "")
		id, old := made.text(t, "id"), made.text(t, "token")
		signOn := func(secret string) answer {
			return b.do(t, bearing(secret, call{path: "/v1/console/sign-ons", form: form("tenant_domain", b.sample.AdminDomain)}))
		}
		signOn(old).want(t, http.StatusCreated, "")
		b.visitor().post(t, "/console/sign-in", "token", old).want(t, http.StatusSeeOther, "")
		rotated := b.do(t, b.asSuperadmin(call{method: http.MethodPost, path: "/v1/tokens/" + id + "/rotate", form: form("grace", "24h")})).want(t, http.StatusOK, "")
		signOn(old).want(t, http.StatusForbidden, fault.Forbidden)
		b.visitor().post(t, "/console/sign-in", "token", old).want(t, http.StatusForbidden, "").says(t, "was replaced")
		signOn(rotated.text(t, "token")).want(t, http.StatusCreated, "")
		b.visitor().post(t, "/console/sign-in", "token", rotated.text(t, "token")).want(t, http.StatusSeeOther, "")
	}
}

func TestConsoleSecondFactor(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.LoginFailures = 3 }})
	b.exec(t, "update v_users set user_totp_secret = $1", totpSecret)
	sign := func(code string) answer {
		return b.visitor().post(t, "/console/sign-in", "username", b.sample.AdminName, "password", b.sample.AdminPassword, "totp", code)
	}
	sign("").want(t, http.StatusForbidden, "").says(t, "type the code that its app shows", `aria-invalid="true"`)
	code := totpCode(t, time.Now())
	sign(code[:3]+" "+code[3:]).want(t, http.StatusSeeOther, "")
	sign(code).want(t, http.StatusUnauthorized, "").says(t, "used already")
	for range 2 {
		sign("000000").want(t, http.StatusUnauthorized, "").says(t, "code of the second factor is wrong")
	}
	sign(totpCode(t, time.Now().Add(30*time.Second))).want(t, http.StatusTooManyRequests, "").says(t, "too many failed logins")
	b.exec(t, `insert into v_default_settings (default_setting_uuid, default_setting_category, default_setting_subcategory, default_setting_name, default_setting_value, default_setting_enabled)
		values (gen_random_uuid(), 'authentication', 'methods', 'array', 'email', true)`)
	got := b.visitor().post(t, "/console/sign-in", "username", b.sample.SuperadminName, "password", b.sample.SuperadminPassword)
	got.want(t, http.StatusForbidden, "").says(t, "by e-mail", "API token")
}

// A change needs the form of a page of the same session.
func TestConsoleForms(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	v, other := b.superadmin(t), b.superadmin(t)
	v.get(t, "/console/sessions")
	other.get(t, "/console/sessions")
	own := v.page
	for what, page := range map[string]string{"no form": "", "another session's": other.page} {
		v.page = page
		if got := v.post(t, "/console/sign-out"); got.status != http.StatusForbidden || !strings.Contains(got.body, "of another session") {
			t.Errorf("%s: got %d %s", what, got.status, got.body)
		}
	}
	v.page = own
	for _, header := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}, "Origin": nil}, {"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://a.pbx.example"}},
		{"Origin": {"https://evil.example"}}, {"Origin": {"null"}}, {"Origin": nil},
	} {
		req := v.request(http.MethodPost, "/console/sign-out", form("form_token", formToken.FindStringSubmatch(own)[1]))
		for name, values := range header {
			req.Header[name] = values
		}
		if got := v.do(t, req); got.status != http.StatusForbidden {
			t.Errorf("%v: got %d", header, got.status)
		}
	}
	v.isIn(t, true)
}

func TestConsoleSessions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	root, again, admin := b.superadmin(t), b.superadmin(t), b.tenantAdmin(t)
	root.get(t, "/console/sessions").says(t, b.sample.SuperadminName, b.sample.AdminName)
	if got := admin.get(t, "/console/sessions"); strings.Contains(got.body, b.sample.SuperadminName) || !strings.Contains(got.body, b.sample.Domains[0].Name) && !strings.Contains(got.body, b.sample.AdminName) {
		t.Errorf("a tenant's admin sees %s", got.body)
	}
	var id string
	must(t, b.pool.QueryRow(t.Context(), "select id::text from trunkline.sessions where domain_uuid is null order by id desc limit 1").Scan(&id))
	admin.post(t, "/console/sessions/end", "id", id).want(t, http.StatusNotFound, "")
	again.isIn(t, true)
	root.post(t, "/console/sessions/end", "id", id).want(t, http.StatusSeeOther, "")
	again.isIn(t, false)
	root.isIn(t, true)
	admin.isIn(t, true)
	if b.recorded(t, "console.session.end", id) != 1 {
		t.Error("it is not in the audit")
	}
	root.post(t, "/console/sessions/end", "id", id).want(t, http.StatusNotFound, "").says(t, "there is no such session")
}

// Whoever is signed in already is asked before a sign-on replaces their session.
func TestConsoleSignOnAsksBeforeItReplaces(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	code := b.do(t, b.asAdmin(call{path: "/v1/console/sign-ons", form: form()})).want(t, http.StatusCreated, "").text(t, "code")
	root := b.superadmin(t)
	root.post(t, "/console/sign-on", "sign_on_code", code).want(t, http.StatusConflict, "").says(t, b.sample.SuperadminName, "End my session and sign on")
	root.get(t, "/console").want(t, http.StatusOK, "").says(t, "all domains")
	root.get(t, "/console/sign-on").want(t, http.StatusOK, "")
	root.post(t, "/console/sign-on", "sign_on_code", code, "replace", "true").want(t, http.StatusSeeOther, "")
	root.get(t, "/console").want(t, http.StatusOK, "").says(t, b.sample.AdminDomain)
}

// Programs list and end the sessions of their domains, with the scope admin.
func TestSessionsOverTheAPI(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	const path = "/v1/console/sessions"
	var roots, admins string
	must(t, b.pool.QueryRow(t.Context(), "select id::text from trunkline.sessions where domain_uuid is null").Scan(&roots))
	must(t, b.pool.QueryRow(t.Context(), "select id::text from trunkline.sessions where domain_uuid is not null").Scan(&admins))
	if got := b.do(t, b.asAdmin(call{path: path})).want(t, http.StatusOK, ""); strings.Contains(got.body, roots) || !strings.Contains(got.body, admins) {
		t.Errorf("a tenant's admin sees %s", got.body)
	}
	b.do(t, b.asSuperadmin(call{path: path})).want(t, http.StatusOK, "").says(t, roots, admins, `"way":"password"`)
	_, reader := b.issue(t, "reader", "read,provision,export", "all_domains", "true")
	b.do(t, bearing(reader, call{path: path})).want(t, http.StatusForbidden, fault.Forbidden)
	end := func(id string) call { return call{method: http.MethodDelete, path: path + "/" + id} }
	b.do(t, b.asAdmin(end(roots))).want(t, http.StatusNotFound, fault.NotFound)
	b.do(t, b.asAdmin(end("nonsense"))).want(t, http.StatusNotFound, fault.NotFound)
	root.isIn(t, true)
	b.do(t, b.asSuperadmin(end(admins))).want(t, http.StatusOK, "")
	admin.isIn(t, false)
	if b.recorded(t, "console.session.end", admins) != 1 {
		t.Error("it is not in the audit")
	}
}

func TestConsoleSignOn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TrustedProxies = prefixes("10.0.0.0/8") }})
	own, domain := b.foreign(), b.foreign().Name
	id, secret := b.issue(t, "whmcs", "read,admin", "all_domains", "true")
	signOn := func() (code string) {
		got := b.do(t, bearing(secret, call{path: "/v1/console/sign-ons", form: form("tenant_domain", domain)})).want(t, http.StatusCreated, "")
		code = got.text(t, "code")
		if got.text(t, "url") != "https://pbx.example/console/sign-on#"+code || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("got %v %s", got.header, got.body)
		}
		return code
	}
	at := func(address string) *visitor {
		v := b.visitor()
		v.from, v.header = "10.0.0.1:9", http.Header{"X-Forwarded-For": {address}, "X-Forwarded-Proto": {"https"}}
		return v
	}
	code := signOn()
	v := at(stranger)
	v.get(t, "/console/sign-on").want(t, http.StatusOK, "")
	v.post(t, "/console/sign-on", "sign_on_code", code).want(t, http.StatusSeeOther, "")
	v.get(t, "/console/sessions").want(t, http.StatusOK, "").says(t, domain, "sign-on", "token:whmcs")
	if strings.Contains(v.page, b.sample.AdminDomain) || strings.Contains(v.page, "all domains") {
		t.Errorf("it sees more than its domain: %s", v.page)
	}
	at(stranger).post(t, "/console/sign-on", "sign_on_code", code).want(t, http.StatusUnauthorized, "").says(t, "used already")
	at(stranger).post(t, "/console/sign-on", "sign_on_code", "nonsense").want(t, http.StatusUnauthorized, "")
	if got := at(stranger).get(t, "/console/sign-on?sign_on_code="+code); got.status != http.StatusBadRequest {
		t.Errorf("a code in the query: got %d", got.status)
	}
	elsewhere := at(caller)
	elsewhere.cookie = v.cookie
	if got := elsewhere.get(t, "/console/sessions"); got.status != http.StatusForbidden || !strings.Contains(got.body, "bound") {
		t.Errorf("at another address: got %d %s", got.status, got.body)
	}
	v.isIn(t, true)
	plain := b.visitor()
	plain.from = stranger + ":1"
	plain.post(t, "/console/sign-on", "sign_on_code", signOn()).want(t, http.StatusForbidden, "").says(t, "use https://")

	b.exec(t, "update v_domains set domain_enabled = false where domain_uuid = $1", own.UUID)
	v.isOut(t)
	b.exec(t, "update v_domains set domain_enabled = true where domain_uuid = $1", own.UUID)
	code = signOn()
	b.do(t, b.asSuperadmin(call{method: http.MethodDelete, path: "/v1/tokens/" + id})).want(t, http.StatusOK, "")
	at(stranger).post(t, "/console/sign-on", "sign_on_code", code).want(t, http.StatusUnauthorized, "")

	b.do(t, b.asAdmin(call{path: "/v1/console/sign-ons", form: form("tenant_domain", domain)})).want(t, http.StatusForbidden, fault.Forbidden)
	b.do(t, b.asAdmin(call{path: "/v1/console/sign-ons", form: form()})).want(t, http.StatusCreated, "")
	_, homeless := b.issue(t, "homeless", "read", "all_domains", "true")
	b.do(t, bearing(homeless, call{path: "/v1/console/sign-ons", form: form()})).want(t, http.StatusBadRequest, fault.MissingParameters)
	b.do(t, b.asSuperadmin(call{path: "/v1/console/sign-ons", form: form("tenant_domain", "global")})).want(t, http.StatusBadRequest, fault.InvalidRequest)
}

// The database is asked for no more made-up sessions of an address off the list than requests without a good one are allowed.
func TestConsoleMadeUpSessions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.RateLimitUnauthenticated = 2 }})
	v := b.visitor()
	v.from = stranger + ":1"
	try := func() answer {
		v.cookie = &http.Cookie{Name: "__Host-trunkline", Value: base64.RawURLEncoding.EncodeToString(make([]byte, 32))}
		return v.get(t, "/console/sessions")
	}
	try().want(t, http.StatusSeeOther, "")
	try().want(t, http.StatusSeeOther, "")
	tx, err := b.pool.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), "lock table trunkline.sessions")
	must(t, err)
	answered := make(chan answer, 1)
	go func() { answered <- try() }()
	select {
	case got := <-answered:
		got.want(t, http.StatusTooManyRequests, "")
	case <-time.After(10 * time.Second):
		t.Error("the database is asked all the same")
		must(t, tx.Rollback(t.Context()))
		<-answered
	}
	_ = tx.Rollback(t.Context())
}

// The console has a list of its own, if the settings say so.
func TestConsoleWhitelist(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "console.conf")
	must(t, os.WriteFile(list, []byte(stranger+"\n"), 0o600))
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) {
		s.TrustedProxies, s.ConsoleWhitelist = prefixes("10.0.0.0/8"), list
	}})
	for address, status := range map[string]int{stranger: http.StatusSeeOther, caller: http.StatusForbidden} {
		v := b.visitor()
		v.from, v.header = "10.0.0.1:9", http.Header{"X-Forwarded-For": {address}, "X-Forwarded-Proto": {"https"}}
		v.post(t, "/console/sign-in", "username", b.sample.SuperadminName, "password", b.sample.SuperadminPassword).want(t, status, "")
	}
	b.do(t, b.asSuperadmin(call{path: "/v1/whitelist"})).want(t, http.StatusOK, "")
}

// The console works behind nginx as deploy/ sets it up.
func TestConsoleBehindNginx(t *testing.T) {
	t.Parallel()
	_, base := behindNginx(t, nil)
	in, out := clientFrom(t, listed), clientFrom(t, unlisted)
	if got := fetch(t, in, http.MethodGet, base+"/console", nil); got.status != http.StatusSeeOther || got.header.Get("Location") != "/console/sign-in?next=%2Fconsole" {
		t.Errorf("got %d %v", got.status, got.header)
	}
	if got := fetch(t, in, http.MethodGet, base+"/console/sign-in", nil); got.status != http.StatusOK || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d %v %s", got.status, got.header, got.body)
	}
	if got := fetch(t, out, http.MethodGet, base+"/console/sign-in", nil); got.status != http.StatusForbidden || !strings.Contains(got.body, unlisted) {
		t.Errorf("an address that is not on the list: got %d %s", got.status, got.body)
	}
}

// A link on another site's page leads to the page: browsers send the cookie only once a page of ours asks.
func TestConsoleFollowsALinkFromElsewhere(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	v := b.visitor()
	v.header = http.Header{"Sec-Fetch-Site": {"cross-site"}}
	if got := v.get(t, "/console/sessions"); got.status != http.StatusOK || got.header.Get("Refresh") != "0; url=/console/sessions" {
		t.Errorf("got %d %v", got.status, got.header)
	}
}
