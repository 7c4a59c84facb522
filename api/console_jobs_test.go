package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"trunkline/internal/pbxtest/sample"
)

// hostileText is what callers may put where a page shows it.
const hostileText = `<script>alert("job")</script><img src=x onerror=alert(1)>` + "\u202e"

// madeJob puts a job of the domain into the database, and returns its id.
func (b *bundle) madeJob(t *testing.T, d sample.Domain, kind, state, who, externalID string) string {
	t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	b.exec(t, `insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id, subject, body_hash, params, attempt,
		error_code, error_message, started_at, finished_at, admitted_at, dispatched_at)
		values ($1, $2, $3::text, $4, gen_random_uuid(), $5, $6, $6::text, '', '{}', case when $3::text = 'queued' then 0 else 1 end,
			case when $3::text = 'failed' then 'switch_unavailable' end, case when $3::text = 'failed' then $7 end,
			case when $3::text <> 'queued' then now() end, case when $3::text = 'failed' then now() end, now(), now())`,
		id, kind, state, d.UUID, who, externalID, hostileText)
	return id
}

func (b *bundle) ownDomain() sample.Domain {
	for _, d := range b.sample.Domains {
		if d.Name == b.sample.AdminDomain {
			return d
		}
	}
	panic("the admin's domain is none of the sample's")
}

// The list is filtered by what stands in the address, with exact figures by state; a tenant's admin has its own jobs
// alone; what callers wrote is inert.
func TestConsoleJobs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	own := b.madeJob(t, b.ownDomain(), "provision", "failed", "admin@own", hostileText)
	other := b.madeJob(t, b.foreign(), "export", "queued", "token:robot", "their-1")
	root, admin := b.superadmin(t), b.tenantAdmin(t)
	for _, domain := range []string{b.ownDomain().Name, b.foreign().Name} {
		root.get(t, "/console/jobs").says(t, "<td><bdi>"+domain+"</bdi></td>")
	}
	if list := admin.get(t, "/console/jobs").want(t, http.StatusOK, ""); strings.Contains(list.body, ">Domain</th>") {
		t.Error("who sees one domain is told which")
	}
	b.do(t, b.asAdmin(call{path: "/v1/jobs/" + own})).want(t, http.StatusOK, "").says(t, `"tenant_domain":"`+b.ownDomain().Name+`"`)
	for _, c := range []struct {
		query      string
		has, lacks string
	}{
		{"", own, "nothing of the kind"},
		{"", other, "nothing of the kind"},
		{"?state=queued", other, own},
		{"?kind=provision", own, other},
		{"?who=token%3Arobot", other, own},
		{"?external_id=their-1", other, own},
		{"?tenant_domain=" + b.sample.AdminDomain, own, other},
		{"?created_after=2020-01-01T00:00&text=ONERROR", own, other},
		{"?limit=1", other, own},
		{"?limit=1&after=" + other, own, ">" + other},
	} {
		page := root.get(t, "/console/jobs"+c.query).want(t, http.StatusOK, "")
		if !strings.Contains(page.body, "/console/jobs/"+c.has) || strings.Contains(page.body, "/console/jobs/"+c.lacks) {
			t.Errorf("%s: want %s and not %s: %s", c.query, c.has, c.lacks, page.body)
		}
		if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<img src=x") {
			t.Errorf("%s: what somebody wrote is not inert", c.query)
		}
	}
	if page := root.get(t, "/console/jobs?limit=1&kind=export&state=queued"); !strings.Contains(page.body, "queued <strong>1</strong>") || !strings.Contains(page.body, "all <strong>1</strong>") {
		t.Errorf("the figures: %s", page.body)
	}
	if page := root.get(t, "/console/jobs?limit=1"); !strings.Contains(page.body, "limit=1") || !strings.Contains(page.body, "Next page") {
		t.Errorf("there is no next page: %s", page.body)
	}
	if page := admin.get(t, "/console/jobs").want(t, http.StatusOK, ""); !strings.Contains(page.body, own) || strings.Contains(page.body, other) || strings.Contains(page.body, "token:robot") {
		t.Errorf("a tenant's admin sees %s", page.body)
	}
	admin.get(t, "/console/jobs/"+other).want(t, http.StatusNotFound, "")
	admin.post(t, "/console/jobs/"+other+"/cancel").want(t, http.StatusNotFound, "")
	for _, query := range []string{"?state=odd", "?kind=odd", "?text=a", "?zone=Nowhere/Odd", "?zone=Local", "?after=odd", "?created_after=soon"} {
		if page := root.get(t, "/console/jobs"+query); page.status != http.StatusBadRequest {
			t.Errorf("%s: got %d", query, page.status)
		}
	}
}

// Times are of the zone that was chosen, and a field without a zone is meant in that.
func TestConsoleZone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.madeJob(t, b.ownDomain(), "provision", "failed", "admin@own", "")
	b.exec(t, "update trunkline.jobs set created_at = '2026-01-15 12:00:00Z', id = '019bc1a5-0000-7000-8000-000000000001' where id = $1", id)
	v := b.superadmin(t)
	id = "019bc1a5-0000-7000-8000-000000000001"
	if page := v.get(t, "/console/jobs/"+id).want(t, http.StatusOK, ""); !strings.Contains(page.body, "2026-01-15 12:00:00 UTC") {
		t.Errorf("in UTC: %s", page.body)
	}
	if page := v.get(t, "/console/jobs/"+id+"?zone=Asia/Tokyo").want(t, http.StatusOK, ""); !strings.Contains(page.body, "2026-01-15 21:00:00 JST") ||
		!strings.Contains(page.header.Get("Set-Cookie"), "__Host-trunkline-zone=Asia/Tokyo") {
		t.Errorf("in Tokyo: %v %s", page.header, page.body)
	}
}

// A job is shown with what to do about its error, cancelled and retried; a second cancel says that it has ended.
func TestConsoleJobActions(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	failed := b.madeJob(t, b.ownDomain(), "export", "failed", "admin@own", hostileText)
	queued := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", "")
	v := b.superadmin(t)
	page := v.get(t, "/console/jobs/"+failed).want(t, http.StatusOK, "")
	if text := page.section("state"); !strings.Contains(text, "What to do: Look whether FreeSWITCH runs") || !strings.Contains(text, "Retry the job") || strings.Contains(page.body, "<script>alert") {
		t.Errorf("got %s", page.body)
	}
	if got := v.post(t, "/console/jobs/"+failed+"/retry"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/console/jobs/"+failed {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if page := v.get(t, "/console/jobs/"+failed); !strings.Contains(page.section("state"), "Cancel the job") {
		t.Errorf("it is not queued again: %s", page.body)
	}
	v.get(t, "/console/jobs/"+queued).want(t, http.StatusOK, "")
	if got := v.post(t, "/console/jobs/"+queued+"/cancel"); got.status != http.StatusSeeOther {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if got := v.post(t, "/console/jobs/"+queued+"/cancel"); got.status != http.StatusConflict || !strings.Contains(got.body, "has ended already") {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if page := v.get(t, "/console/jobs/"+queued); !strings.Contains(page.section("state"), "cancelled") {
		t.Errorf("it is not cancelled: %s", page.body)
	}
}

// In a browser the list and a job are accessible, follow what happens without moving what is read, and are not live once
// the session has ended.
func TestConsoleJobsInABrowser(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	own := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", hostileText)
	for _, c := range b.lookers()[:2] {
		t.Run(c.who, func(t *testing.T) {
			w := b.lookingAt(t, "/console/jobs", "Jobs", c)
			w.accessible(t, "jobs")
			w.do(t, chromedp.WaitVisible("//span[text()='Live']"))
			fresh := b.madeJob(t, b.ownDomain(), "provision", "failed", "admin@own", "fresh")
			w.do(t, chromedp.WaitVisible("//button[text()='Show what is new']"))
			if ask(t, w, chromedp.Evaluate[bool](fmt.Sprintf("document.querySelector('[data-key=%q]') !== null", fresh))) {
				t.Error("a row came under the reader's eyes")
			}
			w.do(t, chromedp.Click("//button[text()='Show what is new']"), chromedp.WaitVisible(fmt.Sprintf("[data-key=%q]", fresh)))
			w.do(t, chromedp.Click("//button[text()='Pause']"), chromedp.WaitVisible("//span[text()='Paused']"))
			w.open(t, "/console/jobs/"+own)
			w.shows(t, "Job")
			w.accessible(t, "a job")
			w.do(t, chromedp.WaitVisible("//span[text()='Live']"))
			b.exec(t, "update trunkline.jobs set progress = '{\"done\": 7, \"unit\": \"rows\"}' where id = $1", own)
			w.do(t, chromedp.WaitVisible("//dd[text()='7 rows']"))
			b.exec(t, "update trunkline.jobs set progress = '{}' where id = $1", own)
			b.exec(t, "delete from trunkline.sessions")
			w.do(t, chromedp.WaitVisible("//span[starts-with(text(), 'Not live any more')]"))
			w.loadedNothingElse(t)
		})
	}
}

// Jobs are read without a script.
func TestConsoleJobsWithoutScripts(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	own := b.madeJob(t, b.ownDomain(), "export", "failed", "admin@own", "")
	w := b.openWindow(t, wide, false)
	w.withoutScripts(t)
	w.open(t, "/console/jobs?state=failed")
	w.signIn(t, b.sample.SuperadminName, b.sample.SuperadminPassword)
	w.do(t, chromedp.Click(fmt.Sprintf("[data-key=%q] a", own)), chromedp.WaitVisible("#timeline"))
}

// With many jobs the page is as small, and is there at once. The time is no condition: other tests run.
func TestConsoleJobsOfALargePBX(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, subject, body_hash, params, started_at, finished_at, error_code, error_message)
		select gen_random_uuid(), 'provision', 'failed', $1, gen_random_uuid(), 'somebody', n::text, '', '{}', now(), now(), 'timeout', repeat('x', 10000)
		from generate_series(1, 1000) n`, b.foreign().UUID)
	v := b.superadmin(t)
	began := time.Now()
	page := v.get(t, "/console/jobs?limit=50").want(t, http.StatusOK, "")
	t.Logf("%d bytes in %v", len(page.body), time.Since(began))
	if len(page.body) > 100_000 || !strings.Contains(page.body, "failed <strong>1000</strong>") {
		t.Errorf("%d bytes: %.3000s", len(page.body), page.body)
	}
}

// Queues are shown, paused and resumed by whoever is in charge of all domains, and workers with what they run.
func TestConsoleQueues(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", "")
	b.exec(t, `insert into trunkline.workers (id, name, shared, version, queue, slots) values (gen_random_uuid(), 'host:7', true, 'v1', 'export', 3)`)
	b.exec(t, `update trunkline.jobs set state = 'running', worker = 'host:7', heartbeat_at = now(), started_at = now() where id = $1`, id)
	v := b.superadmin(t)
	page := v.get(t, "/console/queues").want(t, http.StatusOK, "")
	if text := page.section("workers"); !strings.Contains(text, "host , process 7 v1") || !strings.Contains(page.body, "/console/jobs/"+id) {
		t.Errorf("workers: %s", text)
	}
	if got := v.post(t, "/console/queues/export/pause", "reason", hostileText); got.status != http.StatusSeeOther {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	page = v.get(t, "/console/queues")
	if !strings.Contains(page.section("queues"), "paused by "+b.sample.SuperadminName) || strings.Contains(page.body, "<script>alert") {
		t.Errorf("it is not paused: %s", page.body)
	}
	if got := v.post(t, "/console/queues/export/resume"); got.status != http.StatusSeeOther || strings.Contains(v.get(t, "/console/queues").section("queues"), "paused") {
		t.Errorf("it is not resumed: %d %s", got.status, got.body)
	}
	v.post(t, "/console/queues/export/pause").want(t, http.StatusBadRequest, "")
	v.post(t, "/console/queues/fax/pause", "reason", "none").want(t, http.StatusNotFound, "")
	admin := b.tenantAdmin(t)
	if page := admin.get(t, "/console/jobs"); strings.Contains(page.body, "/console/queues") {
		t.Error("a tenant's admin is led to the queues")
	}
	admin.get(t, "/console/queues").want(t, http.StatusForbidden, "")
	admin.get(t, "/console/jobs")
	admin.post(t, "/console/queues/export/pause", "reason", "mine").want(t, http.StatusForbidden, "")
	_, secret := b.issue(t, "reader", "read", "all_domains", "true")
	reader := b.visitor()
	reader.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
	if page := reader.get(t, "/console/queues").want(t, http.StatusOK, ""); strings.Contains(page.body, "/pause") {
		t.Error("who may only read is offered to pause")
	}
	reader.post(t, "/console/queues/export/pause", "reason", "mine").want(t, http.StatusForbidden, "")
	for _, width := range []int64{wide, narrow} {
		w := b.openWindow(t, width, width == narrow)
		w.open(t, "/console/queues")
		w.signIn(t, b.sample.SuperadminName, b.sample.SuperadminPassword)
		w.shows(t, "Queues")
		w.accessible(t, "queues")
		w.loadedNothingElse(t)
	}
}
