package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// meant is the field of a page that asks, with the very jobs that it is about.
var meant = regexp.MustCompile(`name="ids" value="([0-9a-f,-]*)"`)

// Many jobs are cancelled and retried by what was ticked, or by the filter, after a page has said how many they are; a
// tenant's admin reaches its own alone, and what somebody wrote is inert.
func TestConsoleManyJobs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	first := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", hostileText)
	second := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", "")
	failed := b.madeJob(t, b.ownDomain(), "export", "failed", "admin@own", "")
	theirs := b.madeJob(t, b.foreign(), "export", "queued", "other@other", "")
	name, _, _ := strings.Cut(b.sample.AdminName, "@")
	b.madeBy(t, name, first, second, failed)
	admin := b.tenantAdmin(t)
	page := admin.get(t, "/console/jobs?state=queued").want(t, http.StatusOK, "")
	if !strings.Contains(page.body, `href="/console/jobs/cancel?state=queued"`) || strings.Count(page.body, `name="ids"`) != 2 {
		t.Errorf("the list offers %s", page.body)
	}

	page = admin.post(t, "/console/jobs/cancel/chosen", "ids", first, "ids", second, "ids", theirs, "ids", failed).want(t, http.StatusOK, "")
	ids := meant.FindStringSubmatch(page.body)
	if ids == nil || ids[1] != second+","+first || !strings.Contains(page.body, "Cancel 2 jobs") ||
		!strings.Contains(page.section("left"), "there is no such job") || !strings.Contains(page.section("left"), "ended already") || strings.Contains(page.body, "<script>alert") {
		t.Fatalf("it asks about %v: %s", ids, page.body)
	}
	if b.state(t, first) != "queued" {
		t.Error("asking cancels")
	}
	// Meanwhile one ends, and another comes to be so.
	b.exec(t, "update trunkline.jobs set state = 'failed', error_code = 'timeout', error_message = 'late', started_at = now(), finished_at = now() where id = $1", second)
	later := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", "")
	page = admin.post(t, "/console/jobs/cancel", "ids", ids[1]).want(t, http.StatusOK, "")
	if !strings.Contains(page.body, "1 job was changed") || !strings.Contains(page.section("left"), second) || b.state(t, first) != "cancelled" || b.state(t, later) != "queued" || b.state(t, second) != "failed" {
		t.Errorf("cancelling: %s", page.body)
	}
	if page = admin.post(t, "/console/jobs/cancel", "ids", theirs).want(t, http.StatusOK, ""); !strings.Contains(page.body, "0 jobs were changed") || b.state(t, theirs) != "queued" {
		t.Errorf("another domain's: %s", page.body)
	}

	page = admin.get(t, "/console/jobs/retry?kind=export&who=admin%40own&created_after=2020-01-01T00:00").want(t, http.StatusOK, "")
	if ids = meant.FindStringSubmatch(page.body); ids == nil || !strings.Contains(page.body, "3 jobs</strong> of 3") || !strings.Contains(page.body, "who: <bdi>admin@own") {
		t.Fatalf("it asks about %v: %s", ids, page.body)
	}
	if page = admin.post(t, "/console/jobs/retry", "ids", ids[1]).want(t, http.StatusOK, ""); !strings.Contains(page.body, "3 jobs were changed") || b.state(t, failed) != "queued" {
		t.Errorf("retrying: %s", page.body)
	}
	if page = admin.get(t, "/console/jobs/retry").want(t, http.StatusOK, ""); !strings.Contains(page.body, "None of them can be changed") {
		t.Errorf("without any: %s", page.body)
	}
	if page = admin.post(t, "/console/jobs/cancel/chosen").want(t, http.StatusBadRequest, ""); !strings.Contains(page.body, "No job was ticked") {
		t.Errorf("nothing ticked: %s", page.body)
	}
	admin.post(t, "/console/jobs/cancel").want(t, http.StatusBadRequest, "")
	admin.post(t, "/console/jobs/cancel", "ids", "x").want(t, http.StatusBadRequest, "")
	admin.get(t, "/console/jobs/cancel?kind=odd").want(t, http.StatusBadRequest, "")

	_, secret := b.issue(t, "reader", "read", "all_domains", "true")
	reader := b.visitor()
	reader.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
	if page = reader.get(t, "/console/jobs").want(t, http.StatusOK, ""); strings.Contains(page.body, "/console/jobs/cancel?") || strings.Contains(page.body, "Choose") {
		t.Error("who may only read is offered to change jobs")
	}
	reader.post(t, "/console/jobs/cancel", "ids", theirs).want(t, http.StatusForbidden, "")
}

// More jobs than one request takes are told of by their number.
func TestConsoleMoreJobsThanAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, subject, body_hash, params)
		select gen_random_uuid(), 'export', 'queued', $1, gen_random_uuid(), 'somebody', n::text, '', '{}' from generate_series(1, 503) n`, b.foreign().UUID)
	page := b.superadmin(t).get(t, "/console/jobs/cancel?state=queued").want(t, http.StatusOK, "")
	for _, want := range []string{"500 jobs</strong> of 503", "the newest are taken", "Cancel 500 jobs"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("it does not say %q: %s", want, page.body)
		}
	}
	if len(page.body) > 100_000 {
		t.Errorf("%d bytes", len(page.body))
	}
}

// In a browser, with and without scripts, jobs are ticked, asked about and cancelled; the pages are accessible.
func TestConsoleManyJobsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	name, _, _ := strings.Cut(b.sample.AdminName, "@")
	for _, c := range b.lookers() {
		t.Run(c.who, func(t *testing.T) {
			first := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", hostileText)
			second := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", "")
			b.madeBy(t, name, first, second)
			w := b.lookingAt(t, "/console/jobs?state=queued", "Jobs", c)
			w.accessible(t, "jobs to choose from")
			w.do(t, chromedp.Click(fmt.Sprintf("input[value=%q]", first)), chromedp.Click(fmt.Sprintf("input[value=%q]", second)),
				chromedp.Click("//button[text()='Cancel those chosen…']"))
			w.shows(t, "Cancel jobs")
			w.accessible(t, "what is asked before")
			w.do(t, chromedp.Click("//button[text()='Cancel 2 jobs']"), chromedp.WaitVisible("//strong[text()='2 jobs were changed']"))
			w.accessible(t, "what was done")
			if b.state(t, first) != "cancelled" || b.state(t, second) != "cancelled" {
				t.Error("they are not cancelled")
			}
			w.open(t, "/console/jobs?external_id=nobody")
			w.open(t, "/console/jobs?state=cancelled")
			w.do(t, chromedp.Click("//a[text()='retry all that did not succeed…']"))
			w.shows(t, "Retry jobs")
			w.do(t, chromedp.Click("//a[text()='Leave them as they are']"))
			w.shows(t, "Jobs")
			w.loadedNothingElse(t)
		})
	}
}
