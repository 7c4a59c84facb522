package api_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trunkline/internal/fusionpbx"
)

// What an export writes an import reads, and changes nothing by it: with and without passwords, in either format.
func TestGatewayExportRoundTrip(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own, other := b.sample.AdminDomain, otherDomain(b)
	values := []string{"=1+1", "+49301", "-x", "@sum", "'=1", "''quoted", `say "hi", a;b|c`, "Größe 東京 🙂", "tab-less, comma", "a;=b;'+c"}
	for i, value := range values {
		b.do(t, b.asSuperadmin(call{path: provisionPath, form: form(
			"gateway_name", fmt.Sprintf("x%d %s", i, strings.ReplaceAll(value, "'", "")), "gateway_domain", "sip.carrier.example", "gateway_username", "+49301",
			"gateway_password", "="+gatewayPassword+fmt.Sprint(i)+`'" ;`, "description", value, "tenant_domain", own, "external_id", value,
		)})).want(t, http.StatusOK, "")
	}
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("global one", "tenant_domain", "global")})).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("elsewhere", "tenant_domain", other)})).want(t, http.StatusOK, "")
	total := b.count(t, "select count(*) from v_gateways")
	for _, c := range []struct {
		format, secrets string
		as              func(call) call
		rows            int
	}{
		{"csv", "", b.asSuperadmin, total}, {"csv", "&with_secrets=true", b.asSuperadmin, total}, {"ndjson", "", b.asSuperadmin, total},
		{"ndjson", "&with_secrets=true", b.asSuperadmin, total}, {"csv", "&with_secrets=false", b.asAdmin, b.count(t, "select count(*) from v_gateways g join v_domains d using (domain_uuid) where domain_name = $1", own)},
	} {
		name := c.format + c.secrets
		got := b.do(t, c.as(call{path: gatewaysPath + "?format=" + c.format + c.secrets})).want(t, http.StatusOK, "")
		if got.header.Get("Content-Disposition") != `attachment; filename="gateways.`+c.format+`"` || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: the headers are %v", name, got.header)
		}
		if has := strings.Contains(got.body, gatewayPassword); has != (c.secrets == "&with_secrets=true") || !has && strings.Contains(got.body, "gateway_password") {
			t.Errorf("%s: it has passwords: %t", name, has)
		}
		upload := file("", got.body)
		upload.headers["Content-Type"] = strings.Split(got.header.Get("Content-Type"), ";")[0]
		for _, query := range []string{"?dry_run=true", ""} {
			upload.path = bulkPath + query
			job := b.do(t, c.as(upload)).bulk(t)
			if job.State != "succeeded" || job.Counts["total"] != c.rows || job.Result.Counts["unchanged"] != c.rows {
				t.Errorf("%s%s: %d rows are %+v from\n%s", name, query, c.rows, job, got.body)
			}
		}
	}
	if n := b.count(t, "select count(*) from v_gateways"); n != total {
		t.Errorf("%d gateways have become %d", total, n)
	}
	if n := b.recorded(t, "gateway.export", fmt.Sprintf("%d gateways with their passwords", total)); n != 2 {
		t.Errorf("the audit has %d exports with passwords", n)
	}
	if n := b.recorded(t, "gateway.export", ""); n != 2 {
		t.Errorf("the audit has %d exports, those without passwords among them", n)
	}
}

// What others wrote into FusionPBX's rows, and no request could say, goes out and comes in again without a change; once
// it is changed in the file it is judged as ever.
func TestGatewayExportOfWhatOthersWrote(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	const other = "insert into v_gateways (gateway_uuid, domain_uuid, profile, enabled, username, password, gateway, %s) select gen_random_uuid(), domain_uuid, 'external', 'false', 'account', $1, $2, %s from v_domains where domain_name = $3"
	for column, value := range map[string]string{
		"proxy": "'sip:sip.carrier.example;transport=tcp'", "register_transport": "'UDP'", "description": "E'two\r\nlines \t\n'", "retry_seconds": "'1'", "context": "'elsewhere.example'",
		"hostname": "'no-such-switch'", "from_user": "'a$b'", "contact_params": "' spaced '", "from_domain": "'a b'", "register": "null", "codec_prefs": "''", "extension": "'$${x}'",
	} {
		b.exec(t, fmt.Sprintf(other, column, value), gatewayPassword, " odd "+column, b.sample.AdminDomain)
	}
	const all = "select md5(string_agg(g::text, '' order by gateway_uuid)) from v_gateways g"
	var before, after string
	must(t, b.pool.QueryRow(t.Context(), all).Scan(&before))
	odd := ""
	for _, as := range []func(call) call{b.asSuperadmin, b.asAdmin} {
		for _, query := range []string{"format=csv", "format=csv&with_secrets=true", "format=ndjson&with_secrets=true"} {
			odd = b.do(t, as(call{path: gatewaysPath + "?text=odd&" + query})).want(t, http.StatusOK, "").body
			upload := file("", odd)
			upload.headers["Content-Type"] = "application/octet-stream"
			if job := b.do(t, as(upload)).bulk(t); job.Result.Counts["unchanged"] != 12 {
				t.Errorf("%s: got %+v from\n%s", query, job, odd)
			}
		}
	}
	if must(t, b.pool.QueryRow(t.Context(), all).Scan(&after)); before != after {
		t.Error("a row was changed")
	}
	for old, other := range map[string]string{"elsewhere.example": "another.example", "no-such-switch": "no-other-switch", `"a$b"`: `"a$c"`, `"1"`: `"2"`, `two\r\n`: `three\r\n`} {
		if !strings.Contains(odd, old) {
			t.Errorf("%s is not in\n%s", old, odd)
		}
		b.do(t, b.asAdmin(file("", strings.Replace(odd, old, other, 1)))).want(t, http.StatusUnprocessableEntity, "invalid_rows")
	}
}

// FusionPBX's pages give gateways names that differ in case alone: an export of such comes in again without a change,
// and no request makes another one.
func TestGatewayExportOfNamesInOtherCase(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for _, name := range []string{"wanted", "WANTED"} {
		b.exec(t, "insert into v_gateways (gateway_uuid, domain_uuid, profile, enabled, username, password, proxy, gateway) select gen_random_uuid(), domain_uuid, 'external', 'false', 'account', $1, 'sip.carrier.example', $2 from v_domains where domain_name = $3",
			gatewayPassword, name, b.sample.AdminDomain)
	}
	exported := b.do(t, b.asAdmin(call{path: gatewaysPath + "?text=wanted&format=csv"})).want(t, http.StatusOK, "").body
	for _, query := range []string{"dry_run=true", ""} {
		if job := b.do(t, b.asAdmin(file(query, exported))).bulk(t); job.Result.Counts["unchanged"] != 2 {
			t.Errorf("got %+v from\n%s", job, exported)
		}
	}
	one := call{path: provisionPath, form: carrier("Wanted")}
	b.do(t, b.asAdmin(one)).want(t, http.StatusConflict, "conflict").says(t, "case alone")
}

// An export has every column that an import takes, and those that the filter chooses alone.
func TestGatewayExportColumnsAndFilter(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own := b.sample.AdminDomain
	for _, id := range []string{"b-2", "a-1"} {
		b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("=several", "external_id", id, "description", "=cmd")})).want(t, http.StatusOK, "")
	}
	b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("off", "gateway_enabled", "false")})).want(t, http.StatusOK, "")
	export := func(query string) (rows [][]string) {
		t.Helper()
		got := b.do(t, b.asAdmin(call{path: gatewaysPath + "?format=csv" + query})).want(t, http.StatusOK, "")
		rows, err := csv.NewReader(strings.NewReader(got.body)).ReadAll()
		must(t, err)
		return rows
	}
	rows := export("&text=several")
	if len(rows) != 2 || len(rows[0]) != 3+len(fusionpbx.GatewayColumns)-1 || strings.Join(rows[0][:5], " ") != "gateway_uuid external_id tenant_domain gateway_name gateway_username" {
		t.Fatalf("got %q", rows)
	}
	// Of several external_ids it is the first, and a spreadsheet takes nothing for a formula.
	if rows[1][1] != "a-1" || rows[1][2] != own || rows[1][3] != "'=several" || rows[1][len(rows[1])-1] != "'=cmd" {
		t.Errorf("got %q", rows[1])
	}
	for query, want := range map[string]int{"&enabled=false&text=off": 1, "&state=not_loaded&text=off": 1, "&status=UP&text=off": 0, "&external_id=b-2": 1, "&external_id=none": 0} {
		if got := len(export(query)) - 1; got != want {
			t.Errorf("%s: got %d rows, want %d", query, got, want)
		}
	}
	line := b.do(t, b.asAdmin(call{path: gatewaysPath + "?format=ndjson&text=off"})).want(t, http.StatusOK, "")
	var one map[string]*string
	must(t, json.Unmarshal([]byte(line.body), &one))
	if one["external_id"] != nil || one["hostname"] != nil || *one["enabled"] != "false" || line.header.Get("Content-Type") != "application/x-ndjson; charset=utf-8" {
		t.Errorf("got %s", line.body)
	}
	before := b.switches[0].CountCommands("sofia xmlstatus gateway")
	export("")
	if b.switches[0].CountCommands("sofia xmlstatus gateway") != before {
		t.Error("the switch was asked, and nothing depends on it")
	}
	must(t, b.switches[0].Stop())
	export("&text=off")
	b.do(t, b.asAdmin(call{path: gatewaysPath + "?format=csv&state=REGED"})).want(t, http.StatusServiceUnavailable, "switch_unavailable").says(t, "state")
}

// Passwords leave with the scope admin alone; what a file cannot have is refused.
func TestGatewayExportRefusals(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	reader := b.token(t, "reader", "read")
	admin := b.token(t, "administrator", "read,admin", otherDomain(b))
	for _, c := range []struct {
		query  string
		as     func(call) call
		status int
		code   string
		word   string
	}{
		{"?format=csv&with_secrets=true", reader, http.StatusForbidden, "forbidden", "admin"},
		{"?with_secrets=true", reader, http.StatusForbidden, "forbidden", "admin"},
		{"?with_secrets=true", b.asSuperadmin, http.StatusBadRequest, "invalid_request", "format=csv"},
		{"?format=csv&with_secrets=perhaps", b.asSuperadmin, http.StatusBadRequest, "invalid_request", "with_secrets"},
		{"?format=xml", b.asSuperadmin, http.StatusBadRequest, "invalid_request", "ndjson"},
		{"?format=csv&limit=10", b.asSuperadmin, http.StatusBadRequest, "invalid_request", "limit"},
		{"?format=ndjson&after=x", b.asSuperadmin, http.StatusBadRequest, "invalid_request", "after"},
		{"?format=csv&tenant_domain=" + b.sample.AdminDomain, admin, http.StatusForbidden, "forbidden", "tenant_domain"},
	} {
		got := b.do(t, c.as(call{path: gatewaysPath + c.query}))
		if got.status != c.status || !strings.Contains(got.body, c.word) || got.text(t, "code") != c.code {
			t.Errorf("%s: got %d %s", c.query, got.status, got.body)
		}
	}
	b.do(t, admin(call{path: gatewaysPath + "?format=csv&with_secrets=true"})).want(t, http.StatusOK, "")
	if n := b.count(t, "select count(*) from trunkline.audit a join v_domains d using (domain_uuid) where action = 'gateway.export' and domain_name = $1", otherDomain(b)); n != 1 {
		t.Errorf("the audit has %d exports of the domain", n)
	}
	b.do(t, b.asSuperadmin(call{path: gatewaysPath + "?format=json"})).want(t, http.StatusOK, "").says(t, `"gateways":[`)
}

// spoiled is an answer of which something is done at the first byte.
type spoiled struct {
	*httptest.ResponseRecorder
	spoil func()
}

func (w *spoiled) Write(text []byte) (int, error) {
	if w.spoil != nil {
		w.spoil()
		w.spoil = nil
	}
	return w.ResponseRecorder.Write(text)
}

// An export that cannot be brought to its end breaks the connection off: without that it would look whole.
func TestGatewayExportBreaksOff(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, "insert into v_gateways (gateway_uuid, gateway, proxy, enabled) select gen_random_uuid(), 'many ' || n, 'sip.carrier.example', 'false' from generate_series(1, 600) n")
	w := &spoiled{httptest.NewRecorder(), func() { b.exec(t, "alter table trunkline.external_ids rename to gone") }}
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || w.Body.Len() == 0 {
			t.Errorf("it ended with %v after %d bytes", p, w.Body.Len())
		}
	}()
	b.server.Handler().ServeHTTP(w, b.asSuperadmin(call{path: gatewaysPath + "?format=csv"}).request().WithContext(t.Context()))
}
