package api_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// callSpan is the query of a span that has all calls of the sample.
const callSpan = "?date_start=2024-05-01&date_end=2024-06-30"

// Calls are listed and summed up by the filter of the address; a tenant's admin has its own alone; what callers sent is
// inert.
func TestConsoleCalls(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest, noWorker: true})
	b.exec(t, "update v_xml_cdr set caller_id_name = $1, caller_id_number = $1", hostileText)
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	const once = " leg = 'a' and coalesce(hangup_cause, '') <> 'LOSE_RACE'"
	all := b.count(t, "select count(*) from v_xml_cdr where"+once)
	own := b.count(t, "select count(*) from v_xml_cdr join v_domains using (domain_uuid) where v_domains.domain_name = $1 and"+once, b.sample.AdminDomain)
	inbound := b.count(t, "select count(*) from v_xml_cdr where direction = 'inbound' and"+once)
	for _, c := range []struct {
		who   *visitor
		query string
		calls int
	}{{root, "", all}, {root, "&direction=inbound", inbound}, {root, "&tenant_domain=" + b.sample.AdminDomain, own}, {admin, "", own}} {
		page := c.who.get(t, "/console/calls"+callSpan+c.query).want(t, http.StatusOK, "")
		if sums := page.section("sums"); !strings.Contains(sums, "Calls "+strconv.Itoa(c.calls)+" ") {
			t.Errorf("%s: want %d calls: %s", c.query, c.calls, sums)
		}
		if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<img src=x") {
			t.Errorf("%s: what a caller sent is not inert", c.query)
		}
		if len(page.body) > 100_000 {
			t.Errorf("%s: the page has %d bytes", c.query, len(page.body))
		}
		if c.who == admin && strings.Contains(page.body, b.foreign().Name) {
			t.Error("a tenant's admin sees another domain")
		}
		for _, of := range []string{"calls", "minutes", "causes"} {
			for _, theme := range []string{"light", "dark"} {
				got := c.who.get(t, "/console/charts/calls.svg"+callSpan+c.query+"&of="+of+"&theme="+theme).want(t, http.StatusOK, "")
				for d := xml.NewDecoder(strings.NewReader(got.body)); ; {
					if _, err := d.Token(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatalf("%s %s: %v", of, theme, err)
					}
				}
			}
		}
	}
	if page := root.get(t, "/console/calls"+callSpan+"&limit=10"); !strings.Contains(page.body, "Next page") || strings.Count(page.body, "data-key") != 10 {
		t.Errorf("the first page: %s", page.body)
	}
	if page := b.superadmin(t).get(t, "/console/calls"+callSpan+"&zone=Asia/Tokyo"); !strings.Contains(page.section("list"), " JST") {
		t.Errorf("times lack their zone: %s", page.section("list"))
	}
	if page := root.get(t, "/console/calls").want(t, http.StatusOK, ""); !strings.Contains(page.body, "There are no calls in this span") {
		t.Errorf("the last 24 hours: %s", page.body)
	}
	for _, query := range []string{"?date_start=soon&date_end=later", callSpan + "&gateway=odd", callSpan + "&view=odd", callSpan + "&after=odd", callSpan + "&zone=Nowhere/Odd"} {
		if page := root.get(t, "/console/calls"+query); page.status != http.StatusBadRequest {
			t.Errorf("%s: got %d", query, page.status)
		}
	}
	admin.get(t, "/console/calls"+callSpan+"&tenant_domain="+b.foreign().Name).want(t, http.StatusForbidden, "")
	if got := root.get(t, "/console/charts/calls.svg"+callSpan+"&theme=light&of=odd"); got.status != http.StatusBadRequest {
		t.Errorf("got %d", got.status)
	}
	_, secret := b.issue(t, "reader", "read", "all_domains", "true")
	reader := b.visitor()
	reader.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
	reader.get(t, "/console/calls").want(t, http.StatusForbidden, "")
}

// Charts have the figures of the page that they are on, which are not read again for each of them; the page itself reads
// anew, and nobody gets what was read for others.
func TestConsoleCallsAreReadOnceForAPage(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest, noWorker: true})
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	chart := func(v *visitor) string {
		return v.get(t, "/console/charts/calls.svg"+callSpan+"&of=calls&theme=light").want(t, http.StatusOK, "").body
	}
	root.get(t, "/console/calls"+callSpan).want(t, http.StatusOK, "")
	before, own := chart(root), chart(admin)
	if before == own {
		t.Error("a tenant's admin has the figures of all domains")
	}
	b.exec(t, "delete from v_xml_cdr")
	if chart(root) != before || chart(admin) != own {
		t.Error("a chart was read again")
	}
	if page := root.get(t, "/console/calls"+callSpan).want(t, http.StatusOK, ""); page.section("sums") != "" {
		t.Errorf("the page was not read anew: %s", page.section("sums"))
	}
	if chart(root) == before {
		t.Error("the chart is not that of the page")
	}
	if page := root.get(t, "/console/calls").want(t, http.StatusOK, ""); !strings.Contains(page.body, "/console/exports/new?date_end=") {
		t.Errorf("the last 24 hours cannot be exported: %s", page.body)
	}
}

// A call is shown with all its columns, inert; another domain's is none.
func TestConsoleCall(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest, noWorker: true})
	b.exec(t, "update v_xml_cdr set caller_id_name = $1, hangup_cause = null", strings.Repeat(hostileText, 200))
	of := func(domain string) (id string) {
		must(t, b.pool.QueryRow(t.Context(), "select xml_cdr_uuid::text from v_xml_cdr where domain_uuid = (select domain_uuid from v_domains where domain_name = $1) limit 1", domain).Scan(&id))
		return id
	}
	own, other := of(b.sample.AdminDomain), of(b.foreign().Name)
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	for _, v := range []*visitor{root, admin} {
		page := v.get(t, "/console/calls/"+own+"?zone=Asia/Tokyo").want(t, http.StatusOK, "")
		for _, word := range []string{own, "xml_cdr_uuid", "billsec", " JST</time>", "&lt;script&gt;", `hangup_cause</th><td><span class="quiet">none`} {
			if !strings.Contains(page.body, word) {
				t.Errorf("it lacks %q: %s", word, page.body)
			}
		}
		if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<img src=x") || len(page.body) > 100_000 {
			t.Errorf("what a caller sent is not inert, or %d bytes are too many", len(page.body))
		}
	}
	root.get(t, "/console/calls/"+other).want(t, http.StatusOK, "")
	for _, path := range []string{other, other + "?tenant_domain=" + b.sample.AdminDomain, "odd"} {
		admin.get(t, "/console/calls/"+path).want(t, http.StatusNotFound, "")
	}
	admin.get(t, "/console/calls/"+other+"?tenant_domain="+b.foreign().Name).want(t, http.StatusForbidden, "")
	if list := admin.get(t, "/console/calls"+callSpan).want(t, http.StatusOK, ""); !strings.Contains(list.body, `href="/console/calls/`+own+`"`) {
		t.Errorf("the list does not lead to it: %s", list.body)
	}
}

// In a browser the page is accessible and loads its charts, and is read without a script.
func TestConsoleCallsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest, noWorker: true})
	b.exec(t, "update v_xml_cdr set caller_id_name = $1", hostileText)
	for _, c := range b.lookers()[:2] {
		t.Run(c.who, func(t *testing.T) {
			w := b.lookingAt(t, "/console/calls"+callSpan, "Calls", c)
			w.accessible(t, "calls")
			w.do(t, chromedp.Click("#list ~ .scroll tbody a"))
			w.shows(t, "Call")
			w.accessible(t, "call")
			w.loadedNothingElse(t)
			w.withoutScripts(t)
			w.open(t, "/console/calls"+callSpan)
			w.do(t, chromedp.Click("#list ~ .scroll tbody a"))
			w.shows(t, "Call")
		})
	}
}
