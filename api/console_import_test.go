package api_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

const importPath = "/console/gateways/import"

// hostileCell is hostileText as a CSV has it.
var hostileCell = `"` + strings.ReplaceAll(hostileText, `"`, `""`) + `"`

// part is a field of a multipart form; one with a media type is a file.
type part struct{ name, value, media string }

// sends sends a multipart form of these parts, in their order.
func (v *visitor) sends(t *testing.T, path string, parts ...part) answer {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, p := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + p.name + `"`}}
		if p.media != "" {
			header.Set("Content-Disposition", header.Get("Content-Disposition")+`; filename="gateways.csv"`)
			header.Set("Content-Type", p.media)
		}
		to, err := w.CreatePart(header)
		must(t, err)
		_, err = to.Write([]byte(p.value))
		must(t, err)
	}
	must(t, w.Close())
	return v.sendsBody(t, path, w.FormDataContentType(), body.String())
}

func (v *visitor) sendsBody(t *testing.T, path, media, body string) answer {
	t.Helper()
	req := v.request(http.MethodPost, path, form())
	sent := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	sent.Header, sent.RemoteAddr, sent.Host = req.Header, req.RemoteAddr, req.Host
	sent.Header.Set("Content-Type", media)
	return v.do(t, sent)
}

// token is the field that shows that a form is of the page that was read last.
func (v *visitor) token(t *testing.T) part {
	t.Helper()
	return part{name: "form_token", value: formToken.FindStringSubmatch(v.page)[1]}
}

// sendsFile sends a file on the page of imports and returns where it is shown, once it was compared.
func (v *visitor) sendsFile(t *testing.T, text string, more ...part) string {
	t.Helper()
	v.get(t, importPath).want(t, http.StatusOK, "")
	got := v.sends(t, importPath, append(append([]part{v.token(t)}, more...), part{"file", text, "text/csv"})...)
	at := got.want(t, http.StatusSeeOther, "").header.Get("Location")
	pbxtest.Eventually(t, "it is compared", func() bool { return strings.Contains(v.get(t, at).body, `id="rows">Its rows`) })
	return at
}

// A file is sent, shown by line with what it would do, and imported as it was sent; nobody else sees it, and nothing keeps
// its passwords then.
func TestConsoleImport(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for _, name := range []string{"stays", "changes"} {
		b.do(t, b.asAdmin(call{path: provisionPath, form: carrier(name)})).want(t, http.StatusOK, "")
	}
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	admin.get(t, "/console/gateways").want(t, http.StatusOK, "").says(t, importPath)
	template := admin.get(t, importPath+"/template.csv").want(t, http.StatusOK, "")
	if !strings.HasPrefix(template.body, "gateway_name,gateway_domain,") || !strings.Contains(template.header.Get("Content-Disposition"), "gateways.csv") {
		t.Errorf("the template is %q", template.body)
	}
	const another = "an0ther-s3cret"
	at := admin.sendsFile(t, "Trunk Name;Host;User;Secret;Domain;Notes\n"+
		"stays;;;;;\n"+
		"changes;;another;"+another+";;"+hostileCell+"\n"+
		"new;sip.carrier.example;u;"+another+";;\n"+
		"wrong;not a host;u;"+another+";;\n"+
		"theirs;sip.carrier.example;u;"+another+";"+b.sample.Domains[0].Name+";\n")
	page := admin.get(t, at).want(t, http.StatusOK, "").says(t,
		"<strong>5</strong> rows: 1 would be made, 1 changed, 1 are as they stand, and 2 cannot be done", "Import 2 gateways", "2 rows are left out",
		`<td class="number">5</td>`, "<strong><bdi>Host</bdi></strong>", `<td class="number">6</td>`, "<strong><bdi>Domain</bdi></strong>",
		"<strong>password</strong> changes", "<strong>username</strong>", "becomes <bdi>another</bdi>", "&lt;script&gt;")
	for _, never := range []string{another, gatewayPassword, "<script>alert", "<img src=x"} {
		if strings.Contains(page.body, never) {
			t.Errorf("%q is in %s", never, page.body)
		}
	}
	for show, has := range map[string]string{"faults": "wrong", "add": ">new<", "change": ">changes<", "unchanged": ">stays<"} {
		of := admin.get(t, at+"?show="+show).want(t, http.StatusOK, "").says(t, has)
		for _, row := range []string{"<bdi>wrong</bdi>", "<bdi>new</bdi>", "<bdi>changes</bdi>", "<bdi>stays</bdi>"} {
			if strings.Contains(of.body, row) && !strings.Contains(row, strings.Trim(has, "<>")) {
				t.Errorf("%s shows %s", show, row)
			}
		}
	}
	admin.get(t, at+"?show=nonsense").want(t, http.StatusBadRequest, "")
	admin.get(t, at+"?after=4").want(t, http.StatusOK, "").says(t, "theirs")
	checked := between(t, page.body, `href="/console/jobs/`, `/items.csv`)
	faults := admin.get(t, "/console/jobs/"+checked+"/items.csv?state=failed").want(t, http.StatusOK, "")
	if lines := strings.Count(faults.body, "\n"); lines != 3 || !strings.Contains(faults.body, "result_error") || strings.Contains(faults.body, another) {
		t.Errorf("the faults are %q", faults.body)
	}

	admin.get(t, importPath).want(t, http.StatusOK, "").says(t, at)
	if strings.Contains(root.get(t, importPath).body, at) {
		t.Error("another session's page has it")
	}
	admin.get(t, at)

	// It is the session's own, and is not as long as it is kept to be read anywhere.
	for _, other := range []*visitor{root, b.tenantAdmin(t)} {
		other.get(t, at).want(t, http.StatusNotFound, "")
		other.get(t, importPath)
		other.post(t, at+"/apply", "mode", "each").want(t, http.StatusNotFound, "")
		other.post(t, at+"/drop").want(t, http.StatusNotFound, "")
	}
	if n := b.count(t, "select count(*) from trunkline.uploads where position(convert_to($1, 'UTF8') in sealed) = 0", another); n != 1 {
		t.Errorf("the file is not kept, or its passwords can be read")
	}
	if b.count(t, "select count(*) from v_gateways where gateway in ('new', 'theirs', 'wrong')") != 0 {
		t.Error("something was written before it was asked for")
	}

	// All or nothing is refused while rows are at fault; the others are imported once, however often that is asked for.
	admin.get(t, at)
	admin.post(t, at+"/apply", "mode", "all").want(t, http.StatusUnprocessableEntity, "").says(t, "Nothing was done.", "2 things are wrong", "Import 2 gateways")
	job := admin.confirm(t, at+"/apply").want(t, http.StatusSeeOther, "").header.Get("Location")
	pbxtest.Eventually(t, "it is imported", func() bool { return strings.Contains(admin.get(t, job).body, "badge partial") })
	if again := admin.confirmAt(t, at, at+"/apply"); again != job {
		t.Errorf("once more is %s, and was %s", again, job)
	}
	admin.get(t, job).want(t, http.StatusOK, "").says(t, "5: 3 succeeded, 2 failed", job+"/items.csv")
	if failed := admin.get(t, job+"/items?state=failed").want(t, http.StatusOK, ""); strings.Count(failed.body, `<span class="badge failed">`) != 2 || !strings.Contains(failed.body, "succeeded <strong>3</strong>") {
		t.Errorf("the items that failed are %s", failed.body)
	}
	admin.get(t, job+"/items?limit=2").want(t, http.StatusOK, "").says(t, "Next page")
	admin.get(t, job+"/items?state=odd").want(t, http.StatusBadRequest, "")
	admin.get(t, job+"/items.csv").want(t, http.StatusOK, "").says(t, "result_state", "created")
	root.get(t, job+"/items.csv").want(t, http.StatusOK, "")
	admin.get(t, at).want(t, http.StatusOK, "").says(t, "It was applied", job)
	for what, is := range map[string]string{
		"gateway = 'new'": another, "gateway = 'changes' and username = 'another'": another, "gateway = 'stays'": gatewayPassword,
	} {
		if b.count(t, "select count(*) from v_gateways where "+what+" and password = $1", is) != 1 {
			t.Errorf("%s is not as it was sent", what)
		}
	}
	if n := b.count(t, "select count(*) from trunkline.jobs where kind = 'bulk' and params->>'dry_run' is null"); n != 1 {
		t.Errorf("%d jobs import it", n)
	}
	if b.count(t, "select count(*) from trunkline.uploads where sealed is not null") != 0 {
		t.Error("the file is still kept")
	}
	if strings.Contains(b.log.String(), another) {
		t.Error("a password is in the log")
	}
}

// confirmAt reads a page and sends its form as it stands there, and returns where that leads.
func (v *visitor) confirmAt(t *testing.T, page, path string) string {
	t.Helper()
	v.get(t, page).want(t, http.StatusOK, "")
	return v.post(t, path, "mode", "each").want(t, http.StatusSeeOther, "").header.Get("Location")
}

// What cannot be read, is too large, or does not come from the page's own form is refused, in words, and leaves nothing.
func TestConsoleImportIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{settings: func(s *config.Settings) { s.BulkBytes, s.BulkRows = 200_000, 1000 }})
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	admin.get(t, importPath)
	token := admin.token(t)
	text := func(value string) part { return part{"file", value, "text/csv"} }
	for name, c := range map[string]struct {
		parts  []part
		status int
		says   []string
	}{
		"nothing":        {[]part{token}, http.StatusBadRequest, nil},
		"no file":        {[]part{token, text("")}, http.StatusBadRequest, []string{"choose a file"}},
		"a workbook":     {[]part{token, text("PK\x03\x04...")}, http.StatusBadRequest, []string{"CSV UTF-8"}},
		"another type":   {[]part{token, {"file", "x", "image/png"}}, http.StatusBadRequest, []string{"Content-Type"}},
		"ragged":         {[]part{token, text("name;host\none;two;three\nfour;h;i\n")}, http.StatusBadRequest, []string{"2 things are wrong", `<td class="number">2</td>`, `<td class="number">3</td>`}},
		"unknown column": {[]part{token, text("name;" + hostileCell + "\none;two\n")}, http.StatusBadRequest, []string{"ignore_columns", "&lt;script&gt;"}},
		"too many rows":  {[]part{token, text("name\n" + strings.Repeat("x\n", 1001))}, http.StatusRequestEntityTooLarge, []string{"1000"}},
		"too large":      {[]part{token, text("name\n" + strings.Repeat("x", 200_000))}, http.StatusRequestEntityTooLarge, []string{"200000"}},
		"far too large":  {[]part{token, text("name\n" + strings.Repeat("x", 2_000_000))}, http.StatusRequestEntityTooLarge, nil},
		"two files":      {[]part{token, text("name\nx\n"), text("name\nx\n")}, http.StatusBadRequest, []string{"twice"}},
		"a password too": {[]part{token, {"password", "p", ""}, text("name\nx\n")}, http.StatusBadRequest, nil},
		"no token":       {[]part{text("name\nx\n")}, http.StatusForbidden, []string{"another session"}},
		"token after it": {[]part{text("name\nx\n"), token}, http.StatusForbidden, []string{"another session"}},
		"wrong token":    {[]part{{"form_token", "x" + token.value, ""}, text("name\nx\n")}, http.StatusForbidden, []string{"another session"}},
		"another's":      {[]part{{"form_token", formToken.FindStringSubmatch(root.get(t, importPath).body)[1], ""}, text("name\nx\n")}, http.StatusForbidden, []string{"another session"}},
		"another domain": {[]part{token, {"tenant_domain", b.sample.Domains[0].Name, ""}, text("name\nx\n")}, http.StatusForbidden, nil},
	} {
		got := admin.sends(t, importPath, c.parts...)
		if got.status != c.status {
			t.Errorf("%s: got %d, want %d: %s", name, got.status, c.status, got.body)
			continue
		}
		for _, says := range c.says {
			if !strings.Contains(got.body, says) {
				t.Errorf("%s: %q is not in %s", name, says, got.body)
			}
		}
		if strings.Contains(got.body, "<script>alert") {
			t.Errorf("%s: the file's script is in %s", name, got.body)
		}
	}
	admin.sendsBody(t, importPath, "text/csv", "name\nx\n").want(t, http.StatusForbidden, "")
	admin.sendsBody(t, importPath, "application/x-www-form-urlencoded", "form_token="+token.value).want(t, http.StatusBadRequest, "")
	admin.sendsBody(t, importPath+"?form_token="+token.value, "text/csv", "name\nx\n").want(t, http.StatusBadRequest, "")
	for _, header := range []http.Header{{"Origin": {"https://evil.example"}}, {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}} {
		admin.header = header
		admin.sends(t, importPath, token, text("name\nx\n")).want(t, http.StatusForbidden, "")
	}
	admin.header = nil
	b.visitor().sends(t, importPath, token, text("name\nx\n")).want(t, http.StatusSeeOther, "")
	if n := b.count(t, "select count(*) from trunkline.jobs") + b.count(t, "select count(*) from trunkline.uploads"); n != 0 {
		t.Errorf("%d jobs and files are there", n)
	}
	for _, path := range []string{"/00000000-0000-4000-8000-000000000000", "/none"} {
		admin.get(t, importPath+path).want(t, http.StatusNotFound, "")
	}

	// Who may not provision may not import either.
	made := between(t, root.postTo(t, "/console/tokens", "/console/tokens/create", "name", "reader", "scope_read", "true", "all_domains", "true").body, `id="secret">`, "<")
	reader := b.visitor()
	reader.post(t, "/console/sign-in", "token", made).want(t, http.StatusSeeOther, "")
	reader.get(t, importPath).want(t, http.StatusForbidden, "")
	reader.get(t, importPath+"/template.csv").want(t, http.StatusForbidden, "")
	reader.get(t, "/console/sessions")
	reader.sends(t, importPath, reader.token(t), text("name\nx\n")).want(t, http.StatusForbidden, "")
}

// postTo sends a form of the page.
func (v *visitor) postTo(t *testing.T, page, path string, pairs ...string) answer {
	t.Helper()
	v.get(t, page).want(t, http.StatusOK, "")
	return v.post(t, path, pairs...)
}

// Other forms come as multipart too, within the same bounds and with the same token.
func TestConsoleFormsAsMultipart(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	root := b.superadmin(t)
	root.get(t, "/console/tokens")
	token, name := root.token(t), part{name: "name", value: "made"}
	scope, all := part{name: "scope_read", value: "true"}, part{name: "all_domains", value: "true"}
	const path = "/console/tokens/create"
	root.sends(t, path, name, scope, all).want(t, http.StatusForbidden, "")
	root.sends(t, path, part{"form_token", token.value + "x", ""}, name, scope, all).want(t, http.StatusForbidden, "")
	root.sends(t, path, token, token, name, scope, all).want(t, http.StatusBadRequest, "")
	root.sends(t, path, token, part{"name", "x", "text/csv"}, scope, all).want(t, http.StatusBadRequest, "").says(t, "is a file")
	root.sends(t, path, token, name, scope, all, part{name: "home_domain", value: strings.Repeat("x", 5_000)}).want(t, http.StatusBadRequest, "").says(t, "is longer")
	root.sends(t, path, token, name, scope, all, part{name: "home_domain", value: strings.Repeat("x", 100_000)}).want(t, http.StatusRequestEntityTooLarge, "")
	root.header = http.Header{"Origin": {"https://evil.example"}}
	root.sends(t, path, token, name, scope, all).want(t, http.StatusForbidden, "")
	root.header = nil
	root.sends(t, path, name, scope, all, token).want(t, http.StatusCreated, "")
	if n := b.count(t, "select count(*) from trunkline.tokens"); n != 1 {
		t.Errorf("%d tokens were made", n)
	}
}

// A file that is forgotten, or whose session has ended, is gone, and its page says what to do.
func TestConsoleImportIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	admin := b.tenantAdmin(t)
	const text = "name;host;user;secret\none;sip.carrier.example;u;p\n"
	at := admin.sendsFile(t, text)
	if to := admin.post(t, at+"/drop").want(t, http.StatusSeeOther, "").header.Get("Location"); to != importPath {
		t.Errorf("it leads to %s", to)
	}
	admin.get(t, at).want(t, http.StatusNotFound, "").says(t, "choose it again")
	admin.post(t, at+"/apply", "mode", "each").want(t, http.StatusNotFound, "")
	b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("stands")})).want(t, http.StatusOK, "")
	admin.get(t, admin.sendsFile(t, "name\nstands\n")).want(t, http.StatusOK, "").says(t, "1 are as they stand", "Import it all the same")
	at = admin.sendsFile(t, text)
	b.exec(t, "update trunkline.uploads set expires_at = now()")
	admin.post(t, at+"/apply", "mode", "each").want(t, http.StatusNotFound, "")
	admin.sendsFile(t, text)
	admin.post(t, "/console/sign-out").want(t, http.StatusSeeOther, "")
	if n := b.count(t, "select count(*) from trunkline.uploads"); n != 0 {
		t.Errorf("%d files are kept", n)
	}
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'one'"); n != 0 {
		t.Error("it was imported")
	}
}

// A file of ten thousand rows is shown on small pages, whatever stands in them, with exact figures.
func TestConsoleImportOfManyRows(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	const changed = 2000
	b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, realm, username, password, register, profile, enabled, description, context, expire_seconds, retry_seconds)
		select gen_random_uuid(), $1, 'gateway ' || n, 'sip.carrier.example', 'sip.carrier.example', 'u', 'p', 'true', 'external', 'true', repeat('<', 300), 'public', 800, 30 from generate_series(1, $2) n`, b.ownDomain().UUID, changed)
	admin := b.tenantAdmin(t)
	var text strings.Builder
	text.WriteString("name;host;user;secret;description\n")
	for n := range 10_000 {
		host := "not a host " + strings.Repeat("<", 300)
		if n < changed {
			host = "sip.other.example"
		}
		fmt.Fprintf(&text, "gateway %[1]d;%[2]s;other %[1]d;p;%[3]s\n", n+1, host, strings.Repeat("ü", 100))
	}
	at := admin.sendsFile(t, text.String())
	for _, query := range []string{"", "?after=9000", "?show=faults", "?show=change", "?show=add"} {
		page := admin.get(t, at+query).want(t, http.StatusOK, "").says(t, "<strong>10000</strong> rows: 0 would be made, 2000 changed, 0 are as they stand, and 8000 cannot be done")
		if len(page.body) > 100_000 {
			t.Errorf("%s has %d bytes", query, len(page.body))
		}
	}
}

// An import passes axe-core at a desk and by phone, by a file that is dropped and by one that is chosen without a script.
func TestConsoleImportInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for i, c := range b.lookers() {
		text := fmt.Sprintf("name,host,user,secret,tenant_domain\nfrom a window %d,sip.carrier.example,u,p,%s\nwrong,not a host,u,p,\n", i, b.sample.AdminDomain)
		w := b.lookingAt(t, importPath, "Import gateways", c)
		w.accessible(t, "importing")
		if c.scripts {
			w.do(t, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`(() => {
				const carried = new DataTransfer();
				carried.items.add(new File([%q], "carriers.csv", { type: "text/csv" }));
				for (const kind of ["dragover", "drop"]) document.querySelector("[data-drop]").dispatchEvent(new DragEvent(kind, { dataTransfer: carried, bubbles: true, cancelable: true }));
			})()`, text)), chromedp.WaitVisible("//*[@data-drop-hint][contains(., 'carriers.csv')]"))
		} else {
			file := filepath.Join(t.TempDir(), "carriers.csv")
			must(t, os.WriteFile(file, []byte(text), 0o600))
			w.do(t, chromedp.SetUploadFiles("#file", []string{file}))
		}
		w.do(t, chromedp.Click("//button[text()='See what it would do']"))
		w.shows(t, "What the file would do")
		if !c.scripts {
			pbxtest.Eventually(t, "it is compared", func() bool {
				w.do(t, chromedp.Reload(), chromedp.WaitReady("main"))
				return strings.Contains(ask(t, w, chromedp.OuterHTML("main")), "Its rows")
			})
		}
		w.do(t, chromedp.WaitVisible("//button[text()='Import 1 gateway']"))
		w.accessible(t, "what a file would do")
		w.do(t, chromedp.Click("//button[text()='Import 1 gateway']"))
		w.shows(t, "Job")
		pbxtest.Eventually(t, "it is imported", func() bool {
			return b.count(t, "select count(*) from v_gateways where gateway = $1", fmt.Sprint("from a window ", i)) == 1
		})
		w.loadedNothingElse(t)
	}
}
