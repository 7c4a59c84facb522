package api_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/api"
	"trunkline/internal/pbxtest"
)

const whitelistPath = "/v1/whitelist"

// onFile is what newBundle writes into the whitelist.
const onFile = "# the billing system\n" + caller + "\n127.0.0.0/8\n"

func (b *bundle) whitelistText(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(b.whitelist)
	must(t, err)
	return string(content)
}

// whitelistVersion is the version of the file as it stands.
func (b *bundle) whitelistVersion(t *testing.T) string {
	t.Helper()
	return b.do(t, b.asSuperadmin(call{path: whitelistPath})).want(t, http.StatusOK, "").text(t, "version")
}

// jsonBody makes a call with a JSON object of names and values in turn.
func jsonBody(t *testing.T, method string, pairs ...any) call {
	t.Helper()
	object := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		object[pairs[i].(string)] = pairs[i+1]
	}
	body, err := json.Marshal(object)
	must(t, err)
	return call{method: method, path: whitelistPath, body: string(body), headers: map[string]string{"Content-Type": "application/json"}}
}

func TestWhitelistShowsTheFile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	got := b.do(t, b.asSuperadmin(call{path: whitelistPath})).want(t, http.StatusOK, "")
	var view struct {
		File, Version, Text, Trouble string
		InEffect                     int `json:"in_effect"`
		Entries, Denied              []map[string]any
	}
	must(t, json.Unmarshal([]byte(got.body), &view))
	if view.File != b.whitelist || view.Version == "" || view.Text != onFile || view.Trouble != "" || view.InEffect != 2 || len(view.Denied) != 0 || len(view.Entries) != 2 {
		t.Fatalf("got %s", got.body)
	}
	if e := view.Entries[1]; e["line"] != 3.0 || e["address"] != "127.0.0.0/8" || e["comment"] != "" {
		t.Errorf("got %v", e)
	}

	must(t, os.WriteFile(b.whitelist, []byte(caller+" # B\xfcro\nbilling.example\n"), 0o600))
	got = b.do(t, b.asSuperadmin(call{path: whitelistPath})).want(t, http.StatusOK, "").says(t, `"line":2,"text":"billing.example"`, `line 2: \"billing.example\"`, "B\ufffdro", `"in_effect":2`)
	if _, found := got.decode(t)["text"]; found {
		t.Errorf("a text that JSON cannot hold is shown all the same: %s", got.body)
	}
	must(t, os.Remove(b.whitelist))
	b.do(t, b.asSuperadmin(call{path: whitelistPath})).want(t, http.StatusOK, "").says(t, "there is no such file", `"entries":[]`)
}

func TestWhitelistAddAndRemove(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	knocks := call{path: "/chkcon.php", from: stranger + ":1"}
	b.do(t, knocks).want(t, http.StatusForbidden, "")
	add := b.asSuperadmin(call{path: whitelistPath, form: form("address", stranger, "comment", "the new billing system")})
	b.do(t, add).want(t, http.StatusCreated, "").says(t, `"added":true`, `"line":4`, `"comment":"the new billing system"`)
	b.do(t, knocks).want(t, http.StatusOK, "") // at once, where it was added
	if got, want := b.whitelistText(t), onFile+stranger+" # the new billing system\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.do(t, add).want(t, http.StatusOK, "").says(t, `"added":false`, `"line":4`)
	b.do(t, b.asSuperadmin(call{path: whitelistPath, form: form("address", "127.9.9.9")})).want(t, http.StatusOK, "").says(t, `"added":false`, "127.0.0.0/8")
	b.do(t, b.asSuperadmin(jsonBody(t, http.MethodPost, "address", "2001:db8::/32"))).want(t, http.StatusCreated, "")
	b.do(t, b.asSuperadmin(call{method: http.MethodDelete, path: whitelistPath + "?address=2001:db8::/32"})).want(t, http.StatusOK, "").says(t, `"line":5`, `"still_allowed_by":null`)
	b.do(t, b.asSuperadmin(jsonBody(t, http.MethodDelete, "address", "::ffff:"+stranger))).want(t, http.StatusOK, "").says(t, `"comment":"the new billing system"`)
	b.do(t, knocks).want(t, http.StatusForbidden, "")
	if got := b.whitelistText(t); got != onFile {
		t.Errorf("got %q, want %q", got, onFile)
	}
	for _, action := range []string{"whitelist.add", "whitelist.remove"} {
		if n := b.recorded(t, action, stranger); n != 1 {
			t.Errorf("%s of %s is recorded %d times", action, stranger, n)
		}
	}
	if !strings.Contains(b.log.String(), "who="+b.sample.SuperadminName+"@") {
		t.Error("the log does not say who")
	}
}

func TestWhitelistReplace(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	version := b.whitelistVersion(t)
	const text = "\ufeff# rewritten\r\n\r\n" + caller + "\t# billing\r\n" + stranger
	put := b.asSuperadmin(jsonBody(t, http.MethodPut, "text", text, "version", version))
	got := b.do(t, put).want(t, http.StatusOK, "")
	if b.whitelistText(t) != text {
		t.Errorf("got %q", b.whitelistText(t))
	}
	if now := b.whitelistVersion(t); got.text(t, "version") != now || now == version {
		t.Errorf("got version %s, want %s", got.text(t, "version"), now)
	}
	b.do(t, call{path: "/chkcon.php", from: stranger + ":1"}).want(t, http.StatusOK, "")
	b.do(t, put).want(t, http.StatusConflict, "conflict").says(t, "read it again")
	same := b.asSuperadmin(jsonBody(t, http.MethodPut, "text", text, "version", got.text(t, "version")))
	b.do(t, same).want(t, http.StatusOK, "")
	if n := b.recorded(t, "whitelist.replace", ""); n != 1 {
		t.Errorf("%d changes are recorded, want 1", n)
	}
}

func TestWhitelistLockout(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	version := b.whitelistVersion(t)
	remove := jsonBody(t, http.MethodDelete, "address", caller)
	b.do(t, b.asSuperadmin(remove)).want(t, http.StatusConflict, "lockout").says(t, caller, "allow_lockout=true")
	b.do(t, b.asSuperadmin(jsonBody(t, http.MethodPut, "text", stranger, "version", version))).want(t, http.StatusConflict, "lockout")
	b.do(t, b.asSuperadmin(jsonBody(t, http.MethodPut, "text", "", "version", version))).want(t, http.StatusConflict, "lockout").says(t, "nobody")
	if b.whitelistText(t) != onFile {
		t.Fatalf("got %q", b.whitelistText(t))
	}
	// Behind the network of one's own one may go.
	b.do(t, b.asSuperadmin(jsonBody(t, http.MethodPost, "address", "192.0.2.0/24"))).want(t, http.StatusCreated, "")
	b.do(t, b.asSuperadmin(remove)).want(t, http.StatusOK, "").says(t, `"still_allowed_by":{"line":3,"address":"192.0.2.0/24"`)
	b.do(t, b.asSuperadmin(jsonBody(t, http.MethodDelete, "address", "192.0.2.0/24", "allow_lockout", true))).want(t, http.StatusOK, "")
	b.do(t, call{path: "/chkcon.php"}).want(t, http.StatusForbidden, "")
}

func TestWhitelistRefusals(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	version := b.whitelistVersion(t)
	for name, c := range map[string]struct {
		call   call
		status int
		code   string
		says   string
	}{
		"no address":          {jsonBody(t, http.MethodPost), 400, "missing_parameters", "address"},
		"no address to go":    {call{method: http.MethodDelete, path: whitelistPath}, 400, "missing_parameters", "address"},
		"a name":              {jsonBody(t, http.MethodPost, "address", "billing.example"), 400, "invalid_request", "address: is neither"},
		"octal":               {jsonBody(t, http.MethodPost, "address", "0300.0.2.1"), 400, "invalid_request", "address"},
		"decimal":             {jsonBody(t, http.MethodPost, "address", 3221225985), 400, "invalid_request", "address"},
		"a zone":              {jsonBody(t, http.MethodPost, "address", "fe80::1%eth0"), 400, "invalid_request", "zone"},
		"a line break":        {jsonBody(t, http.MethodPost, "address", "192.0.2.1\n0.0.0.0/0"), 400, "invalid_request", "address"},
		"one in the comment":  {jsonBody(t, http.MethodPost, "address", "192.0.2.1", "comment", "x\n0.0.0.0/0"), 400, "invalid_request", "comment"},
		"another sort of it":  {jsonBody(t, http.MethodPost, "address", "192.0.2.1", "comment", "x\u2028y"), 400, "invalid_request", "comment: holds a line break"},
		"a long comment":      {jsonBody(t, http.MethodPost, "address", "192.0.2.1", "comment", strings.Repeat("x", 201)), 400, "invalid_request", "comment: is longer than 200"},
		"perhaps":             {jsonBody(t, http.MethodPost, "address", "192.0.2.1", "allow_lockout", "perhaps"), 400, "invalid_request", "allow_lockout"},
		"not listed":          {jsonBody(t, http.MethodDelete, "address", stranger), 404, "not_found", stranger},
		"covered only":        {jsonBody(t, http.MethodDelete, "address", "127.0.0.1"), 404, "not_found", "line 3"},
		"no text":             {jsonBody(t, http.MethodPut), 400, "missing_parameters", "text, version"},
		"no version":          {jsonBody(t, http.MethodPut, "text", onFile), 400, "missing_parameters", "version"},
		"another version":     {jsonBody(t, http.MethodPut, "text", onFile, "version", "x"), 409, "conflict", "read it again"},
		"broken lines":        {jsonBody(t, http.MethodPut, "text", caller+"\nx\ny # z\n", "version", version), 400, "invalid_request", `text: line 2: \"x\" is neither`},
		"a NUL":               {jsonBody(t, http.MethodPut, "text", "\x00", "version", version), 400, "invalid_request", "text"},
		"a large text":        {jsonBody(t, http.MethodPut, "text", strings.Repeat("#", 65<<10), "version", version), 413, "too_large", "bytes"},
		"checking nothing":    {call{path: whitelistPath + "/check"}, 400, "missing_parameters", "address"},
		"checking a network":  {call{path: whitelistPath + "/check?address=192.0.2.0/24"}, 400, "invalid_request", "address"},
		"checking a zone":     {call{path: whitelistPath + "/check?address=fe80::1%25eth0"}, 400, "invalid_request", "address"},
		"another method":      {call{method: http.MethodPatch, path: whitelistPath}, 405, "method_not_allowed", "PUT"},
		"password in the URL": {call{path: whitelistPath + "?password=x"}, 400, "credentials_in_query", "password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b.do(t, b.asSuperadmin(c.call)).want(t, c.status, c.code).says(t, c.says)
			if got := b.whitelistText(t); got != onFile {
				t.Errorf("the file became %q", got)
			}
		})
	}
}

func TestWhitelistThatCannotBeEdited(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	add := b.asSuperadmin(jsonBody(t, http.MethodPost, "address", stranger))
	must(t, os.WriteFile(b.whitelist, []byte(caller+"\nbilling.example\n"), 0o600))
	b.do(t, add).want(t, http.StatusConflict, "conflict").says(t, `line 2: \"billing.example\"`)
	must(t, os.Remove(b.whitelist))
	must(t, os.Symlink("/proc/sys/kernel/trunkline.conf", b.whitelist)) // where nobody may write
	b.do(t, add).want(t, http.StatusInternalServerError, "not_writable").says(t, "is a link to /proc/sys/kernel/trunkline.conf")
	must(t, os.RemoveAll(filepath.Dir(b.whitelist)))
	b.do(t, add).want(t, http.StatusInternalServerError, "not_writable").says(t, "there is no folder", "TRUNKLINE_WHITELIST")
}

func TestWhoMayEditTheWhitelist(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, c := range []call{
		{path: whitelistPath}, {path: whitelistPath + "/check?address=192.0.2.1"}, jsonBody(t, http.MethodPost, "address", stranger),
		jsonBody(t, http.MethodDelete, "address", "127.0.0.0/8"), jsonBody(t, http.MethodPut, "text", caller, "version", b.whitelistVersion(t)),
	} {
		b.do(t, b.asAdmin(c)).want(t, http.StatusForbidden, "forbidden").says(t, "these credentials are for", "superadmin")
		b.do(t, c).want(t, http.StatusUnauthorized, "authentication_failed")
		c.from = stranger + ":1"
		b.do(t, b.asSuperadmin(c)).want(t, http.StatusForbidden, "not_whitelisted")
	}
	if got := b.whitelistText(t); got != onFile {
		t.Errorf("the file became %q", got)
	}
}

func TestWhitelistCheck(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for address, want := range map[string]string{
		caller:                 `{"address":"192.0.2.10","allowed":true,"entry":{"line":2,"address":"192.0.2.10","comment":""}}`,
		"::ffff:127.0.0.1":     `{"address":"127.0.0.1","allowed":true,"entry":{"line":3,"address":"127.0.0.0/8","comment":""}}`,
		stranger:               `{"address":"198.51.100.66","allowed":false,"entry":null}`,
		"2001:db8:0:0:0:0:0:1": `{"address":"2001:db8::1","allowed":false,"entry":null}`,
	} {
		got := b.do(t, b.asSuperadmin(call{path: whitelistPath + "/check?address=" + address})).want(t, http.StatusOK, "")
		if got.body != want+"\n" {
			t.Errorf("got %s, want %s", got.body, want)
		}
	}
}

// denied records denials as they are when the test runs, or that many hours before.
func (b *bundle) denied(t *testing.T, kind, address, code string, hoursAgo, times int) {
	t.Helper()
	b.exec(t, `insert into trunkline.audit (id, at, last_at, minute, times, kind, address, who, action, code)
		select gen_random_uuid(), at, at, case $3 when 'denial' then date_trunc('minute', at) end, $2, $3, $4, '', 'GET /chkcon.php', $5
		from (select now() - make_interval(hours => $1) as at) ago`,
		hoursAgo, times, kind, address, code)
}

func TestWhitelistShowsWhoWasDeniedLately(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.denied(t, "denial", stranger, "not_whitelisted", 5, 2)
	b.denied(t, "denial", stranger, "not_whitelisted", 3, 4)
	b.denied(t, "denial", caller, "not_whitelisted", 2, 1)
	b.denied(t, "denial", "198.51.100.1", "not_whitelisted", 8*24, 1)
	b.denied(t, "denial", "198.51.100.2", "authentication_failed", 1, 1)
	b.denied(t, "change", "198.51.100.3", "not_whitelisted", 1, 1)
	var view struct{ Denied []map[string]any }
	must(t, json.Unmarshal([]byte(b.do(t, b.asSuperadmin(call{path: whitelistPath})).want(t, http.StatusOK, "").body), &view))
	if len(view.Denied) != 2 {
		t.Fatalf("got %v", view.Denied)
	}
	first, second := view.Denied[0], view.Denied[1]
	if first["address"] != caller || first["allowed"] != true || second["address"] != stranger || second["allowed"] != false ||
		second["times"] != 6.0 || second["code"] != "not_whitelisted" || second["last_at"] == "" {
		t.Errorf("got %v and %v", first, second)
	}
}

// Two front ends on one file: what is changed at one holds at the other.
func TestWhitelistOfTwoFrontEnds(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.serve(t)
	other := *b
	other.serve(t)
	if b.server == other.server {
		t.Fatal("there is only one front end")
	}
	granted := func(at *bundle) bool {
		return at.do(t, call{path: "/chkcon.php", from: stranger + ":1"}).status == http.StatusOK
	}
	for _, step := range []struct {
		what string
		at   *bundle
		call call
		want bool
	}{
		{"added", b, jsonBody(t, http.MethodPost, "address", stranger), true},
		{"removed at the other", &other, jsonBody(t, http.MethodDelete, "address", stranger), false},
		{"added at the other", &other, jsonBody(t, http.MethodPost, "address", stranger), true},
	} {
		if got := step.at.do(t, b.asSuperadmin(step.call)); got.status >= 300 {
			t.Fatalf("%s: got %d %s", step.what, got.status, got.body)
		}
		if granted(step.at) != step.want {
			t.Errorf("%s: not in effect where it was changed", step.what)
		}
		for _, at := range []*bundle{b, &other} {
			pbxtest.Eventually(t, step.what, func() bool { return granted(at) == step.want })
		}
	}
	// A third that starts later reads the same file.
	third := *b
	var err error
	third.server, err = api.New(b.options)
	must(t, err)
	if !granted(&third) {
		t.Error("a new front end does not know the address")
	}
}
