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

// In a browser the page is accessible and loads its charts, and is read without a script.
func TestConsoleCallsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 120, now: newest, noWorker: true})
	b.exec(t, "update v_xml_cdr set caller_id_name = $1", hostileText)
	for _, c := range []struct {
		who, name, password string
		width               int64
		dark                bool
	}{
		{"superadmin", b.sample.SuperadminName, b.sample.SuperadminPassword, wide, false},
		{"tenant's admin by phone", b.sample.AdminName, b.sample.AdminPassword, narrow, true},
	} {
		t.Run(c.who, func(t *testing.T) {
			w := b.openWindow(t, c.width, c.dark)
			w.open(t, "/console/calls"+callSpan)
			w.signIn(t, c.name, c.password)
			w.shows(t, "Calls")
			w.accessible(t, "calls")
			w.loadedNothingElse(t)
			w.withoutScripts(t)
			w.open(t, "/console/calls"+callSpan)
			w.do(t, chromedp.WaitVisible("#list"))
		})
	}
}
