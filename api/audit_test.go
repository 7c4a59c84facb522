package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// audited are the audit's rows of a kind once there are n of them, each worded as given, in order of the
// words.
func (b *bundle) audited(t *testing.T, kind string, n int, words string) []string {
	t.Helper()
	var all []string
	pbxtest.Eventually(t, fmt.Sprintf("the audit has %d rows of kind %s", n, kind), func() bool {
		rows, err := b.pool.Query(t.Context(), "select "+words+" from trunkline.audit a where kind = $1", kind)
		must(t, err)
		all = nil
		for rows.Next() {
			var text string
			must(t, rows.Scan(&text))
			all = append(all, text)
		}
		must(t, rows.Err())
		return len(all) >= n
	})
	slices.Sort(all)
	return all
}

func TestDenialsAreAudited(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	const wrong = "wrong-s3cret-41c"
	hostile := "ro\x00ot\x1b[2J" // by a form, which may hold anything: refused as a parameter, and no denial
	for _, c := range []call{
		{path: "/v1/jobs", from: stranger + ":1"},
		{path: "/v1/jobs", from: stranger + ":2"},
		{path: "/v1/jobs/0190b5a0-0000-7000-8000-000000000000?signature=x", from: stranger + ":3"},
		{path: "/nothing/here?password=" + wrong, from: stranger + ":4"},
		{path: "/chkcon.php", from: stranger + ":5"},
		{path: "/v1/jobs", user: "root", pass: wrong},
		{path: provisionPath, form: form("username", "root", "password", wrong)},
		{path: "/v1/jobs"},
		{path: "/v1/jobs", from: "127.0.0.1:9", headers: map[string]string{"X-Forwarded-For": caller}},
		{path: "/v1/exports/0190b5a0-0000-7000-8000-000000000000/file?signature=x&expires=1"},
		// These are refused for what they ask, not for who asks.
		{path: "/nothing/here"},
		{path: "/v1/jobs?password=" + wrong},
		{path: provisionPath, form: form("username", hostile, "password", wrong)},
		b.asSuperadmin(call{path: "/v1/jobs?limit=0"}),
		b.asSuperadmin(call{path: "/v1/jobs/0190b5a0-0000-7000-8000-000000000000"}),
		{method: http.MethodPut, path: "/v1/jobs"},
	} {
		b.do(t, c)
	}
	// The two that are alike may have been in two minutes.
	want := []string{
		"127.0.0.1  /v1/jobs untrusted_proxy 1",
		caller + "  /v1/exports/:id/file invalid_link 1",
		caller + "  /v1/jobs authentication_failed 1",
		caller + " root /app/gateways/provision.php authentication_failed 1",
		caller + " root /v1/jobs authentication_failed 1",
		stranger + "  /chkcon.php not_whitelisted 1",
		stranger + "  /v1/jobs not_whitelisted 2",
		stranger + "  /v1/jobs/:id not_whitelisted 1",
		stranger + "  unrouted not_whitelisted 1",
	}
	pbxtest.Eventually(t, "all denials are written", func() bool { return b.count(t, "select coalesce(sum(times), 0) from trunkline.audit") == 10 })
	b.exec(t, "update trunkline.audit a set times = (select sum(times) from trunkline.audit b where (b.address, b.who, b.action, b.code) = (a.address, a.who, a.action, a.code))")
	got := slices.Compact(b.audited(t, "denial", len(want), "concat_ws(' ', address, who, action, code, times)"))
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, row := range b.audited(t, "denial", len(want), "a::text") {
		if strings.Contains(row, wrong) || strings.Contains(row, "signature") {
			t.Errorf("a secret is in %s", row)
		}
	}
}

func TestChangesAreAudited(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest, noWorker: true})
	provision := withHeader(b.asAdmin(call{path: provisionPath, form: carrier("audited", "wait", "0")}), "X-Request-Id", "its-id")
	job := b.do(t, withHeader(provision, "Idempotency-Key", "k")).want(t, http.StatusAccepted, "").text(t, "job_id")
	b.do(t, withHeader(provision, "Idempotency-Key", "k")).want(t, http.StatusAccepted, "") // the same one once more
	b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("refused", "profile", "none", "wait", "0")})).want(t, http.StatusUnprocessableEntity, "")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("everybodys", "tenant_domain", "global", "wait", "0")})).want(t, http.StatusAccepted, "")
	small, _, _ := b.exported(t, b.asAdmin(call{}))
	large := b.do(t, withHeader(b.asAdmin(call{path: exportPath, form: everything("wait", "0")}), "Idempotency-Key", "e")).want(t, http.StatusAccepted, "").text(t, "job_id")
	for _, action := range []string{"cancel", "retry"} {
		b.do(t, b.asAdmin(call{method: http.MethodPost, path: "/v1/jobs/" + large + "/" + action}))
	}
	b.do(t, b.asAdmin(call{method: http.MethodPost, path: "/v1/jobs/" + large + "/retry"})).want(t, http.StatusConflict, "job_state")

	var admins []string
	for _, row := range b.audited(t, "change", 6, "concat_ws('|', who, address, domain_uuid, action, subject)") {
		if strings.HasPrefix(row, b.sample.SuperadminName) {
			if !strings.Contains(row, "|gateway.provision|everybodys, job ") || strings.Count(row, "|") != 3 {
				t.Errorf("got %s: a global gateway is of no domain", row)
			}
			continue
		}
		prefix := b.sample.AdminName + "@" + b.sample.AdminDomain + "|" + caller + "|"
		if !strings.HasPrefix(row, prefix) {
			t.Errorf("got %s, want it to begin %s", row, prefix)
		}
		_, about, _ := strings.Cut(strings.TrimPrefix(row, prefix), "|")
		admins = append(admins, about)
	}
	slices.Sort(admins)
	dates := strings.Split(admins[0], ", job ")[0]
	want := []string{dates + ", job " + large, dates + ", job " + small, "gateway.provision|audited, job " + job, "job.cancel|export job " + large, "job.retry|export job " + large}
	slices.Sort(want)
	if strings.Join(admins, "\n") != strings.Join(want, "\n") || !strings.HasPrefix(dates, "cdr.export|") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(admins, "\n"), strings.Join(want, "\n"))
	}
	if n := b.count(t, "select count(*) from trunkline.audit where request_id = 'its-id' and subject like $1", "audited, job "+job); n != 1 {
		t.Errorf("%d entries have the request's id", n)
	}
}

// entries are the ids on one page of the audit, and the next page's after.
func (b *bundle) entries(t *testing.T, c call, query url.Values) (entries []map[string]any, next string) {
	t.Helper()
	c.path = "/v1/audit?" + query.Encode()
	got := b.do(t, c).want(t, http.StatusOK, "")
	for _, e := range got.decode(t)["entries"].([]any) {
		entries = append(entries, e.(map[string]any))
	}
	return entries, got.text(t, "next")
}

func TestListAudit(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for i := range 3 {
		b.do(t, b.asAdmin(call{path: provisionPath, form: carrier(fmt.Sprintf("a-%d", i), "wait", "0")})).want(t, http.StatusAccepted, "")
	}
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("s", "wait", "0")})).want(t, http.StatusAccepted, "")
	b.do(t, call{path: "/v1/jobs", from: stranger + ":1"}).want(t, http.StatusForbidden, "")
	b.audited(t, "denial", 1, "address")

	for query, want := range map[string]int{
		"": 5, "kind=change": 4, "kind=denial": 1, "action=gateway.provision": 4, "code=not_whitelisted": 1, "address=" + stranger: 1,
		"address=::ffff:" + stranger: 1, "who=" + b.sample.AdminName + "@" + b.sample.AdminDomain: 3, "who=nobody": 0,
		"since=2020-01-01T00:00:00Z": 5, "since=2020-01-01": 5, "until=2020-01-01": 0, "until=2020-01-01T00:00:00Z": 0, "since=9999-01-01T00:00:00Z": 0, "until=0000-01-01T00:00:00Z": 0,
		"tenant_domain=" + b.sample.AdminDomain: 3,
	} {
		values, err := url.ParseQuery(query)
		must(t, err)
		if got, _ := b.entries(t, b.asSuperadmin(call{}), values); len(got) != want {
			t.Errorf("%s: got %d entries, want %d", query, len(got), want)
		}
	}
	seen := map[any]bool{}
	for next := ""; ; {
		page, after := b.entries(t, b.asSuperadmin(call{}), url.Values{"limit": {"2"}, "after": {next}})
		for _, e := range page {
			seen[e["id"]] = true
		}
		if next = after; next == "" {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("the pages have %d entries, want 5", len(seen))
	}
	// An admin sees what concerns its domain: neither another's, nor what strangers try.
	mine, _ := b.entries(t, b.asAdmin(call{}), nil)
	for _, e := range mine {
		if e["who"] != b.sample.AdminName+"@"+b.sample.AdminDomain || e["domain_uuid"] == nil {
			t.Errorf("the admin sees %v", e)
		}
	}
	if len(mine) != 3 {
		t.Errorf("the admin sees %d entries, want 3", len(mine))
	}
	b.do(t, b.asAdmin(call{path: "/v1/audit?tenant_domain=" + b.sample.Domains[0].Name})).want(t, http.StatusForbidden, "forbidden")
	b.audited(t, "denial", 2, "address")
	if got, _ := b.entries(t, b.asAdmin(call{}), url.Values{"tenant_domain": {b.sample.AdminDomain}, "kind": {"denial"}}); len(got) != 1 {
		t.Errorf("got %v, want the admin's own refusal alone", got)
	}
}

func TestListAuditErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for query, names := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "kind=fax": "kind", "after=x": "after", "address=x": "address",
		"since=yesterday": "since", "until=2026-13-01T00:00:00Z": "until", "tenant_domain=global": "tenant_domain",
	} {
		b.do(t, b.asSuperadmin(call{path: "/v1/audit?" + query})).want(t, http.StatusBadRequest, "invalid_request").says(t, names)
	}
	b.do(t, call{path: "/v1/audit"}).want(t, http.StatusUnauthorized, "authentication_failed")
	b.do(t, call{path: "/v1/audit", from: stranger + ":1"}).want(t, http.StatusForbidden, "not_whitelisted")
}

// What was denied while the audit's table could not be written is a row in the end, and nobody's answer
// waited for it.
func TestAuditAway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, "alter table trunkline.audit rename to elsewhere")
	b.do(t, call{path: "/v1/jobs", from: stranger + ":1"}).want(t, http.StatusForbidden, "not_whitelisted")
	b.do(t, b.asAdmin(call{path: provisionPath, form: carrier("a", "wait", "0")})).want(t, http.StatusAccepted, "")
	pbxtest.Eventually(t, "the log says that denials wait", func() bool { return strings.Contains(b.log.String(), "denials not written") })
	if !strings.Contains(b.log.String(), "change not recorded in the audit") {
		t.Error("the log does not have the change")
	}
	b.exec(t, "alter table trunkline.elsewhere rename to audit")
	b.audited(t, "denial", 1, "address")
}
