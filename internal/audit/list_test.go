package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/audit"
)

const (
	domainA = "dddddddd-0000-4000-8000-00000000000a"
	domainB = "dddddddd-0000-4000-8000-00000000000b"
)

func TestChange(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.Change(t.Context(), audit.Event{Who: "admin@a.example", Address: "192.0.2.1", Action: "token.revoke", Subject: "whmcs",
		DomainUUID: domainA, RequestID: "r-1", Detail: map[string]string{"reason": "left"}})
	got := b.list(t, audit.Filter{Kind: audit.KindChange})
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	e := got[0]
	if e.Who != "admin@a.example" || e.Address != "192.0.2.1" || e.Action != "token.revoke" || e.Subject != "whmcs" || e.DomainUUID != domainA ||
		e.RequestID != "r-1" || e.Times != 1 || string(e.Detail) != `{"reason":"left"}` {
		t.Errorf("got %+v", e)
	}
}

// Changes that are made at the same time are recorded together, and one that the database refuses keeps no other out.
func TestChangesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.exec(t, "alter table trunkline.audit add constraint theirs check (subject <> 'unwanted')")
	var callers sync.WaitGroup
	for i := range 20 {
		callers.Go(func() {
			subject := fmt.Sprint(i)
			if i == 7 {
				subject = "unwanted"
			}
			b.Change(t.Context(), audit.Event{Who: "admin", Action: "job.cancel", Subject: subject})
		})
	}
	callers.Wait()
	if got := b.list(t, audit.Filter{Kind: audit.KindChange}); len(got) != 19 {
		t.Errorf("got %d changes, want 19", len(got))
	}
	if log := b.log.String(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "unwanted") {
		t.Errorf("the log says %q", log)
	}
}

// A change that cannot be recorded has been made all the same: the log has it.
func TestChangeNotRecorded(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.exec(t, "drop table trunkline.audit")
	b.Change(t.Context(), audit.Event{Who: "admin", Action: "job.cancel", Subject: "a\nb"})
	if log := b.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "job.cancel") || strings.Count(log, "\n") != 1 {
		t.Errorf("the log says %q", log)
	}
}

// arranged are rows at fixed times: i minutes after noon.
func arranged(t *testing.T) (b *bundle, noon time.Time) {
	t.Helper()
	b = newBundle(t)
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, row := range []struct{ kind, address, who, action, code, domain string }{
		{"change", "192.0.2.1", "admin@a", "job.cancel", "", domainA},
		{"denial", "198.51.100.1", "root", "/v1/jobs", "authentication_failed", ""},
		{"change", "192.0.2.1", "admin@b", "job.retry", "", domainB},
		{"denial", "198.51.100.2", "", "/v1/jobs", "not_whitelisted", ""},
		{"denial", "192.0.2.1", "admin@a", "/v1/audit", "forbidden", domainA},
	} {
		at := noon.Add(time.Duration(i) * time.Minute)
		b.exec(t, `insert into trunkline.audit (id, kind, at, last_at, minute, address, who, action, code, domain_uuid)
			values (gen_random_uuid(), $1, $2, $3, case when $1 = 'denial' then $2::timestamptz end, $4, $5, $6, $7, nullif($8, '')::uuid)`,
			row.kind, at, at.Add(30*time.Second), row.address, row.who, row.action, row.code, row.domain)
	}
	return b, noon
}

func TestList(t *testing.T) {
	t.Parallel()
	b, noon := arranged(t)
	for name, tc := range map[string]struct {
		filter audit.Filter
		want   string // the minutes after noon
	}{
		"all":               {audit.Filter{}, "4 3 2 1 0"},
		"denials":           {audit.Filter{Kind: audit.KindDenial}, "4 3 1"},
		"changes":           {audit.Filter{Kind: audit.KindChange}, "2 0"},
		"an action":         {audit.Filter{Action: "/v1/jobs"}, "3 1"},
		"who":               {audit.Filter{Who: "admin@a"}, "4 0"},
		"an address":        {audit.Filter{Address: "192.0.2.1"}, "4 2 0"},
		"a code":            {audit.Filter{Code: "not_whitelisted"}, "3"},
		"since its last":    {audit.Filter{Since: new(noon.Add(3*time.Minute + 30*time.Second))}, "4 3"},
		"after its last":    {audit.Filter{Since: new(noon.Add(3*time.Minute + 31*time.Second))}, "4"},
		"until":             {audit.Filter{Until: new(noon.Add(2 * time.Minute))}, "1 0"},
		"a span":            {audit.Filter{Since: new(noon.Add(2 * time.Minute)), Until: new(noon.Add(4 * time.Minute))}, "3 2"},
		"one domain":        {audit.Filter{DomainUUIDs: []string{domainA}}, "4 0"},
		"two domains":       {audit.Filter{DomainUUIDs: []string{domainA, domainB}}, "4 2 0"},
		"no domain":         {audit.Filter{DomainUUIDs: []string{}}, ""},
		"two at once":       {audit.Filter{Who: "admin@a", Kind: audit.KindDenial}, "4"},
		"nothing":           {audit.Filter{Who: "nobody"}, ""},
		"text that is none": {audit.Filter{Who: "\x00\xff"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := minutesAfter(noon, b.list(t, tc.filter)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// minutesAfter words when the entries were, in whole minutes after noon.
func minutesAfter(noon time.Time, entries []audit.Entry) string {
	var minutes []string
	for _, e := range entries {
		minutes = append(minutes, string(rune('0'+int(e.At.Sub(noon)/time.Minute))))
	}
	return strings.Join(minutes, " ")
}

// Changes are found by the job or the gateway that their subject ends or begins with, whatever a gateway is called.
func TestListOfWhatItIsAbout(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const job, gateway = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
	for _, subject := range []string{
		"carrier, job " + job, "provision job " + job, "gateway " + gateway + " as s-1", "gateway " + gateway + " as s-2, job " + job,
		"carrier, job " + job + " and more", "of gateway " + gateway + " as s-1",
	} {
		b.Change(t.Context(), audit.Event{Who: "admin@a", Action: "gateway.test", Subject: subject, DomainUUID: domainA})
	}
	for name, c := range map[string]struct {
		filter audit.Filter
		want   int
	}{
		"a job":               {audit.Filter{About: []string{job}}, 3},
		"a gateway":           {audit.Filter{About: []string{gateway}}, 1},
		"both":                {audit.Filter{About: []string{gateway, job}}, 4},
		"with another one":    {audit.Filter{About: []string{job}, Action: "gateway.none"}, 0},
		"of another domain":   {audit.Filter{About: []string{job}, DomainUUIDs: []string{domainB}}, 0},
		"nothing of the kind": {audit.Filter{About: []string{domainA}}, 0},
	} {
		if got := len(b.list(t, c.filter)); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b, noon := arranged(t)
	b.exec(t, "update trunkline.audit set at = $1 where at < $1::timestamptz + interval '150 seconds'", noon) // three at once
	var all []string
	after, pages := "", 0
	for {
		entries, next, err := b.List(t.Context(), audit.Filter{Limit: 2, After: after})
		must(t, err)
		for _, e := range entries {
			all = append(all, e.ID)
		}
		pages++
		if after = next; after == "" {
			break
		}
	}
	slices.Sort(all)
	if got := len(slices.Compact(all)); got != 5 || pages != 3 {
		t.Errorf("got %d entries on %d pages, want 5 on 3", got, pages)
	}
	// The pages after one whose last entry was pruned in between are older still, and gone with it.
	entries, next, err := b.List(t.Context(), audit.Filter{Limit: 2, After: domainA})
	must(t, err)
	if len(entries) != 0 || next != "" {
		t.Errorf("got %v %q", entries, next)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.exec(t, `insert into trunkline.audit (id, kind, at, last_at, address, who, action)
		select gen_random_uuid(), 'change', now() - make_interval(hours => h), now(), '', '', 'old' from generate_series(1, 25000) h`)
	got, err := b.Prune(t.Context(), 100*time.Hour+time.Minute)
	must(t, err)
	if left := b.count(t, "select count(*) from trunkline.audit"); got != 24900 || left != 100 {
		t.Errorf("deleted %d and left %d, want 24900 and 100", got, left)
	}
}
