package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/fault"
)

const bulkPath = "/v1/gateways/bulk"

// file is a call that sends a file of gateways as its body; the query holds the parameters.
func file(query, text string) call {
	path := bulkPath
	if query != "" {
		path += "?" + query
	}
	return call{method: http.MethodPost, path: path, body: text, headers: map[string]string{"Content-Type": "text/csv"}}
}

// problem is what an answer says is wrong with a file.
type problem struct {
	Code        string         `json:"code"`
	Errors      []fault.Detail `json:"errors"`
	ErrorsTotal int            `json:"errors_total"`
}

func (a answer) problem(t *testing.T) (p problem) {
	t.Helper()
	must(t, json.Unmarshal([]byte(a.body), &p))
	return p
}

// bulkJob is a bulk job as its answer shows it.
type bulkJob struct {
	JobID  string         `json:"job_id"`
	State  string         `json:"state"`
	Counts map[string]int `json:"counts"`
	Result struct {
		Counts map[string]int `json:"counts"`
	} `json:"result"`
	Items struct {
		Items []bulkItem `json:"items"`
		Next  int        `json:"next"`
	} `json:"items"`
}

type bulkItem struct {
	Number, Line int
	State        string
	Action       string
	GatewayUUID  string `json:"gateway_uuid"`
	GatewayName  string `json:"gateway_name"`
	TenantDomain string `json:"tenant_domain"`
	Error        *struct{ Code, Field, Message string }
	Changes      []struct {
		Field   string
		From    *string
		To      *string
		Changed bool
	}
}

func (a answer) bulk(t *testing.T) (job bulkJob) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	must(t, json.Unmarshal([]byte(a.body), &job))
	return job
}

const threeRows = "name;host;user;secret\n" +
	"one;sip.carrier.example;0049;" + gatewayPassword + "\n" +
	"two;sip.carrier.example:5080;+49;'=" + gatewayPassword + "\n" +
	"three;[2001:db8::1];three;\" " + gatewayPassword + "\"\"\"\n"

// A file goes in as body and as a form by curl and by PHP, and all cells are text.
func TestBulkImport(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	job := b.do(t, b.asAdmin(file("", threeRows))).bulk(t)
	if job.State != "succeeded" || job.Counts["succeeded"] != 3 || job.Result.Counts["created"] != 3 || len(job.Items.Items) != 3 {
		t.Fatalf("got %+v", job)
	}
	if first := job.Items.Items[0]; first.Number != 1 || first.Line != 2 || first.State != "succeeded" || first.Action != "created" || first.GatewayUUID == "" ||
		first.GatewayName != "one" || first.TenantDomain != b.sample.AdminDomain {
		t.Errorf("the first item is %+v", first)
	}
	for name, want := range map[string][2]string{"one": {"0049", gatewayPassword}, "two": {"+49", "'=" + gatewayPassword}, "three": {"three", " " + gatewayPassword + `"`}} {
		if n := b.count(t, "select count(*) from v_gateways where gateway = $1 and username = $2 and password = $3", name, want[0], want[1]); n != 1 {
			t.Errorf("%s: %d rows are as they were sent", name, n)
		}
	}
	again := b.do(t, b.asAdmin(file("", threeRows))).bulk(t)
	if again.Result.Counts["unchanged"] != 3 || again.JobID == job.JobID {
		t.Errorf("the same again is %+v", again)
	}
	dry := b.do(t, b.asAdmin(file("dry_run=true", strings.Replace(threeRows, ";three;", ";other;", 1)+"four;host;u;p\n"))).bulk(t)
	if dry.Result.Counts["unchanged"] != 2 || dry.Result.Counts["change"] != 1 || dry.Result.Counts["add"] != 1 || dry.Items.Items[2].Action != "change" ||
		len(dry.Items.Items[2].Changes) != 1 || dry.Items.Items[2].Changes[0].Field != "username" {
		t.Errorf("the dry run is %+v", dry)
	}
	if b.count(t, "select count(*) from v_gateways where gateway = 'four' or username = 'other'") != 0 {
		t.Error("a dry run has written")
	}
	if b.recorded(t, "gateway.bulk", "3 gateways by a file of csv") != 2 {
		t.Error("the audit does not have the two imports alone")
	}
}

func TestBulkFormats(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	row := func(name string) string {
		return fmt.Sprintf(`{"gateway_name":%q,"gateway_domain":"sip.carrier.example","gateway_username":"account","gateway_password":%q,"ping":30,"contact_in_ping":true,"description":null}`, name, gatewayPassword)
	}
	csvOf := func(name string) string {
		return "gateway_name,gateway_domain,gateway_username,gateway_password,ping\n" + name + ",sip.carrier.example,account," + gatewayPassword + ",30\n"
	}
	form := func(name, media, text string, after ...string) call {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		must(t, w.WriteField("mode", "each"))
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + name + `"; filename="gateways"`}, "Content-Type": {media}})
		must(t, err)
		_, err = part.Write([]byte(text))
		must(t, err)
		for i := 0; i < len(after); i += 2 {
			must(t, w.WriteField(after[i], after[i+1]))
		}
		must(t, w.Close())
		return call{method: http.MethodPost, path: bulkPath, body: body.String(), headers: map[string]string{"Content-Type": w.FormDataContentType()}}
	}
	of := func(media, text string) call {
		c := file("", text)
		c.headers["Content-Type"] = media
		return c
	}
	for i, c := range []call{
		of("application/json", "["+row("f0")+"]"),
		of("application/x-ndjson", row("f1")+"\n"),
		of("application/json", row("f2")),
		of("", csvOf("f3")),
		of("application/octet-stream", "\ufeff"+strings.ReplaceAll(csvOf("f4"), "\n", "\r\n")),
		form("file", "text/csv", csvOf("f5"), "dry_run", "false", "wait", "20"),
		form("gateways", "application/octet-stream", row("f6")),
		form("file", "text/csv", strings.Replace(strings.Replace(csvOf("f7"), "\n", ",colour\n", 1), "30\n", "30,red\n", 1), "ignore_columns", "Colour, size"),
	} {
		if job := b.do(t, b.asSuperadmin(c)).bulk(t); job.State != "succeeded" || job.Items.Items[0].GatewayName != fmt.Sprintf("f%d", i) {
			t.Errorf("%d: got %+v", i, job)
		}
	}
	if n := b.count(t, "select count(*) from v_gateways where gateway ~ '^f[0-7]$' and ping = '30' and password = $1", gatewayPassword); n != 8 {
		t.Errorf("%d gateways are there", n)
	}
	b.do(t, b.asSuperadmin(form("file", "text/csv", csvOf("x"), "password", "s"))).want(t, http.StatusBadRequest, "invalid_request").says(t, "HTTP Basic")
	b.do(t, b.asSuperadmin(form("file", "text/csv", csvOf("x"), "colour", "s"))).want(t, http.StatusBadRequest, "invalid_request").says(t, "colour: unknown here")
	b.do(t, call{method: http.MethodPost, path: bulkPath, body: csvOf("x"), headers: map[string]string{"Content-Type": "text/csv"}}).
		want(t, http.StatusUnauthorized, "authentication_failed").says(t, "in a header")
	b.do(t, b.asSuperadmin(call{method: http.MethodPost, path: bulkPath, form: asForm("mode", "all")})).want(t, http.StatusBadRequest, "invalid_request").says(t, "curl -F file=@")
}

// asForm is form where another is called so.
var asForm = form

// What curl and PHP send is what their users write.
func TestBulkByCurlAndPHP(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	base, _ := b.serve(t)
	dir := t.TempDir()
	path := func(name string) string {
		at := filepath.Join(dir, name+".csv")
		must(t, os.WriteFile(at, []byte("name,host,user,secret\n"+name+",sip.carrier.example,account,"+gatewayPassword+"\n"), 0o600))
		return at
	}
	login := b.sample.AdminName + ":" + b.sample.AdminPassword
	script := filepath.Join(dir, "bulk.php")
	must(t, os.WriteFile(script, []byte(`<?php
$c = curl_init($argv[1]);
curl_setopt_array($c, [CURLOPT_USERPWD => $argv[2], CURLOPT_RETURNTRANSFER => true, CURLOPT_POSTFIELDS => ['file' => new CURLFile($argv[3]), 'mode' => 'each']]);
echo curl_exec($c);
`), 0o600))
	for name, args := range map[string][]string{
		"curl-form": {"curl", "-sS", "-u", login, "-F", "file=@" + path("curl-form"), "-F", "mode=all", base + bulkPath},
		"curl-body": {"curl", "-sS", "-u", login, "-H", "Content-Type: text/csv", "--data-binary", "@" + path("curl-body"), base + bulkPath},
		"php":       {"php", script, base + bulkPath, login, path("php")},
	} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
		if err != nil || !strings.Contains(string(out), `"state":"succeeded"`) {
			t.Errorf("%s: %v %s", name, err, out)
		}
		if b.count(t, "select count(*) from v_gateways where gateway = $1 and password = $2", name, gatewayPassword) != 1 {
			t.Errorf("%s: there is no gateway", name)
		}
	}
}

// All faults of all rows are told, each with its line and field, and nothing is written; in mode each what is right
// goes through.
func TestBulkFaults(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("there", "external_id", "service-1")})).want(t, http.StatusOK, "")
	other := b.sample.Domains[0].Name
	if other == b.sample.AdminDomain {
		other = b.sample.Domains[1].Name
	}
	const head = "gateway_name,gateway_domain,gateway_username,gateway_password,profile,transport,ping,expire_seconds,hostname,context,tenant_domain,external_id,gateway_uuid,description\n"
	long := strings.Repeat("x", 129)
	rows := []struct{ cells, field, code, says string }{
		{"good,sip.carrier.example,u," + gatewayPassword + ",,,,,,,,,,", "", "", ""},
		{",sip.carrier.example,u,p,,,,,,,,,,", "gateway_name", "missing_parameters", "gateway_name"},
		{long + ",sip.carrier.example,u,p,,,,,,,,,,", "gateway_name", "invalid_gateway", "128 characters"},
		{"a,not a host,u,p,,,,,,,,,,", "gateway_domain", "invalid_request", "is not a host"},
		{"b,host:99999,u,p,,,,,,,,,,", "gateway_domain", "invalid_request", "65535"},
		{"c,host,u,p,none,,,,,,,,,", "profile", "profile_unavailable", "profile"},
		{"d,host,u,p,,sctp,,,,,,,,", "transport", "invalid_request", "udp, tcp or tls"},
		{"e,host,u,p,,,3,,,,,,,", "ping", "invalid_request", "under 5"},
		{"f,host,u,p,,,,99999999999,,,,,,", "expire_seconds", "invalid_request", "whole number"},
		{"g,host,u,pa$s,,,,,,,,,,", "gateway_password", "invalid_gateway", "$"},
		{"h,host,u,p,,,,,fs1,,,,,", "hostname", "forbidden", "superadmin"},
		{"i,host,u,p,,,,,,other.example,,,,", "context", "forbidden", "public"},
		{"j,host,u,p,,,,,,," + other + ",,,", "tenant_domain", "forbidden", "alone"},
		{"k,host,u,p,,,,,,,,,not-a-uuid,", "gateway_uuid", "invalid_request", "UUID"},
		{"l,host,u,p,,,,,,,,,0190b5a0-0000-7000-8000-000000000000,", "gateway_uuid", "not_found", "ignore_columns"},
		{"GOOD,host,u,p,,,,,,,,,,", "gateway_name", "conflict", "row 1 (line 2)"},
		{"m,host,,,,,,,,,,,,", "gateway_username", "missing_parameters", "gateway_password"},
		{"n,host,u,p,,,,,,,," + strings.Repeat("y", 256) + ",,", "external_id", "invalid_request", "255"},
		{"\"o\no\",host,u,p,,,,,,,,,,", "gateway_name", "invalid_request", "line break"},
		{"p,host,u,p,,,,,,,,,,\x01", "description", "invalid_request", "control character"},
		{"q,host,u," + strings.Repeat("z", 5000) + ",,,,,,,,,,", "gateway_password", "invalid_request", "4096 bytes"},
		{"r,a b,u,p$,,x,1,,,,,,,", "gateway_domain", "invalid_request", "is not a host"},
	}
	text, line := head, 1
	type want struct {
		line, row         int
		field, code, says string
	}
	var wants []want
	for i, row := range rows {
		text += row.cells + "\n"
		if row.code != "" {
			wants = append(wants, want{line + 1, i + 1, row.field, row.code, row.says})
		}
		line += 1 + strings.Count(row.cells, "\n")
	}
	before := b.count(t, "select count(*) from v_gateways")
	got := b.do(t, b.asAdmin(file("", text))).want(t, http.StatusUnprocessableEntity, "invalid_rows")
	p := got.problem(t)
	for _, w := range wants {
		found := false
		for _, e := range p.Errors {
			found = found || e.Line == w.line && e.Row == w.row && e.Field == w.field && e.Code == w.code && strings.Contains(e.Message, w.says)
		}
		if !found {
			t.Errorf("%+v is not among the errors", w)
		}
	}
	ofLast := 0
	for _, e := range p.Errors {
		if e.Row == len(rows) {
			ofLast++
		}
	}
	if ofLast != 3 || p.ErrorsTotal != len(p.Errors) || p.ErrorsTotal != len(wants)+2 {
		t.Errorf("%d errors, %d of the last row: %s", p.ErrorsTotal, ofLast, got.body)
	}
	if strings.Contains(got.body, gatewayPassword) || strings.Contains(got.body, "pa$s") {
		t.Error("a password is in the answer")
	}
	if after := b.count(t, "select count(*) from v_gateways"); after != before || b.count(t, "select count(*) from trunkline.jobs where kind = 'bulk'") != 0 {
		t.Errorf("%d gateways became %d", before, after)
	}
	job := b.do(t, b.asAdmin(file("mode=each", text))).bulk(t)
	if job.State != "partial" || job.Counts["succeeded"] != 1 || job.Counts["failed"] != len(rows)-1 || b.count(t, "select count(*) from v_gateways") != before+1 {
		t.Errorf("mode each: got %+v", job.Counts)
	}
	if second := job.Items.Items[1]; second.Error == nil || second.Error.Code != "missing_parameters" {
		t.Errorf("the second item is %+v", second)
	}
	b.do(t, b.asAdmin(file("mode=each", head+rows[1].cells+"\n"))).want(t, http.StatusUnprocessableEntity, "invalid_rows")
}

// What makes a file unreadable is refused in either mode, with the line.
func TestBulkUnreadableFiles(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.BulkErrors = 3; s.BulkRows = 5; s.BulkBytes = 1 << 20 }})
	const good = "name,host,user,secret\na,host,u," + gatewayPassword + "\n"
	for name, c := range map[string]struct {
		text, code string
		line       int
		field      string
		says       string
	}{
		"nothing":          {"", "invalid_request", 0, "", "empty"},
		"a header alone":   {"name,host\n", "invalid_request", 0, "", "no rows"},
		"no header":        {"a,host,u," + gatewayPassword + "\n", "invalid_request", 1, "", "name the columns"},
		"unknown columns":  {strings.Replace(good, "secret", "secret,colour", 1), "invalid_request", 1, "colour", "ignore_columns"},
		"a doubled column": {strings.Replace(good, "user", "Gateway-Name", 1), "invalid_request", 1, "gateway_name", "twice"},
		"ragged":           {good + "b\n", "invalid_request", 3, "", "1 cells"},
		"a quote":          {good + "b,\"host,u,p\n", "invalid_request", 3, "", "never closed"},
		"UTF-16":           {"\xff\xfen\x00a\x00m\x00e\x00", "invalid_request", 1, "", "UTF-16"},
		"Windows-1252":     {strings.Replace(good, "a,host", "a,h\xf6st", 1), "invalid_request", 2, "gateway_domain", "Windows-1252"},
		"deep JSON":        {strings.Repeat(`[`, 10_000), "invalid_request", 1, "", "object"},
		"a doubled name":   {`[{"name":"a","Name":"b"}]`, "invalid_request", 1, "gateway_name", "twice"},
		"many rows":        {"name,host\n" + strings.Repeat("a,h\n", 6), "too_large", 7, "", "TRUNKLINE_BULK_ROWS"},
		"many bytes":       {"name,host\n" + strings.Repeat("x", 1<<20), "too_large", 0, "", "TRUNKLINE_BULK_BYTES"},
		"very many bytes":  {"name,host\n" + strings.Repeat("x", 3<<20), "too_large", 0, "", ""},
	} {
		for _, mode := range []string{"all", "each"} {
			got := b.do(t, b.asSuperadmin(file("mode="+mode, c.text)))
			p := got.problem(t)
			if got.status != http.StatusBadRequest && got.status != http.StatusRequestEntityTooLarge || p.Code != c.code || len(p.Errors) == 0 && name != "very many bytes" {
				t.Errorf("%s: got %d %.500s", name, got.status, got.body)
				continue
			}
			if name == "very many bytes" {
				continue
			}
			if e := p.Errors[0]; c.line > 0 && e.Line != c.line || e.Field != c.field || !strings.Contains(e.Message, c.says) {
				t.Errorf("%s: got %+v", name, e)
			}
			if strings.Contains(got.body, gatewayPassword) {
				t.Errorf("%s: the password is in %s", name, got.body)
			}
		}
	}
	many := b.do(t, b.asSuperadmin(file("", good+strings.Repeat("b\n", 4)))).problem(t)
	if len(many.Errors) != 3 || many.ErrorsTotal != 4 {
		t.Errorf("of many errors: %+v", many)
	}
	c := b.asSuperadmin(file("", good))
	c.headers["Content-Encoding"] = "gzip"
	b.do(t, c).want(t, http.StatusBadRequest, "invalid_request").says(t, "Content-Encoding")
	b.do(t, b.asSuperadmin(file("format=json", good))).want(t, http.StatusBadRequest, "invalid_request").says(t, "format")
	b.do(t, b.asSuperadmin(file("mode=some", good))).want(t, http.StatusBadRequest, "invalid_request").says(t, "mode")
	b.do(t, b.asSuperadmin(file("colour=red", good))).want(t, http.StatusBadRequest, "invalid_request").says(t, "colour")
	if b.count(t, "select count(*) from trunkline.jobs") != 0 {
		t.Error("a job was accepted")
	}
}

// A caller of several domains who names none for a row is told of the parameter.
func TestBulkOfRowsThatNameNoDomain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	asToken := b.token(t, "several", "read,provision", b.sample.AdminDomain+","+otherDomain(b))
	p := b.do(t, asToken(file("", "name;host;user;secret\none;host;u;p\n"))).want(t, http.StatusUnprocessableEntity, "invalid_rows").problem(t)
	if len(p.Errors) != 1 || p.Errors[0].Field != "tenant_domain" || p.Errors[0].Line != 2 || !strings.Contains(p.Errors[0].Message, otherDomain(b)) {
		t.Errorf("got %+v", p)
	}
}

// A row about another tenant's domain is a denial that the audit has, whether or not the other rows are carried out.
func TestBulkRowOfAnotherDomainIsADenial(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	text := "name;host;user;secret;domain\none;host;u;p;\ntwo;host;u;p;" + otherDomain(b) + "\nthree;host;u;p;" + otherDomain(b) + "\n"
	b.do(t, b.asAdmin(file("", text))).want(t, http.StatusUnprocessableEntity, "invalid_rows")
	b.do(t, b.asAdmin(file("mode=each&wait=30", text))).want(t, http.StatusOK, "")
	if got := b.audited(t, "denial", 1, "concat_ws(' ', action, code, times)"); got[0] != bulkPath+" forbidden 2" {
		t.Errorf("the audit has %q", got)
	}
}

// Objects that call a parameter differently make one column of the results.
func TestResultsHaveOneColumnAField(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	c := file("wait=30", `{"name":"one","host":"a.example","username":"u","secret":"p"}`+"\n"+`{"gateway_name":"two","server":"b.example","user":"v","password":"p"}`+"\n")
	c.headers["Content-Type"] = "application/x-ndjson"
	id := b.do(t, b.asAdmin(c)).want(t, http.StatusOK, "").text(t, "job_id")
	got := b.do(t, b.asAdmin(call{path: "/v1/jobs/" + id + "/items?format=csv"})).want(t, http.StatusOK, "").body
	lines := strings.Split(got, "\n")
	if !strings.HasPrefix(lines[0], "name,host,username,secret,result_state,") || !strings.HasPrefix(lines[1], "one,a.example,u,,succeeded,") || !strings.HasPrefix(lines[2], "two,b.example,v,,succeeded,") {
		t.Errorf("the results are\n%s", got)
	}
}

// What is sent on the condition that a gateway is as it was seen is not done where nobody would look.
func TestConditionsOfManyAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for path, header := range map[string]string{bulkPath: "If-Match", "/v1/gateways/actions": "If-Match", "/v1/gateways/reconcile": "If-None-Match", "/v1/gateways/by-external-id/7/adopt": "If-Match"} {
		c := call{method: http.MethodPost, path: path, headers: map[string]string{header: "*"}}
		if got := b.do(t, b.asAdmin(c)).want(t, http.StatusBadRequest, "invalid_request").body; !strings.Contains(got, header) {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
