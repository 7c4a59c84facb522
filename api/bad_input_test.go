package api_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// wantRefused: an answer to bad input is an error of the caller's, worded by us and with a code. That it
// is in the documented form is checked of every answer.
func wantRefused(t *testing.T, what string, got answer) {
	t.Helper()
	if got.status < 400 || got.status >= 500 {
		t.Errorf("%s: got %d %s", what, got.status, got.body)
		return
	}
	wantNoTrace(t, what, got)
}

// wantAnswered: odd input may be taken, but is never the server's fault.
func wantAnswered(t *testing.T, what string, got answer) {
	t.Helper()
	if got.status >= 500 {
		t.Errorf("%s: got %d %s", what, got.status, got.body)
	}
	wantNoTrace(t, what, got)
}

func wantNoTrace(t *testing.T, what string, got answer) {
	t.Helper()
	for _, trace := range []string{"goroutine", ".go:", "runtime.", "SQLSTATE", "pgx"} {
		if strings.Contains(got.body, trace) {
			t.Errorf("%s: %q is in %s", what, trace, got.body)
		}
	}
}

// operation is one method of one path of openapi.json, with the names of its parameters.
type operation struct {
	method, path   string
	query, form    []string
	requiredInForm []string
}

// operations are all of openapi.json's but those of the health checks, which read no parameter.
func operations(t *testing.T) []operation {
	t.Helper()
	c, err := theContract()
	must(t, err)
	var all []operation
	for path, item := range c.document.Paths.Map() {
		for method, o := range item.Operations() {
			if o.Tags[0] == "health" || o.Tags[0] == "connection" {
				continue
			}
			op := operation{method: method, path: strings.NewReplacer("{id}", "0190b5a0-0000-7000-8000-000000000000").Replace(path)}
			for _, p := range o.Parameters {
				if p.Value.In == openapi3.ParameterInQuery {
					op.query = append(op.query, p.Value.Name)
				}
			}
			if o.RequestBody != nil {
				schema := o.RequestBody.Value.Content.Get("application/x-www-form-urlencoded")
				if schema != nil {
					for name := range schema.Schema.Value.Properties {
						op.form = append(op.form, name)
					}
					op.requiredInForm = schema.Schema.Value.Required
				}
			}
			all = append(all, op)
		}
	}
	return all
}

// Every parameter of every endpoint: repeated, too long, with control characters, in the wrong encoding,
// nested, and of another type.
func TestBadParameters(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	refused := map[string]func(name string) (encoded string){
		"repeated":       func(name string) string { return name + "=1&" + name + "=1" },
		"too long":       func(name string) string { return name + "=" + strings.Repeat("x", 5000) },
		"a NUL":          func(name string) string { return name + "=a%00b" },
		"a line break":   func(name string) string { return name + "=a%0D%0Ab" },
		"an escape":      func(name string) string { return name + "=%1B%5B31m" },
		"wrong encoding": func(name string) string { return name + "=%ff%fe" },
		"half an escape": func(name string) string { return name + "=%f" },
	}
	odd := map[string]func(name string) string{
		"empty":    func(name string) string { return name + "=" },
		"no value": func(name string) string { return name },
		"a number": func(name string) string { return name + "=-99999999999999999999" },
		"markup":   func(name string) string { return name + "=" + url.QueryEscape(`"><script>'; drop table v_users; --`) },
	}
	secret := map[string]bool{"username": true, "password": true}
	for _, op := range operations(t) {
		ask := func(what, query, body string) answer {
			c := call{method: op.method, path: op.path + query, body: body, headers: map[string]string{"Accept": "application/json"}}
			if body != "" {
				c.headers["Content-Type"] = "application/x-www-form-urlencoded"
			}
			return b.do(t, b.asSuperadmin(c))
		}
		for _, name := range op.query {
			for what, encode := range refused {
				wantRefused(t, fmt.Sprintf("%s %s: %s in the query %s", op.method, op.path, name, what), ask(what, "?"+encode(name), ""))
			}
			for what, encode := range odd {
				wantAnswered(t, fmt.Sprintf("%s %s: %s in the query %s", op.method, op.path, name, what), ask(what, "?"+encode(name), ""))
			}
		}
		for _, name := range op.form {
			for what, encode := range refused {
				wantRefused(t, fmt.Sprintf("%s %s: %s in the form %s", op.method, op.path, name, what), ask(what, "", encode(name)))
			}
			for what, encode := range odd {
				wantAnswered(t, fmt.Sprintf("%s %s: %s in the form %s", op.method, op.path, name, what), ask(what, "", encode(name)))
			}
			for what, body := range map[string]string{"nested": `{"` + name + `":{"a":1}}`, "a list": `{"` + name + `":["1"]}`} {
				got := b.do(t, b.asSuperadmin(call{method: op.method, path: op.path, body: body, headers: map[string]string{"Content-Type": "application/json"}}))
				wantRefused(t, fmt.Sprintf("%s %s: %s %s", op.method, op.path, name, what), got)
			}
		}
		for _, name := range op.requiredInForm {
			if secret[name] {
				continue
			}
			for what, body := range map[string]string{"missing": "unrelated=1", "empty": name + "="} {
				got := ask(what, "", body)
				named := slices.ContainsFunc(op.requiredInForm, func(required string) bool { return strings.Contains(got.body, required) })
				if got.status != http.StatusBadRequest || !named {
					t.Errorf("%s %s: %s %s: got %d %s", op.method, op.path, name, what, got.status, got.body)
				}
			}
		}
	}
}

// Every endpoint: bodies that are too large, too deep, too many, compressed, of another type or broken.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	var bomb bytes.Buffer
	compress := gzip.NewWriter(&bomb)
	for range 1 << 10 {
		_, err := compress.Write(make([]byte, 1<<14))
		must(t, err)
	}
	must(t, compress.Close())
	var fields strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&fields, "f%d=1&", i)
	}
	const formType, jsonType = "application/x-www-form-urlencoded", "application/json"
	bodies := map[string]struct{ contentType, encoding, body string }{
		"over the limit":          {formType, "", "a=" + strings.Repeat("x", 70<<10)},
		"JSON over the limit":     {jsonType, "", `{"a":"` + strings.Repeat("x", 70<<10) + `"}`},
		"nested lists":            {jsonType, "", strings.Repeat("[", 10_000)},
		"nested objects":          {jsonType, "", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000)},
		"10,000 fields":           {formType, "", fields.String()},
		"a gzip bomb":             {formType, "gzip", bomb.String()},
		"compressed and no form":  {jsonType, "deflate", "x"},
		"XML":                     {"text/xml", "", `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`},
		"no type":                 {"", "", "gateway_name=x"},
		"a type that is none":     {"/;=", "", "gateway_name=x"},
		"JSON that breaks off":    {jsonType, "", `{"gateway_name":"x`},
		"JSON in UTF-16":          {jsonType, "", "\xff\xfe{\x00}\x00"},
		"multipart, no boundary":  {"multipart/form-data", "", "--B\r\n"},
		"multipart that breaks":   {"multipart/form-data; boundary=B", "", "--B\r\nContent-Disposition: form-data; name=\"gateway_name\"\r\n\r\nx"},
		"a form that breaks off":  {formType, "", "gateway_name=%"},
		"a form with semicolons":  {formType, "", "gateway_name=x;y=z"},
		"a null byte for a form":  {formType, "", "\x00"},
		"a number for an object":  {jsonType, "", "1"},
		"an object and something": {jsonType, "", `{} x`},
	}
	for _, op := range operations(t) {
		if op.method == http.MethodGet || op.method == http.MethodHead {
			continue
		}
		for what, body := range bodies {
			c := call{method: op.method, path: op.path, body: body.body, headers: map[string]string{"Content-Type": body.contentType}}
			if body.encoding != "" {
				c.headers["Content-Encoding"] = body.encoding
			}
			wantRefused(t, op.method+" "+op.path+": "+what, b.do(t, b.asSuperadmin(c)))
		}
	}
}

// What a request says of itself beside its path and method changes neither.
func TestOverrides(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	uuid := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("stays")})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		b.do(t, b.asSuperadmin(call{method: http.MethodPost, path: "/v1/gateways/" + uuid, headers: map[string]string{header: http.MethodDelete}})).
			want(t, http.StatusMethodNotAllowed, "method_not_allowed")
	}
	b.do(t, b.asSuperadmin(call{path: "/v1/gateways/" + uuid, form: form("_method", "DELETE")})).want(t, http.StatusMethodNotAllowed, "method_not_allowed")
	for _, header := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Host", "X-Forwarded-Prefix"} {
		if got := b.do(t, call{path: "/chkcon.php", headers: map[string]string{header: "/v1/jobs"}}); !strings.Contains(got.body, `"success":1`) {
			t.Errorf("%s: got %d %s", header, got.status, got.body)
		}
	}
	exportCall := b.asSuperadmin(call{path: exportPath, form: form("date_start", "2024-01-01", "date_end", "2024-01-02"), headers: map[string]string{"Host": "evil.example", "X-Forwarded-Host": "evil.example"}})
	req := exportCall.request().WithContext(t.Context())
	req.Host = "evil.example"
	if got := b.send(t, req); strings.Contains(got.body, "evil.example") || !strings.Contains(got.body, "https://pbx.example/") {
		t.Errorf("the Host is believed: %d %s", got.status, got.body)
	}
}

// Methods and paths that there are not.
func TestUnknownMethodsAndPaths(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, method := range []string{"PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW", "get"} {
		for _, path := range []string{provisionPath, "/v1/jobs", "/chkcon.php"} {
			wantRefused(t, method+" "+path, b.do(t, b.asSuperadmin(call{method: method, path: path})))
		}
	}
	for _, path := range []string{
		"/app", "/app/", "/app/gateways/", "/app/gateways/provision.php/", "/app/gateways/provision.php/x", "//app/gateways/provision.php",
		"/APP/gateways/provision.php", "/app/gateways/../gateways/provision.php", "/app/%67ateways/provision.ph", "/app/gateways/provision.php%00", "/v1", "/v1/", "/v1/jobs/",
		"/v1/jobs/..%2f..%2fetc", "/v1/unknown", "/index.php", "/.env", "/v1/exports/../../etc/passwd", "/" + strings.Repeat("a", 8000),
	} {
		wantRefused(t, path, b.do(t, b.asSuperadmin(call{path: path})))
	}
	for _, name := range []string{"username", "password", "gateway_password", "api_key", "token", "key", "Password", "password[]"} {
		for _, path := range []string{provisionPath, listPath, exportPath, "/v1/jobs"} {
			b.do(t, b.asSuperadmin(call{path: path + "?" + url.Values{name: {"s3cret-in-url"}}.Encode()})).want(t, http.StatusBadRequest, "credentials_in_query")
		}
	}
	if strings.Contains(b.log.String(), "s3cret-in-url") {
		t.Error("the log holds a secret of the query")
	}
}
