package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"trunkline/internal/pbxtest"
)

// exportsOf exports all calls of the domain as CSV and brings the file to a folder, and returns the export's job and the delivery.
func (b *bundle) exportsOf(t *testing.T, domain string) (job, delivery string) {
	t.Helper()
	destination := b.do(t, b.asSuperadmin(folderCalled("to "+domain, "tenant_domain", domain))).want(t, http.StatusCreated, "").text(t, "id")
	job = b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("format", "CSV", "tenant_domain", domain, "direction", "inbound,local", "delimiter", "semicolon", "deliver_to", destination, "deliver_as", "calls.csv")})).
		want(t, http.StatusOK, "").text(t, "job_id")
	pbxtest.Eventually(t, "it is delivered", func() bool {
		return b.pool.QueryRow(t.Context(), "select id::text from trunkline.deliveries where export_job_id = $1 and state = 'delivered'", job).Scan(&delivery) == nil
	})
	return job, delivery
}

// Exports are listed with what came of them and shown with what their file holds; whoever may see them downloads the file by
// their session and makes links; a tenant's admin has its own domain's alone; what others wrote is inert.
func TestConsoleExports(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest})
	own, brought := b.exportsOf(t, b.sample.AdminDomain)
	other, theirs := b.exportsOf(t, b.foreign().Name)
	ofAll := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything()})).want(t, http.StatusOK, "").text(t, "job_id")
	failed := b.madeJob(t, b.ownDomain(), "export", "failed", "schedule nightly", hostileText)
	b.exec(t, "update trunkline.jobs set params = jsonb_build_object('domain_name', $2::text, 'date_start', $2::text, 'date_end', $2::text, 'format', 'CSV') where id = $1", failed, hostileText)
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	inert := func(page answer) answer {
		t.Helper()
		if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<img src=x") || len(page.body) > 100_000 {
			t.Errorf("what somebody wrote is not inert, or %d bytes are too many", len(page.body))
		}
		return page
	}
	if page := admin.get(t, "/console/jobs/"+own).want(t, http.StatusOK, ""); strings.Contains(page.body, "signature=") || !strings.Contains(page.body, "/console/exports/"+own) {
		t.Errorf("the job's page has a link of the moment, or none to the export: %s", page.body)
	}
	for _, c := range []struct {
		who    *visitor
		query  string
		listed []string
	}{
		{root, "", []string{failed, ofAll, other, own}},
		{root, "?state=failed", []string{failed}},
		{root, "?tenant_domain=global", []string{ofAll}},
		{root, "?tenant_domain=" + b.sample.AdminDomain, []string{failed, own}},
		{root, "?who=schedule+nightly", []string{failed}},
		{root, "?created_before=2020-01-01T00:00", nil},
		{root, "?limit=1", []string{failed}},
		{admin, "", []string{failed, own}},
	} {
		page := inert(c.who.get(t, "/console/exports"+c.query).want(t, http.StatusOK, ""))
		for _, id := range []string{failed, ofAll, other, own} {
			listed := false
			for _, want := range c.listed {
				listed = listed || want == id
			}
			if strings.Contains(page.body, `href="/console/exports/`+id) != listed {
				t.Errorf("%s: %s is listed: want %t: %s", c.query, id, listed, page.body)
			}
		}
	}
	for _, query := range []string{"?state=odd", "?after=odd", "?created_after=soon", "?zone=Nowhere/Odd"} {
		root.get(t, "/console/exports"+query).want(t, http.StatusBadRequest, "")
	}
	rows := b.count(t, "select count(*) from v_xml_cdr join v_domains using (domain_uuid) where v_domains.domain_name = $1 and direction in ('inbound', 'local')", b.sample.AdminDomain)
	for _, v := range []*visitor{root, admin} {
		page := inert(v.get(t, "/console/exports/"+own).want(t, http.StatusOK, ""))
		for id, words := range map[string][]string{
			"file":    {"succeeded", "SHA-256", "Download the file", b.sample.AdminDomain},
			"brought": {"to " + b.sample.AdminDomain, "calls.csv", "delivered"},
			"holds":   {fmt.Sprint(rows, " rows of"), "of the direction inbound or local", "semicolons between the cells", "xml_cdr_uuid", "2024-05-01 04:00:00 UTC", "times as RFC 3339 has them"},
		} {
			for _, word := range words {
				if !strings.Contains(page.section(id), word) {
					t.Errorf("%s lacks %q: %s", id, word, page.section(id))
				}
			}
		}
		if strings.Contains(page.body, "signature=") {
			t.Error("a link is shown that nobody has made")
		}
		file := v.get(t, "/console/exports/"+own+"/file").want(t, http.StatusOK, "")
		if got := strings.Count(file.body, "\n"); got != rows+1 || !strings.Contains(file.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("the file has %d lines, want %d: %v", got, rows+1, file.header)
		}
		v.get(t, "/console/exports/"+own)
		page = v.post(t, "/console/exports/"+own+"/link").want(t, http.StatusOK, "")
		_, link, _ := strings.Cut(page.body, b.options.Settings.PublicURL)
		link, _, _ = strings.Cut(link, "</pre>")
		if got := b.do(t, call{path: strings.ReplaceAll(link, "&amp;", "&")}); got.body != file.body {
			t.Errorf("the link %q gives %d %.200s", link, got.status, got.body)
		}
		if sent := inert(v.get(t, "/console/deliveries/"+brought).want(t, http.StatusOK, "")); !strings.Contains(sent.section("attempts"), "delivered") {
			t.Errorf("the delivery is shown as %s", sent.body)
		}
	}
	if page := inert(root.get(t, "/console/exports/"+failed).want(t, http.StatusOK, "")); !strings.Contains(page.section("file"), "What to do") || !strings.Contains(page.section("holds"), "There is no file") {
		t.Errorf("a failed one: %s", page.body)
	}
	for _, id := range []string{other, ofAll, uuid.NewString(), "odd"} {
		admin.get(t, "/console/exports/"+id).want(t, http.StatusNotFound, "")
		admin.get(t, "/console/exports/"+id+"/file").want(t, http.StatusNotFound, "")
		admin.post(t, "/console/exports/"+id+"/link").want(t, http.StatusNotFound, "")
	}
	root.get(t, "/console/exports/"+failed+"/file").want(t, http.StatusServiceUnavailable, "")
	root.get(t, "/console/exports/"+b.madeJob(t, b.ownDomain(), "provision", "failed", "x", "")).want(t, http.StatusNotFound, "")
	admin.get(t, "/console/deliveries/"+theirs).want(t, http.StatusNotFound, "")
	admin.post(t, "/console/deliveries/"+theirs+"/retry").want(t, http.StatusNotFound, "")

	admin.get(t, "/console/deliveries/"+brought)
	if got := admin.post(t, "/console/deliveries/"+brought+"/retry"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/console/deliveries/"+brought {
		t.Errorf("sent again: got %d %s", got.status, got.body)
	}
	pbxtest.Eventually(t, "it is delivered again", func() bool {
		return b.count(t, "select count(*) from trunkline.jobs where kind = 'deliver' and state = 'succeeded' and params->>'delivery_id' = $1", brought) == 2
	})
	b.setResult(t, own, "expires_at", "2020-01-01T00:00:00Z")
	if page := root.get(t, "/console/exports/"+own).want(t, http.StatusOK, ""); strings.Contains(page.section("file"), "Download") || !strings.Contains(page.section("holds"), "deleted when its time was up") {
		t.Errorf("one whose file is gone: %s", page.body)
	}
	root.get(t, "/console/exports/"+own)
	root.post(t, "/console/exports/"+own+"/link").want(t, http.StatusGone, "")
	root.get(t, "/console/exports/"+own+"/file").want(t, http.StatusGone, "")

	_, secret := b.issue(t, "reader", "read", "all_domains", "true")
	reader := b.visitor()
	reader.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
	for _, path := range []string{"/console/exports", "/console/exports/" + other, "/console/exports/" + other + "/file", "/console/deliveries/" + theirs} {
		reader.get(t, path).want(t, http.StatusForbidden, "")
	}
}

// A new export is asked for by a form that keeps what was typed and marks the field that is wrong; its rows are estimated
// before; what it starts is a job of the caller's own domain, brought where they may have it brought.
func TestConsoleNewExport(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest})
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	place := b.do(t, b.asAdmin(folderCalled("billing"))).want(t, http.StatusCreated, "").text(t, "id")
	others := b.do(t, b.asSuperadmin(folderCalled("not yours", "tenant_domain", b.foreign().Name))).want(t, http.StatusCreated, "").text(t, "id")
	own := b.count(t, "select count(*) from v_xml_cdr where domain_uuid = $1 and direction = 'inbound'", b.ownDomain().UUID)

	page := admin.get(t, "/console/exports/new").want(t, http.StatusOK, "")
	for _, word := range []string{`value="` + place + `"`, "billing (folder, " + b.sample.AdminDomain + ")", `name="deliver_as"`, `name="template"`, `<option value="PARQUET"`, `value="UTC"`} {
		if !strings.Contains(page.body, word) {
			t.Errorf("the form lacks %s: %s", word, page.body)
		}
	}
	if strings.Contains(page.body, others) || strings.Contains(page.body, `role="status"`) {
		t.Errorf("another's destination is offered, or something is estimated that nobody asked for: %s", page.body)
	}
	// From the page of calls it is filled in, and estimated at once.
	page = admin.get(t, "/console/exports/new"+callSpan+"&direction=inbound&min_billsec=0").want(t, http.StatusOK, "")
	if !strings.Contains(page.body, fmt.Sprintf("<strong>%d rows</strong>, counted", own)) || !strings.Contains(page.body, `value="2024-05-01"`) || !strings.Contains(page.body, `value="inbound"`) {
		t.Errorf("filled in: %s", page.body)
	}
	for _, c := range []struct {
		field string
		asked []string
	}{
		{"date_start", []string{"date_end", "2024-06-30"}},
		{"date_end", []string{"date_start", "2024-05-01", "date_end", hostileText}},
		{"time_zone", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "time_zone", "Nowhere/Odd"}},
		{"columns", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "columns", hostileText}},
		{"format", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "format", "EXE"}},
		{"compression", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "compression", "rar"}},
		{"min_billsec", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "min_billsec", "many"}},
		{"deliver_as", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "deliver_to", place}},
		{"deliver_as", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "deliver_to", place, "deliver_as", "../x"}},
		{"deliver_to", []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "deliver_to", others, "deliver_as", "x"}},
	} {
		for _, path := range []string{"/console/exports/new", "/console/exports/new/estimate"} {
			if strings.HasPrefix(c.field, "deliver") && path != "/console/exports/new" {
				continue
			}
			got := admin.post(t, path, append(c.asked, "caller_prefix", "+49 typed")...)
			if got.status < 400 || got.status >= 500 || !strings.Contains(got.body, `<a href="#export-`+c.field+`"`) || !strings.Contains(got.body, `value="+49 typed"`) && !strings.Contains(got.body, `value="&#43;49 typed"`) {
				t.Errorf("%s %s: got %d %s", path, c.field, got.status, got.body)
			}
			if strings.Contains(got.body, "<script>alert") || strings.Contains(got.body, "<img src=x") {
				t.Errorf("%s: what was typed is not inert", c.field)
			}
		}
	}
	span := []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "direction", "inbound", "format", "CSV", "compression", "gzip", "columns", "billing"}
	if got := admin.post(t, "/console/exports/new/estimate", span...).want(t, http.StatusOK, ""); !strings.Contains(got.body, fmt.Sprintf("<strong>%d rows</strong>, counted", own)) {
		t.Errorf("estimated: %s", got.body)
	}
	admin.post(t, "/console/exports/new", append(span, "tenant_domain", b.foreign().Name)...).want(t, http.StatusForbidden, "")
	admin.post(t, "/console/exports/new/estimate", append(span, "tenant_domain", b.foreign().Name)...).want(t, http.StatusForbidden, "")
	if n := b.count(t, "select count(*) from trunkline.jobs where kind = 'export'"); n != 0 {
		t.Fatalf("%d exports were started", n)
	}
	to := admin.post(t, "/console/exports/new", append(span, "deliver_to", place, "deliver_as", "2024/june.csv.gz")...).want(t, http.StatusSeeOther, "").header.Get("Location")
	pbxtest.Eventually(t, "it is exported and delivered", func() bool {
		body := admin.get(t, to).body
		return strings.Contains(body, "2024/june.csv.gz") && strings.Contains(body, `badge up">delivered`)
	})
	page = admin.get(t, to)
	if holds := page.section("holds"); !strings.Contains(holds, fmt.Sprint(own, " rows of "+b.sample.AdminDomain)) || !strings.Contains(holds, "packed by gzip") {
		t.Errorf("it holds %s", holds)
	}
	if n := b.count(t, "select count(*) from trunkline.jobs where kind = 'export' and created_by = $1::uuid and domain_uuid = $2", b.sample.AdminUUID, b.ownDomain().UUID); n != 1 || b.recorded(t, "cdr.export", "2024-05-01") != 1 {
		t.Errorf("%d exports are the admin's, or it is not in the audit", n)
	}
	root.get(t, "/console/exports/new")
	to = root.post(t, "/console/exports/new", "date_start", "2024-05-01", "date_end", "2024-06-30").want(t, http.StatusSeeOther, "").header.Get("Location")
	pbxtest.Eventually(t, "it is exported", func() bool { return strings.Contains(root.get(t, to).section("holds"), "120 rows of all domains") })
	admin.get(t, to).want(t, http.StatusNotFound, "")

	// One file for each domain is an export of each.
	each := []string{"date_start", "2024-05-01", "date_end", "2024-06-30", "files", "each"}
	before := b.count(t, "select count(*) from trunkline.jobs where kind = 'export'")
	for field, more := range map[string][]string{"files": {"tenant_domain", b.sample.AdminDomain}, "deliver_to": {"deliver_to", place, "deliver_as", "x"}, "columns": {"columns", "odd"}} {
		root.get(t, "/console/exports/new")
		if got := root.post(t, "/console/exports/new", append(each, more...)...).want(t, http.StatusBadRequest, ""); !strings.Contains(got.body, `<a href="#export-`+field+`"`) {
			t.Errorf("%s: got %s", field, got.body)
		}
	}
	if got := root.post(t, "/console/exports/new", each...); got.status != http.StatusSeeOther || got.header.Get("Location") != "/console/exports" {
		t.Errorf("one for each domain: got %d %s", got.status, got.body)
	}
	if n := b.count(t, "select count(distinct domain_uuid) from trunkline.jobs where kind = 'export' and created_by = $1::uuid", b.sample.SuperadminUUID); n != len(b.sample.Domains) {
		t.Errorf("%d domains are exported, want %d", n, len(b.sample.Domains))
	}
	if n := b.count(t, "select count(*) from trunkline.jobs where kind = 'export'") - before; n != len(b.sample.Domains) {
		t.Errorf("%d exports were started", n)
	}
	if page := admin.get(t, "/console/exports/new"); strings.Contains(page.body, `name="files"`) {
		t.Error("who has one domain is asked whether each has a file")
	}

	_, secret := b.issue(t, "reader", "read", "all_domains", "true")
	reader := b.visitor()
	reader.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
	reader.get(t, "/console/exports/new").want(t, http.StatusForbidden, "")
}

// In a browser exports are accessible, are read without a script, and load nothing from elsewhere.
func TestConsoleExportsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest})
	own, _ := b.exportsOf(t, b.sample.AdminDomain)
	b.exec(t, "update trunkline.deliveries set destination_name = $1, name = $1", hostileText)
	for _, c := range b.lookers() {
		t.Run(c.who, func(t *testing.T) {
			w := b.lookingAt(t, "/console/exports", "Exports", c)
			looks := func(what string) {
				t.Helper()
				w.shows(t, what)
				w.accessible(t, what)
			}
			w.accessible(t, "Exports")
			w.do(t, chromedp.Click(`a[href="/console/exports/`+own+`"]`))
			looks("Export")
			w.do(t, chromedp.Click("//button[text()='Make a link']"))
			looks("The link to the file")
			w.do(t, chromedp.Click("//a[text()='To the export']"))
			w.shows(t, "Export")
			w.open(t, "/console/exports/new"+callSpan)
			looks("New export")
			w.do(t, chromedp.SetValue("#export-columns", "odd"), chromedp.Click("//button[text()='Start the export']"), chromedp.WaitVisible("#export-problem"))
			looks("New export")
			w.open(t, "/console/exports/"+own)
			w.shows(t, "Export")
			w.do(t, chromedp.Click("#brought + .scroll a"))
			looks("Delivery")
			w.loadedNothingElse(t)
		})
	}
}
