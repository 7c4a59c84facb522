package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"trunkline/api"
	"trunkline/internal/audit"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

// accessLog has the bundle's front end write its log in that format into a buffer.
func (b *bundle) accessLog(t *testing.T, handler func(io.Writer) slog.Handler) *pbxtest.LogBuffer {
	t.Helper()
	buffer := &pbxtest.LogBuffer{}
	b.options.Log = slog.New(handler(buffer))
	var err error
	b.server, err = api.New(b.options)
	must(t, err)
	return buffer
}

func inJSON(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }
func inText(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }

// requestLines are the access log's lines; forged would be one of them.
func requestLines(log string) []string {
	var lines []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, "msg=request") || strings.Contains(line, `"msg":"request"`) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	log := b.accessLog(t, inJSON)
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs/0190b5a0-0000-7000-8000-000000000000?wait=0", headers: map[string]string{"X-Request-Id": "r-1"}}))
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs"}))
	b.do(t, call{path: "/v1/jobs", user: "root", pass: "wrong"})
	b.do(t, call{path: "/no/such/path", from: stranger + ":1"})
	b.do(t, call{method: http.MethodDelete, path: "/v1/jobs"})
	b.do(t, call{path: "/v1/jobs", from: "127.0.0.1:9", headers: map[string]string{"X-Forwarded-For": caller}})
	superadmin := b.sample.SuperadminName + "@" + b.sample.Domains[0].Name
	want := []map[string]any{
		{"request_id": "r-1", "address": caller, "who": superadmin, "endpoint": "/v1/jobs/:id", "method": "GET",
			"path": "/v1/jobs/0190b5a0-0000-7000-8000-000000000000", "status": 404.0, "denied": "not_found", "level": "WARN"},
		{"address": caller, "who": superadmin, "endpoint": "/v1/jobs", "path": "/v1/jobs", "status": 200.0, "denied": nil, "tried": nil, "level": "INFO"},
		{"tried": "root", "who": nil, "status": 401.0, "denied": "authentication_failed"},
		{"address": stranger, "endpoint": "unrouted", "path": "/no/such/path", "status": 403.0, "denied": "not_whitelisted"},
		{"endpoint": "unrouted", "method": "DELETE", "path": "/v1/jobs", "status": 405.0, "denied": "method_not_allowed"},
		{"address": "unknown, by way of 127.0.0.1:9", "endpoint": "/v1/jobs", "status": 403.0, "denied": "untrusted_proxy"},
	}
	lines := requestLines(log.String())
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(want), log)
	}
	for i, line := range lines {
		var got map[string]any
		must(t, json.Unmarshal([]byte(line), &got))
		for name, value := range want[i] {
			if got[name] != value {
				t.Errorf("line %d: %s is %v, want %v", i, name, got[name], value)
			}
		}
		for _, name := range []string{"time", "request_id", "address", "endpoint", "method", "path", "status", "ms"} {
			if got[name] == nil {
				t.Errorf("line %d lacks %s: %s", i, name, line)
			}
		}
	}
}

// Denials that are alike are one line a minute, and one more that says how many they were.
func TestDenialsAreLoggedTogether(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	log := b.accessLog(t, inText)
	b.options.Audit = audit.New(b.pool, b.options.Log)
	var err error
	b.server, err = api.New(b.options)
	must(t, err)
	const each = 50
	for i := range each {
		b.do(t, call{path: "/v1/jobs", from: stranger + ":1"})
		b.do(t, call{path: "/v1/jobs", from: fmt.Sprintf("[2001:db8::%x]:1", i)})
	}
	ended, end := context.WithCancel(t.Context())
	end()
	must(t, b.options.Audit.Run(ended)) // which tells of what it has not told
	lines, again := len(requestLines(log.String())), 0
	for line := range strings.Lines(log.String()) {
		if _, times, found := strings.Cut(line, "times="); found && strings.Contains(line, `msg="denied again"`) {
			n, err := strconv.Atoi(strings.Fields(times)[0])
			must(t, err)
			again += n
		}
	}
	if lines < 2 || lines > 4 || lines+again != 2*each { // they may have come in two minutes
		t.Errorf("%d requests are %d lines, and %d more that came again:\n%s", 2*each, lines, again, log)
	}
}

// A token where people type a name, or in a path, is refused with a hint, and stands in no log.
func TestTokensInTheWrongPlace(t *testing.T) {
	t.Parallel()
	authLog := filepath.Join(t.TempDir(), "auth.log")
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.AuthLog = authLog }})
	log := b.accessLog(t, inText)
	_, secret := b.issue(t, "mislaid", "read", "all_domains", "true")
	part := secret[:len(secret)-12]
	for name, c := range map[string]struct {
		call   call
		status int
		hint   string
	}{
		"as a name":                 {call{path: "/v1/jobs", user: secret, pass: "x"}, http.StatusUnauthorized, "user name is an API token"},
		"as a name, no password":    {call{path: "/v1/jobs", user: secret}, http.StatusUnauthorized, "user name is an API token"},
		"as a name in another case": {call{path: "/v1/jobs", user: strings.ToUpper(secret), pass: "x"}, http.StatusUnauthorized, "user name is an API token"},
		"in a form":                 {call{path: provisionPath, form: form("username", secret)}, http.StatusUnauthorized, "user name is an API token"},
		"with a domain":             {call{path: provisionPath, form: form("username", part+"@one.example", "password", "x")}, http.StatusUnauthorized, "user name is an API token"},
		"in a path":                 {call{path: "/v1/jobs/" + secret}, http.StatusBadRequest, "rotate"},
		"in a path that is not":     {call{path: "/" + secret + "/app/status/index.php"}, http.StatusBadRequest, "rotate"},
		"in a path, escaped":        {call{path: "/v1/jobs/%74" + part[1:]}, http.StatusBadRequest, "rotate"},
		"as an external_id":         {call{path: provisionPath, form: form("external_id", secret, "gateway_name", "a")}, http.StatusBadRequest, "external_id: holds an API token"},
		"as a gateway's name":       {call{path: provisionPath, form: form("gateway_name", "x "+secret)}, http.StatusBadRequest, "gateway_name: holds an API token"},
		"in a query":                {call{path: "/v1/audit?who=" + part}, http.StatusBadRequest, "who: holds an API token"},
		"as a key":                  {call{path: provisionPath, headers: map[string]string{"Idempotency-Key": secret}}, http.StatusBadRequest, "Idempotency-Key: holds an API token"},
		"as a request's id":         {call{path: "/v1/jobs", headers: map[string]string{"X-Request-Id": secret}}, http.StatusUnauthorized, "token"},
	} {
		t.Run(name, func(t *testing.T) {
			b.do(t, c.call).want(t, c.status, "").says(t, c.hint)
		})
	}
	b.options.Audit.Flush(t.Context())
	failed, _ := os.ReadFile(authLog)
	for where, text := range map[string]string{"the log": log.String(), "fail2ban's log": string(failed), "the audit": strings.Join(b.audited(t, "denial", 2, "a::text"), "\n")} {
		if text = strings.ToLower(text); strings.Contains(text, strings.ToLower(part[:24])) {
			t.Errorf("the token is in %s: %s", where, text)
		}
	}
}

// Whatever a caller writes where, a request is one line of valid text, and no line is the caller's own.
func TestHostileValuesStayWithinTheirLine(t *testing.T) {
	t.Parallel()
	const (
		forged = "\n" + `time=2026-01-01T00:00:00Z level=INFO msg=request who=forged` + "\r\n" + `{"msg":"request","who":"forged"}`
		secret = "s3cret-in-a-query"
	)
	basic := func(name string) map[string]string {
		return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":wrong"))}
	}
	calls := []call{
		{path: "/v1/jobs/a%0Atime=x%20msg=request%0D%0A%7B%22msg%22:%22request%22%7D"},
		{path: "/v1/jobs/%FF%FE%00%E2%80%A8%E2%80%AE%1B%5B2J"},
		{path: "/" + strings.Repeat("%0A", 3000)},
		{path: "/v1/jobs?token=" + secret + "&signature=" + secret},
		{path: "/v1/exports/0190b5a0-0000-7000-8000-000000000000/file?expires=1&signature=" + secret},
		{path: "/v1/jobs", headers: map[string]string{"X-Request-Id": "a" + forged}},
		{path: "/v1/jobs", headers: basic("root" + forged)},
		{path: "/v1/jobs", headers: basic("root\u2028\u202e\"='")},
		{path: "/v1/jobs", headers: basic("\xff\xfe")},
		{path: "/v1/jobs", headers: basic(strings.Repeat("é", 5000))},
		{path: "/v1/jobs", headers: map[string]string{"X-Forwarded-For": forged, "Host": forged, "User-Agent": forged, "Referer": forged}},
		{path: "/v1/jobs", from: "127.0.0.1:9", headers: map[string]string{"X-Forwarded-For": forged}},
		{path: provisionPath, form: form("username", "root"+forged, "password", secret)},
		{path: provisionPath, body: `{"username":"root\n\u2028","password":"` + secret + `"}`, headers: map[string]string{"Content-Type": "application/json"}},
		{path: provisionPath, body: "x", headers: map[string]string{"Content-Type": forged}},
	}
	const alike = 1 + 3 // of two with a path that holds anything, and of four without a name
	for name, format := range map[string]func(io.Writer) slog.Handler{"text": inText, "json": inJSON} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TrustedProxies = prefixes("192.0.2.99/32") }})
			log := b.accessLog(t, format)
			before := len(log.String())
			for _, c := range calls {
				b.do(t, c)
			}
			written := log.String()[before:]
			// Of those that are denied alike the first has a line; and one line warns of a proxy.
			lines, want := requestLines(written), len(calls)-alike
			if len(lines) != want || strings.Count(written, "\n") != want+1 {
				t.Errorf("%d requests are %d lines, want %d:\n%s", len(calls), len(lines), want, written)
			}
			for line := range strings.Lines(written) {
				if name == "json" && !json.Valid([]byte(line)) {
					t.Errorf("this is no JSON: %s", line)
				}
				if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\x00\x1b\u2028") || len(line) > 2000 {
					t.Errorf("got %q", line)
				}
			}
			if strings.Contains(written, secret) || strings.Contains(written, "signature") {
				t.Errorf("a query or a password is in %s", written)
			}
		})
	}
}
