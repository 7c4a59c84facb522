package api_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// visitor is a browser that visits the console: it keeps its cookie, says whose page asks, and sends forms with their
// hidden fields.
type visitor struct {
	b      *bundle
	from   string // the peer's address; on this host where empty
	cookie *http.Cookie
	page   string // the last page that it read
	header http.Header
}

func (b *bundle) visitor() *visitor { return &visitor{b: b} }

// get reads a page, and follows no redirection.
func (v *visitor) get(t *testing.T, path string) answer {
	t.Helper()
	got := v.do(t, v.request(http.MethodGet, path, nil))
	if got.status == http.StatusOK {
		v.page = got.body
	}
	return got
}

func (v *visitor) request(method, path string, form url.Values) *http.Request {
	req := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	req.RemoteAddr, req.Host = "127.0.0.1:40000", "pbx.example"
	if v.from != "" {
		req.RemoteAddr = v.from
	}
	for name, values := range v.header {
		req.Header[name] = values
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if req.Header.Get("Origin") == "" {
			req.Header.Set("Origin", ownSite)
		}
	}
	if v.cookie != nil {
		req.AddCookie(v.cookie)
	}
	return req
}

func (v *visitor) do(t *testing.T, req *http.Request) answer {
	t.Helper()
	recorder := httptest.NewRecorder()
	v.b.server.Handler().ServeHTTP(recorder, req.WithContext(t.Context()))
	response := recorder.Result()
	for _, c := range response.Cookies() {
		if c.Name != "__Host-trunkline" { // that of the zone is no session's
			continue
		}
		if c.MaxAge < 0 {
			v.cookie = nil
			continue
		}
		v.cookie = c
	}
	return answer{status: recorder.Code, header: response.Header, body: recorder.Body.String()}
}

// post sends a form of the last page that was read.
func (v *visitor) post(t *testing.T, path string, pairs ...string) answer {
	t.Helper()
	fields := form(pairs...)
	if token := formToken.FindStringSubmatch(v.page); token != nil {
		fields.Set("form_token", html.UnescapeString(token[1]))
	}
	return v.do(t, v.request(http.MethodPost, path, fields))
}

// signIn signs in by password, and fails the test unless that leads to the path.
func (v *visitor) signIn(t *testing.T, name, password string, more ...string) *visitor {
	t.Helper()
	got := v.post(t, "/console/sign-in", append([]string{"username", name, "password", password}, more...)...)
	if got.status != http.StatusSeeOther || v.cookie == nil {
		t.Fatalf("signing in as %s: got %d %s", name, got.status, got.body)
	}
	return v
}

func (b *bundle) superadmin(t *testing.T) *visitor {
	t.Helper()
	return b.visitor().signIn(t, b.sample.SuperadminName, b.sample.SuperadminPassword)
}

func (b *bundle) tenantAdmin(t *testing.T) *visitor {
	t.Helper()
	return b.visitor().signIn(t, b.sample.AdminName, b.sample.AdminPassword)
}

// isIn fails unless a page of the console is shown.
func (v *visitor) isIn(t *testing.T, want bool) {
	t.Helper()
	got := v.get(t, "/console/sessions")
	if in := got.status == http.StatusOK; in != want {
		t.Errorf("signed in is %t, want %t: got %d %s %s", in, want, got.status, got.header.Get("Location"), got.body)
	}
}

// isOut waits until what was known of callers is not used any more, and the session has ended.
func (v *visitor) isOut(t *testing.T) {
	t.Helper()
	pbxtest.Eventually(t, "the session has ended", func() bool { return v.get(t, "/console/sessions").status == http.StatusSeeOther })
}
