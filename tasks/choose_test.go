package tasks_test

import (
	"fmt"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// What can be changed is what is chosen: neither what has ended, nor what was asked to stop, nor what lacks the secrets
// that it would need.
func TestChoose(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	stopping, queued, failed, wiped := b.submit(t, b.export("stopping")), b.submit(t, b.export("queued")), b.submit(t, request(b.keys, "failed")), b.submit(t, request(b.keys, "wiped"))
	b.claim(t, stopping)
	_, err := b.Cancel(t.Context(), stopping.ID, tenant.All)
	must(t, err)
	must(t, b.claim(t, failed).Fail(t.Context(), fault.Errorf(fault.Conflict, "two of them")))
	_, err = b.Cancel(t.Context(), wiped.ID, tenant.All)
	must(t, err)
	later := b.submit(t, b.export("later"))
	for _, c := range []struct {
		name     string
		change   tasks.Change
		f        tasks.Filter
		most     int
		matching int
		want     []tasks.Job
	}{
		{"the newest first", tasks.ChangeCancel, tasks.Filter{Domains: tenant.All}, 10, 2, []tasks.Job{later, queued}},
		{"some of them", tasks.ChangeCancel, tasks.Filter{Domains: tenant.All}, 1, 2, []tasks.Job{later}},
		{"a page does not matter", tasks.ChangeCancel, tasks.Filter{Domains: tenant.All, After: queued.ID}, 10, 2, []tasks.Job{later, queued}},
		{"some ids", tasks.ChangeCancel, tasks.Filter{Domains: tenant.All, IDs: []string{queued.ID, failed.ID}}, 10, 1, []tasks.Job{queued}},
		{"of kinds", tasks.ChangeCancel, tasks.Filter{Domains: tenant.All, Kinds: []tasks.Kind{tasks.KindProvision}}, 10, 0, nil},
		{"of another domain", tasks.ChangeCancel, tasks.Filter{Domains: tenant.Only(tenant.Domain{UUID: domainB})}, 10, 0, nil},
		{"with its secrets", tasks.ChangeRetry, tasks.Filter{Domains: tenant.All}, 10, 1, []tasks.Job{failed}},
	} {
		jobs, matching, more, err := b.Choose(t.Context(), c.change, c.f, c.most)
		must(t, err)
		got, want := "", ""
		for _, job := range jobs {
			got += " " + job.ID
		}
		for _, job := range c.want {
			want += " " + job.ID
		}
		if got != want || matching != c.matching || more {
			t.Errorf("%s: got%s, %d, %t; want%s, %d", c.name, got, matching, more, want, c.matching)
		}
	}
	// What neither was counted nor taken is told of.
	b.exec(t, fmt.Sprintf(`insert into trunkline.jobs (id, kind, state, created_by, created_by_name, subject, body_hash, params)
		select gen_random_uuid(), 'export', 'queued', gen_random_uuid(), 'somebody', n::text, '', '{}' from generate_series(1, %d) n`, 20_000))
	jobs, matching, more, err := b.Choose(t.Context(), tasks.ChangeCancel, tasks.Filter{Domains: tenant.All}, 5)
	if err != nil || len(jobs) != 5 || matching != 20_000 || !more {
		t.Errorf("got %d of %d, more %t, %v", len(jobs), matching, more, err)
	}
}
