package api_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/api"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

func TestConnectionCheck(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TrustedProxies = prefixes("10.0.0.0/8") }})
	const (
		granted = `{"success":1,"message":"API Access Granted: Whitelisted IP"}` + "\n"
		denied  = `{"success":0,"message":"API Access Denied: Only whitelisted IPs may access this endpoint.","address":"` + stranger + `"}` + "\n"
	)
	for _, path := range []string{"/chkcon.php", "/app/xml_cdr/chkcon.php"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			if got := b.do(t, call{method: method, path: path}); got.status != http.StatusOK || got.body != granted && method != http.MethodHead {
				t.Errorf("%s %s: got %d %q", method, path, got.status, got.body)
			}
			got := b.do(t, call{method: method, path: path, from: stranger + ":9", headers: map[string]string{"X-Request-Id": "denied-" + method}})
			if got.status != http.StatusForbidden || got.body != denied && method != http.MethodHead {
				t.Errorf("%s %s: got %d %q", method, path, got.status, got.body)
			}
			if line := b.logged("denied-" + method); method == http.MethodGet && (!strings.Contains(line, "denied=not_whitelisted") || !strings.Contains(line, stranger)) {
				t.Errorf("the first denial is not logged: %q", line)
			}
		}
	}
	behind := call{path: "/chkcon.php", from: "10.0.0.1:9", headers: map[string]string{"X-Forwarded-For": stranger + ", " + caller}}
	b.do(t, behind).want(t, http.StatusOK, "")
	behind.headers["X-Forwarded-For"] = caller + ", " + stranger
	b.do(t, behind).want(t, http.StatusForbidden, "")
	b.do(t, call{path: "/chkcon.php", from: "127.0.0.1:9", headers: map[string]string{"X-Forwarded-For": caller}}).
		want(t, http.StatusForbidden, "").says(t, `"success":0`, "TRUNKLINE_TRUSTED_PROXIES=127.0.0.1")
}

// logged returns the access-log line of a request id.
func (b *bundle) logged(id string) string {
	for line := range strings.Lines(b.log.String()) {
		if strings.Contains(line, "msg=request ") && strings.Contains(line, "request_id="+id) {
			return line
		}
	}
	return ""
}

func TestWhoMayNotCall(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `insert into v_users (user_uuid, domain_uuid, username, password, salt, user_enabled)
		select gen_random_uuid(), $1, 'plain', md5('salt' || 'plain-password'), 'salt', true`, b.sample.Domains[0].UUID)
	b.exec(t, `insert into v_users (user_uuid, domain_uuid, username, password, salt, user_enabled, user_totp_secret)
		select gen_random_uuid(), $1, 'careful', md5('salt' || 'careful-password'), 'salt', true, 'JBSWY3DP'`, b.sample.Domains[0].UUID)
	b.exec(t, `insert into v_users (user_uuid, domain_uuid, username, password, salt, user_enabled)
		select gen_random_uuid(), $1, 'dismissed', md5('salt' || 'dismissed-password'), 'salt', false`, b.sample.Domains[0].UUID)
	for name, c := range map[string]struct {
		change func(*call)
		status int
		code   string
		says   string
	}{
		"not whitelisted":       {func(c *call) { c.from = stranger + ":1" }, 403, "not_whitelisted", "API Access Denied: Only whitelisted IPs may access this endpoint. Your address is " + stranger + "."},
		"an untrusted proxy":    {func(c *call) { c.from, c.headers = "127.0.0.1:1", map[string]string{"X-Forwarded-For": caller} }, 403, "untrusted_proxy", "TRUNKLINE_TRUSTED_PROXIES"},
		"no credentials":        {func(c *call) { c.user = "" }, 401, "authentication_failed", "username and password"},
		"a wrong password":      {func(c *call) { c.pass = "wrong" }, 401, "authentication_failed", "wrong"},
		"an unknown user":       {func(c *call) { c.user = "nobody" }, 401, "authentication_failed", "wrong"},
		"a username of bytes":   {func(c *call) { c.user = "a\x00\xff" }, 401, "authentication_failed", "username"},
		"another scheme":        {func(c *call) { c.user, c.headers = "", map[string]string{"Authorization": "Digest x"} }, 401, "authentication_failed", "Basic"},
		"an unknown key":        {func(c *call) { c.user, c.headers = "", map[string]string{"Authorization": "Bearer x"} }, 401, "authentication_failed", "api_key"},
		"an unknown token":      {func(c *call) { c.user, c.headers = "", map[string]string{"X-API-Key": "trunkline_x"} }, 401, "authentication_failed", "not known"},
		"no key at all":         {func(c *call) { c.user, c.headers = "", map[string]string{"X-API-Key": " "} }, 401, "authentication_failed", "X-API-Key is empty"},
		"two ways at once":      {func(c *call) { c.headers = map[string]string{"X-API-Key": "x"} }, 400, "invalid_request", "X-API-Key"},
		"a token in the query":  {func(c *call) { c.path += "?token=x" }, 400, "credentials_in_query", "query"},
		"a disabled user":       {func(c *call) { c.user, c.pass = "dismissed", "dismissed-password" }, 401, "authentication_failed", "wrong"},
		"neither role":          {func(c *call) { c.user, c.pass = "plain", "plain-password" }, 403, "forbidden", "superadmin"},
		"a second factor":       {func(c *call) { c.user, c.pass = "careful", "careful-password" }, 403, "totp_required", "trunkline token create"},
		"password in the query": {func(c *call) { c.path += "?username=a&password=b" }, 400, "credentials_in_query", "query"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, e := range b.server.Endpoints() {
				if !e.SignedIn {
					continue
				}
				request := b.asSuperadmin(call{method: e.Method, path: e.Path})
				c.change(&request)
				got := b.do(t, request)
				if e.Method == http.MethodHead {
					if got.status != c.status {
						t.Errorf("HEAD %s: got %d, want %d", e.Path, got.status, c.status)
					}
					continue
				}
				wantForm(t, got.want(t, c.status, c.code).says(t, c.says), e.Path)
				asked := strings.Join(got.header.Values("WWW-Authenticate"), "\n")
				if c.status == http.StatusUnauthorized && !strings.HasPrefix(asked, "Bearer ") || strings.Contains(asked, "Basic") {
					t.Errorf("%s: WWW-Authenticate is %q", e.Path, asked)
				}
			}
		})
	}
}

// wantForm checks that an error is in the form of its path.
func wantForm(t *testing.T, got answer, path string) {
	t.Helper()
	fields := got.decode(t)
	if fields["request_id"] != got.header.Get("X-Request-Id") || fields["code"] == nil {
		t.Errorf("%s: no code or request_id in %s", path, got.body)
	}
	if strings.HasPrefix(path, "/app/") {
		stamp, err := time.Parse("2006-01-02T15:04:05Z", got.text(t, "timestamp"))
		if err != nil || time.Since(stamp) > time.Minute || fields["status"] != "error" || fields["message"] == "" {
			t.Errorf("%s: not the documented error: %s", path, got.body)
		}
		return
	}
	if got.header.Get("Content-Type") != "application/problem+json" || fields["detail"] == "" || fields["status"] != float64(got.status) {
		t.Errorf("%s: no problem of RFC 9457: %s", path, got.body)
	}
}

func TestPathsThatAreNot(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for name, c := range map[string]struct {
		call   call
		status int
		code   string
	}{
		"unknown":               {call{path: "/app/other.php"}, 404, "not_found"},
		"unknown in v1":         {call{path: "/v1/other"}, 404, "not_found"},
		"a slash too many":      {call{path: "/v1/jobs/"}, 404, "not_found"},
		"PUT":                   {call{method: http.MethodPut, path: provisionPath}, 405, "method_not_allowed"},
		"DELETE in v1":          {call{method: http.MethodDelete, path: "/v1/jobs"}, 405, "method_not_allowed"},
		"a method of their own": {call{method: "BREW", path: provisionPath}, 405, "method_not_allowed"},
		"not whitelisted":       {call{path: "/v1/other", from: stranger + ":1"}, 403, "not_whitelisted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := b.do(t, c.call).want(t, c.status, c.code)
			wantForm(t, got, c.call.path)
			if c.status == 405 && !strings.Contains(got.header.Get("Allow"), "GET") {
				t.Errorf("Allow is %q", got.header.Get("Allow"))
			}
		})
	}
}

// Who opens the front end's own address, or a path that there is not, is told where to go on.
func TestTheWayToTheDescription(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	if got := b.do(t, call{path: "/"}).want(t, http.StatusOK, "").text(t, "openapi"); got != "/openapi.json" {
		t.Errorf("/ points to %q", got)
	}
	for _, path := range []string{"/other", "/v1/other", "/app/other.php"} {
		b.do(t, call{path: path}).want(t, http.StatusNotFound, "not_found").says(t, "/openapi.json")
	}
}

// A proxy on another host that the settings do not name makes all its callers one address: the log says so
// once, however many requests there are.
func TestUntrustedProxyIsWarnedOf(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TrustedProxies = prefixes("10.0.0.0/8") }})
	warnings := func() int { return strings.Count(b.log.String(), "TRUNKLINE_TRUSTED_PROXIES, so") }
	for _, from := range []string{"10.0.0.1:9", caller + ":9"} {
		b.do(t, call{path: "/chkcon.php", from: from})
	}
	for _, from := range []string{"10.0.0.1:9", "127.0.0.1:9"} { // one is believed, and one refused with the remedy
		b.do(t, withHeader(call{path: "/chkcon.php", from: from}, "X-Forwarded-For", stranger))
	}
	if n := warnings(); n != 0 {
		t.Fatalf("warned %d times of what is right: %s", n, b.log)
	}
	for _, from := range []string{caller + ":9", caller + ":10", "[2001:db8::1]:9", "[2001:db8::2]:9"} {
		b.do(t, withHeader(call{path: "/chkcon.php", from: from}, "X-Forwarded-For", stranger))
	}
	if n := warnings(); n != 2 {
		t.Errorf("warned %d times of two peers: %s", n, b.log)
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	if got := b.do(t, withHeader(call{path: "/v1/other"}, "X-Request-Id", "whmcs-42")); got.header.Get("X-Request-Id") != "whmcs-42" {
		t.Errorf("a sane id became %q", got.header.Get("X-Request-Id"))
	}
	for _, id := range []string{"", "two words", "x\ny=1", strings.Repeat("x", 200)} {
		if got := b.do(t, withHeader(call{path: "/v1/other"}, "X-Request-Id", id)).header.Get("X-Request-Id"); got == id || len(got) != 36 {
			t.Errorf("%q became %q", id, got)
		}
	}
}

func TestBodyTooLarge(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("x", "description", strings.Repeat("x", 70_000))})).want(t, http.StatusRequestEntityTooLarge, "too_large")
}

func TestServerErrorIsNotShown(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.do(t, b.asSuperadmin(call{path: listPath})).want(t, http.StatusOK, "")
	b.exec(t, `alter table v_gateways rename to v_gateways_away`)
	got := b.do(t, b.asSuperadmin(call{path: listPath})).want(t, http.StatusInternalServerError, "server_error")
	if strings.Contains(got.body, "v_gateways") || !strings.Contains(b.logged(got.text(t, "request_id")), "v_gateways") {
		t.Errorf("the cause belongs into the log alone: %s", got.body)
	}
}

func TestWhitelistInEffectWithinASecond(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.serve(t)
	granted := func() bool {
		return b.do(t, call{path: "/chkcon.php", from: stranger + ":1"}).status == http.StatusOK
	}
	save := func(content string) { must(t, os.WriteFile(b.whitelist, []byte(content), 0o600)) }
	replace := func(content string) {
		temporary := filepath.Join(filepath.Dir(b.whitelist), "new")
		must(t, os.WriteFile(temporary, []byte(content), 0o600))
		must(t, os.Rename(temporary, b.whitelist))
	}
	const list = "192.0.2.10\n"
	for _, step := range []struct {
		what string
		do   func()
		want bool
	}{
		{"saved with the address", func() { save(list + stranger + "\n") }, true},
		{"saved without it, the same size", func() { save(list + "198.51.100.67\n") }, false},
		{"replaced by a file with it", func() { replace(list + "198.51.100.0/24") }, true},
		{"emptied", func() { save("") }, false},
		{"with it again", func() { save(stranger) }, true},
		{"deleted", func() { must(t, os.Remove(b.whitelist)) }, false},
		{"there again", func() { save(stranger) }, true},
	} {
		step.do()
		pbxtest.Eventually(t, step.what, func() bool { return granted() == step.want })
	}

	// A broken line is refused with its number, and the old list stays.
	save(stranger + "\nnot an address\n")
	pbxtest.Eventually(t, "the broken line is logged", func() bool { return strings.Contains(b.log.String(), "line 2") })
	if !granted() {
		t.Error("the old list is gone")
	}
	save("192.0.2.10\n")
	pbxtest.Eventually(t, "mended", func() bool { return !granted() })
	for _, words := range []string{"denies everybody", "no such file", "no address in it"} {
		if !strings.Contains(b.log.String(), words) {
			t.Errorf("the log does not say %q", words)
		}
	}
}

func TestBrokenWhitelistAtTheStart(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	must(t, os.WriteFile(b.whitelist, []byte(caller+"\nbroken line\n"), 0o600))
	server, err := api.New(b.options)
	must(t, err)
	b.server = server
	b.do(t, call{path: "/chkcon.php"}).want(t, http.StatusForbidden, "")
	if !strings.Contains(b.log.String(), "line 2") {
		t.Error("the log does not name the line")
	}
	b.do(t, call{path: "/readyz", from: "127.0.0.1:1"}).want(t, http.StatusServiceUnavailable, "").says(t, "line 2")
}
