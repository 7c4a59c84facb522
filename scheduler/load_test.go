package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
	"trunkline/internal/schedule/store"
)

// Many windows of many domains are begun by transactions of which each makes few jobs, and schedules take turns.
func TestManyWindowsOfManyDomains(t *testing.T) {
	t.Parallel()
	const schedules, domains = 3, 450
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := newPlan(t, begin)
	_, err := p.Pool.Exec(t.Context(), `insert into v_domains (domain_uuid, domain_name, domain_enabled)
		select gen_random_uuid(), 'd' || i || '.example', true from generate_series(1, $1::integer) as i`, domains-len(p.Sample.Domains))
	must(t, err)
	for i := range schedules {
		d := daily("UTC")
		d.Name, d.EachDomain = fmt.Sprint("each ", i), true
		p.create(t, d)
	}
	p.set(begin.AddDate(0, 0, 3))
	p.look(t)
	type transaction struct{ Jobs, Schedules int }
	made, err := postgres.Rows(t.Context(), p.Pool, "looking at jobs", pgx.RowToStructByPos[transaction],
		"select count(*), count(distinct created_by) from trunkline.jobs where kind = 'export' group by created_at order by created_at")
	must(t, err)
	total := 0
	for _, of := range made {
		if total += of.Jobs; of.Jobs > 1000 {
			t.Errorf("one transaction made %d jobs", of.Jobs)
		}
	}
	if total != schedules*3*domains || made[0].Schedules != 2 {
		t.Errorf("%v jobs and schedules were begun together; want %d jobs, and at first two schedules' in turn", made, schedules*3*domains)
	}
	if counts, err := p.store.Counts(t.Context(), p.now()); err != nil || counts != (store.Counts{Enabled: schedules, Running: schedules * 3}) {
		t.Errorf("counted %+v: %v", counts, err)
	}
}
