package api_test

import (
	"encoding/xml"
	"errors"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest/sample"
)

// section is the part of a page under the heading of that id, "" if there is none.
func (a answer) section(id string) string {
	_, rest, found := strings.Cut(a.body, `<section aria-labelledby="`+id+`"`)
	if !found {
		return ""
	}
	_, rest, _ = strings.Cut(rest, ">")
	text, _, _ := strings.Cut(rest, "</section>")
	return html.UnescapeString(strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, " ")), " "))
}

func TestConsoleOverview(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 10})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("first", "tenant_domain", b.sample.AdminDomain)})).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("second", "tenant_domain", b.foreign().Name)})).want(t, http.StatusOK, "")
	b.exec(t, `insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, subject, body_hash, params, error_code, error_message, started_at, finished_at)
		select gen_random_uuid(), 'export', 'failed', $1, gen_random_uuid(), 'somebody', n::text, '', '{}', 'timeout', 'too long', now() - interval '3 hours', now() - n * interval '10 hours'
		from generate_series(1, 3) n`, b.foreign().UUID)
	// It was let in, and its task is on its way and never comes: no worker may have it before it is looked at.
	b.exec(t, `insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, subject, body_hash, params, queued_at, admitted_at, dispatched_at)
		values (gen_random_uuid(), 'bulk', 'queued', $1, gen_random_uuid(), '<b>waits</b>', 'w', '', '{}', now() - interval '2 hours', now(), now())`, b.foreign().UUID)
	const hostile = `<script>alert("who")</script>`
	b.exec(t, `insert into trunkline.audit (id, kind, address, who, action, code, minute) values (gen_random_uuid(), 'denial', '198.51.100.7', $1, 'getStatus', 'authentication_failed', now())`, hostile)

	root, admin := b.superadmin(t), b.tenantAdmin(t)
	page := root.get(t, "/console").want(t, http.StatusOK, "")
	if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<b>waits") {
		t.Errorf("what somebody wrote is not inert: %s", page.body)
	}
	for id, words := range map[string][]string{
		"health":   {"database works", "redis works", "whitelist works", "workers works", "switch " + b.switches[0].Addr() + " works"},
		"pbx":      {"Calls", "Registrations at " + b.switches[0].Addr()},
		"gateways": {"DISABLED off 1"},
		"jobs":     {"provision 2 0 0 0 2", "export 0 0 2 0 2", "all 2 0 2 0 4", "oldest is a job of kind bulk by <b>waits</b>"},
		"failing":  {"None."},
		"denied":   {hostile, "198.51.100.7", "authentication_failed"},
		"disk":     {"are free in " + b.options.Settings.ExportDir},
	} {
		for _, word := range words {
			if !strings.Contains(page.section(id), word) {
				t.Errorf("%s lacks %q: %s", id, word, page.section(id))
			}
		}
	}
	own := admin.get(t, "/console").want(t, http.StatusOK, "")
	for id, words := range map[string][]string{"jobs": {"provision 1 0 0 0 1", "all 1 0 0 0 1", "No job waits"}, "denied": {"None."}, "health": {"Everything works."}} {
		for _, word := range words {
			if !strings.Contains(own.section(id), word) {
				t.Errorf("a tenant's admin: %s lacks %q: %s", id, word, own.section(id))
			}
		}
	}
	for _, word := range []string{b.foreign().Name, b.switches[0].Addr(), "198.51.100.7", "&lt;b&gt;waits", b.options.Settings.ExportDir} {
		if strings.Contains(own.body, word) {
			t.Errorf("a tenant's admin sees %q", word)
		}
	}
	for _, v := range []*visitor{root, admin} {
		for _, theme := range []string{"light", "dark"} {
			got := v.get(t, "/console/charts/jobs.svg?theme="+theme).want(t, http.StatusOK, "")
			if got.header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(got.body, "<svg") {
				t.Errorf("%s: got %v %.100s", theme, got.header, got.body)
			}
			for d := xml.NewDecoder(strings.NewReader(got.body)); ; {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", theme, err)
				}
			}
		}
	}
	if got := root.get(t, "/console/charts/jobs.svg?theme=pink"); got.status != http.StatusBadRequest {
		t.Errorf("got %d", got.status)
	}
}

// foreign is a domain that is not the tenant's admin's.
func (b *bundle) foreign() sample.Domain {
	for _, d := range b.sample.Domains {
		if d.Name != b.sample.AdminDomain {
			return d
		}
	}
	panic("there is one domain")
}

// What is wrong is said in words, with what to do; the rest of the page is there.
func TestConsoleOverviewSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	v := b.superadmin(t)
	must(t, b.switches[0].Close())
	page := v.get(t, "/console").want(t, http.StatusOK, "")
	for id, words := range map[string][]string{
		"health": {"Something does not work.", "Look whether FreeSWITCH runs", "no worker runs", "Start trunkline worker"},
		"pbx":    {b.switches[0].Addr()},
		"jobs":   {"None has ended."},
	} {
		for _, word := range words {
			if !strings.Contains(page.section(id), word) {
				t.Errorf("%s lacks %q: %s", id, word, page.section(id))
			}
		}
	}
	if own := b.tenantAdmin(t).get(t, "/console"); !strings.Contains(own.section("health"), "Ask who runs this PBX") || strings.Contains(own.section("health"), b.switches[0].Addr()) {
		t.Errorf("a tenant's admin: %s", own.section("health"))
	}
}

// A token without a scope does not see here what it does not see at /v1.
func TestConsoleOverviewByScope(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for scopes, sees := range map[string]string{
		"read": "health pbx gateways jobs", "provision": "health", "export": "health failing disk", "admin": "health denied",
	} {
		_, secret := b.issue(t, scopes, scopes, "all_domains", "true")
		v := b.visitor()
		v.post(t, "/console/sign-in", "token", secret).want(t, http.StatusSeeOther, "")
		page := v.get(t, "/console").want(t, http.StatusOK, "")
		var shown []string
		for _, id := range []string{"health", "pbx", "gateways", "jobs", "failing", "denied", "disk"} {
			if page.section(id) != "" {
				shown = append(shown, id)
			}
		}
		if got := strings.Join(shown, " "); got != sees {
			t.Errorf("%s: sees %s, want %s", scopes, got, sees)
		}
		if status := v.get(t, "/console/charts/jobs.svg?theme=dark").status; (status == http.StatusOK) != (scopes == "read") {
			t.Errorf("%s: the chart is answered with %d", scopes, status)
		}
	}
}

// With many jobs and gateways the page is as small, and is there at once. The time is no condition: other tests run.
func TestConsoleOverviewOfALargePBX(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, "alter table trunkline.jobs disable trigger user") // which count each job
	b.exec(t, `insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, subject, body_hash, params, started_at, finished_at, result)
		select gen_random_uuid(), 'provision', 'succeeded', $1, gen_random_uuid(), 'somebody', n::text, '', '{}', now(), now() - n * interval '1 second', '{}'
		from generate_series(1, 100000) n`, b.foreign().UUID)
	b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, profile, enabled) select gen_random_uuid(), $1, 'many' || n, 'external', true from generate_series(1, 10000) n`, b.foreign().UUID)
	b.exec(t, `insert into trunkline.gateway_states (gateway_uuid, switch, state, status, since) select gateway_uuid, 'one', 'REGED', 'UP', now() from v_gateways`)
	b.exec(t, "analyze trunkline.jobs")
	v := b.superadmin(t)
	for i := range 3 {
		began := time.Now()
		page := v.get(t, "/console").want(t, http.StatusOK, "")
		t.Logf("page %d: %d bytes in %v", i, len(page.body), time.Since(began))
		if len(page.body) > 100_000 || !strings.Contains(page.section("gateways"), "REGED up 100") {
			t.Errorf("%d bytes: %s", len(page.body), page.section("gateways"))
		}
	}
}
