package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/pbxtest/sample"
)

// chosen is the answer about many jobs.
type chosen struct {
	DryRun       bool `json:"dry_run"`
	Matching     int  `json:"matching"`
	MatchingMore bool `json:"matching_more"`
	Changed      int  `json:"changed"`
	Skipped      int  `json:"skipped"`
	Jobs         []struct {
		JobID   string `json:"job_id"`
		State   string `json:"state"`
		Changed bool   `json:"changed"`
		Error   *struct {
			Code string `json:"code"`
		} `json:"error"`
	} `json:"jobs"`
}

// words is what became of the job.
func (c chosen) words(id string) string {
	for _, job := range c.Jobs {
		switch {
		case job.JobID != id:
		case job.Error != nil:
			return job.Error.Code
		default:
			return fmt.Sprintf("%s %t", job.State, job.Changed)
		}
	}
	return "not taken"
}

func (b *bundle) act(t *testing.T, as func(call) call, pairs ...string) (c chosen) {
	t.Helper()
	got := b.do(t, as(call{path: "/v1/jobs/actions", form: form(pairs...)})).want(t, http.StatusOK, "")
	must(t, json.Unmarshal([]byte(got.body), &c))
	return c
}

func (b *bundle) state(t *testing.T, id string) string {
	t.Helper()
	var state string
	must(t, b.pool.QueryRow(t.Context(), "select state from trunkline.jobs where id = $1", id).Scan(&state))
	return state
}

// madeBy has the job be asked for by the sample's admin, whose it is then to change.
func (b *bundle) madeBy(t *testing.T, name string, ids ...string) {
	t.Helper()
	b.exec(t, "update trunkline.jobs set created_by = (select user_uuid from v_users where username = $1 limit 1) where id = any($2::uuid[])", name, ids)
}

// Each of many jobs is judged by itself, and one that cannot be changed keeps no other from it.
func TestManyJobsByTheirIDs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	own := b.ownDomain()
	queued := b.madeJob(t, own, "export", "queued", "admin@own", "")
	running := b.madeRunning(t, own)
	ended := b.madeJob(t, own, "export", "failed", "admin@own", "")
	theirs := b.madeJob(t, b.foreign(), "export", "queued", "other@other", "")
	decided := b.madeJob(t, own, "export", "queued", "root@own", "")
	admin, _, _ := strings.Cut(b.sample.AdminName, "@")
	b.madeBy(t, admin, queued, running, ended, theirs)
	ids := strings.Join([]string{queued, running, ended, theirs, decided, noID, strings.ToUpper(queued)}, ",")
	wants := func(got chosen, states map[string]string) {
		t.Helper()
		for id, want := range states {
			if words := got.words(id); words != want {
				t.Errorf("%s: got %q, want %q", id, words, want)
			}
		}
		if got.Changed != 2 || got.Skipped != 4 || len(got.Jobs) != 6 || got.Matching != 3 || got.MatchingMore {
			t.Errorf("got %+v", got)
		}
	}
	left := map[string]string{ended: "job_state", theirs: "not_found", decided: "forbidden", noID: "not_found"}
	got := b.act(t, b.asAdmin, "action", "cancel", "ids", ids, "dry_run", "true")
	wants(got, left)
	if got.words(queued) != "queued true" || b.state(t, queued) != "queued" || !got.DryRun {
		t.Errorf("a dry run: %+v", got)
	}
	got = b.act(t, b.asAdmin, "action", "cancel", "ids", ids)
	wants(got, left)
	if got.words(queued) != "cancelled true" || got.words(running) != "running true" || b.state(t, queued) != "cancelled" || b.state(t, theirs) != "queued" || b.state(t, decided) != "queued" {
		t.Errorf("cancelling: %+v", got)
	}
	audit := b.do(t, b.asSuperadmin(call{path: "/v1/audit?limit=10"})).want(t, http.StatusOK, "").body
	if strings.Count(audit, `"job.cancel"`) != 2 || !strings.Contains(audit, queued) {
		t.Errorf("the audit: %s", audit)
	}
	got = b.act(t, b.asAdmin, "action", "retry", "ids", strings.Join([]string{queued, ended, theirs}, ","))
	if got.Changed != 2 || b.state(t, queued) != "queued" || b.state(t, ended) != "queued" || got.words(theirs) != "not_found" {
		t.Errorf("retrying: %+v", got)
	}
}

// madeRunning puts a job of the domain into the database that a worker runs.
func (b *bundle) madeRunning(t *testing.T, d sample.Domain) string {
	t.Helper()
	id := b.madeJob(t, d, "export", "queued", "admin@own", "")
	b.exec(t, "update trunkline.jobs set state = 'running', attempt = 1, heartbeat_at = now() + interval '1 day', started_at = now() where id = $1", id)
	return id
}

// By a filter a caller changes those of its domains and of the kinds that it may, up to so many.
func TestManyJobsByAFilter(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	own := b.madeJob(t, b.ownDomain(), "export", "queued", "admin@own", "")
	provision := b.madeJob(t, b.ownDomain(), "provision", "queued", "admin@own", "")
	theirs := b.madeJob(t, b.foreign(), "export", "queued", "other@other", "")
	admin, _, _ := strings.Cut(b.sample.AdminName, "@")
	b.madeBy(t, admin, own, provision, theirs)
	both := b.token(t, "both", "read,export", b.sample.AdminDomain)
	if got := b.act(t, b.token(t, "both-all", "read,export"), "action", "cancel", "all", "true", "dry_run", "true"); got.Changed != 2 || got.words(provision) != "not taken" {
		t.Errorf("of all domains: %+v", got)
	}
	if got := b.act(t, both, "action", "cancel", "state", "queued"); got.Matching != 1 || got.words(own) != "cancelled true" || b.state(t, provision) != "queued" || b.state(t, theirs) != "queued" {
		t.Errorf("of the domain: %+v", got)
	}
	if got := b.act(t, both, "action", "cancel", "state", "succeeded"); got.Matching != 0 || got.Jobs == nil {
		t.Errorf("of those that have ended: %+v", got)
	}
	for who, c := range map[string]struct {
		as     func(call) call
		status int
		code   string
		pairs  []string
	}{
		"who may only read":               {b.token(t, "reads", "read"), 403, "forbidden", []string{"action", "cancel", "all", "true"}},
		"who may not read":                {b.token(t, "exports", "export"), 403, "forbidden", []string{"action", "cancel", "all", "true"}},
		"a domain that is another's":      {both, 403, "forbidden", []string{"action", "cancel", "tenant_domain", b.foreign().Name}},
		"no action":                       {both, 400, "missing_parameters", []string{"all", "true"}},
		"an unknown action":               {both, 400, "invalid_request", []string{"action", "delete", "all", "true"}},
		"no jobs":                         {both, 400, "missing_parameters", []string{"action", "cancel"}},
		"a list that came out empty":      {both, 400, "missing_parameters", []string{"action", "cancel", "ids", ""}},
		"a filter that came out empty":    {both, 400, "missing_parameters", []string{"action", "cancel", "state", ""}},
		"ids and a filter":                {both, 400, "invalid_request", []string{"action", "cancel", "ids", own, "state", "queued"}},
		"ids and all":                     {both, 400, "invalid_request", []string{"action", "cancel", "ids", own, "all", "true"}},
		"what is no id":                   {both, 400, "invalid_request", []string{"action", "cancel", "ids", own + ",x"}},
		"too many ids":                    {both, 413, "too_large", []string{"action", "cancel", "ids", strings.Repeat(own+",", 501)}},
		"a text without its span of time": {both, 400, "invalid_request", []string{"action", "cancel", "text", "a"}},
	} {
		if got := b.do(t, c.as(call{path: "/v1/jobs/actions", form: form(c.pairs...)})); got.status != c.status || got.text(t, "code") != c.code {
			t.Errorf("%s: got %d %s", who, got.status, got.body)
		}
	}
	if got := b.act(t, b.token(t, "exports-2", "export"), "action", "cancel", "ids", provision+","+theirs); got.words(provision) != "forbidden" || got.words(theirs) != "cancelled true" {
		t.Errorf("by ids, of a kind that the token is not for: %+v", got)
	}
}

// More than one request takes are taken in their order, and the answer says how many there are.
func TestMoreJobsThanOneRequestChanges(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, subject, body_hash, params, started_at, finished_at, error_code, error_message)
		select ('019bc1a5-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'export', 'failed', $1, gen_random_uuid(), 'somebody', n::text, '', '{}', now(), now(), 'timeout', 'late'
		from generate_series(1, 503) n`, b.foreign().UUID)
	got := b.act(t, b.asSuperadmin, "action", "retry", "kind", "export", "dry_run", "true")
	if got.Matching != 503 || got.Changed != 500 || got.Jobs[0].JobID != "019bc1a5-0000-7000-8000-000000000001" {
		t.Fatalf("got %d of %d, %+v", got.Changed, got.Matching, got.Jobs[:1])
	}
	if got = b.act(t, b.asSuperadmin, "action", "retry", "kind", "export"); got.Changed != 500 {
		t.Fatalf("got %d of %d, %+v", got.Changed, got.Matching, got.Jobs[:1])
	}
	var inOrder bool
	must(t, b.pool.QueryRow(t.Context(), `select bool_and(rises) from (select turn > coalesce(lag(turn) over (order by id), 0) as rises from trunkline.jobs where state = 'queued') turns`).Scan(&inOrder))
	if !inOrder {
		t.Error("they do not take their turns in the order in which they were asked for")
	}
	if got = b.act(t, b.asSuperadmin, "action", "retry", "all", "true"); got.Matching != 3 || got.Changed != 3 {
		t.Errorf("the rest: %d of %d", got.Changed, got.Matching)
	}
}
