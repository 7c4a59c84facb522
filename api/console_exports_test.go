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

// In a browser exports are accessible, are read without a script, and load nothing from elsewhere.
func TestConsoleExportsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest})
	own, _ := b.exportsOf(t, b.sample.AdminDomain)
	b.exec(t, "update trunkline.deliveries set destination_name = $1, name = $1", hostileText)
	for _, c := range []struct {
		who, name, password string
		width               int64
		dark, scripts       bool
	}{
		{"superadmin", b.sample.SuperadminName, b.sample.SuperadminPassword, wide, true, true},
		{"tenant's admin by phone", b.sample.AdminName, b.sample.AdminPassword, narrow, false, true},
		{"tenant's admin without scripts", b.sample.AdminName, b.sample.AdminPassword, wide, false, false},
	} {
		t.Run(c.who, func(t *testing.T) {
			w := b.openWindow(t, c.width, c.dark)
			if !c.scripts {
				w.withoutScripts(t)
			}
			looks := func(what string) {
				if w.shows(t, what); c.scripts {
					w.accessible(t, what)
				}
			}
			w.open(t, "/console/exports")
			w.signIn(t, c.name, c.password)
			looks("Exports")
			w.do(t, chromedp.Click(`a[href="/console/exports/`+own+`"]`))
			looks("Export")
			w.do(t, chromedp.Click("//button[text()='Make a link']"))
			looks("The link to the file")
			w.do(t, chromedp.Click("//a[text()='To the export']"))
			w.shows(t, "Export")
			w.do(t, chromedp.Click("#brought + .scroll a"))
			looks("Delivery")
			w.loadedNothingElse(t)
		})
	}
}
