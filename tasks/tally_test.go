package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// sameCounts fails the test unless the figures are what counting gives, by kind, state and domain.
func (b *bundle) sameCounts(t *testing.T, when string) {
	t.Helper()
	off, err := postgres.Rows(t.Context(), b.pool, "comparing", pgx.RowTo[string], `
		select format('%s %s %s %s: %s more than counted', kind, state, domain_uuid, domains, sum(jobs)) from (
			select kind, state, domain_uuid, case when domain_uuid is null then domains else '{}' end as domains, -count(*) as jobs from trunkline.jobs group by 1, 2, 3, 4
			union all select kind, state, domain_uuid, domains, jobs from trunkline.job_counts) as both_ways
		group by kind, state, domain_uuid, domains having sum(jobs) <> 0`)
	must(t, err)
	if len(off) > 0 {
		t.Errorf("%s: %q", when, off)
	}
}

// tally words the figures: "kind state jobs".
func (b *bundle) tally(t *testing.T, domains tenant.Domains, noDomain bool) string {
	t.Helper()
	found, err := b.Tally(t.Context(), domains, noDomain)
	must(t, err)
	return fmt.Sprint(found)
}

// Jobs are made, moved between states and domains, and deleted, by many at once, and each change is rolled back as often as
// not, while sweeps fold the figures: at each look and in the end they are what counting gives.
func TestTallyIsWhatCountingGives(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const jobs, writers, rounds = 40, 8, 120
	for i := range jobs {
		b.submit(t, elsewhere(request(b.keys, fmt.Sprint(i))))
	}
	changes := []string{
		`update trunkline.jobs set state = 'running', heartbeat_at = now() where id = any($1) and state = 'queued'`,
		`update trunkline.jobs set state = 'queued' where id = any($1) and state = 'running'`,
		`update trunkline.jobs set state = 'failed', error_code = 'timeout', error_message = '', finished_at = now() where id = any($1) and finished_at is null`,
		`update trunkline.jobs set state = 'succeeded', result = '{}', finished_at = now() where id = any($1) and state = 'running'`,
		`update trunkline.jobs set state = 'queued', error_code = null, error_message = null, result = null, finished_at = null where id = any($1) and finished_at is not null`,
		`update trunkline.jobs set domain_uuid = case when domain_uuid is null then '` + domainA + `'::uuid end, domains = '{x,y}' where id = any($1)`,
		`delete from trunkline.jobs where id = any($1)`,
		`insert into trunkline.jobs (id, kind, state, created_by, created_by_name, subject, body_hash, params)
			select gen_random_uuid(), 'export', 'queued', id, '', '', '', '{}' from unnest($1::uuid[]) as id`,
	}
	undone := errors.New("undone")
	change := func(ctx context.Context, r *rand.Rand) error {
		return pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
			for range 1 + r.IntN(3) {
				// Jobs that another one changes are left to it, so that none waits.
				var ids []string
				err := tx.QueryRow(ctx, `select coalesce(array_agg(id::text), '{}') from (
					select id from trunkline.jobs where hashtext(id::text) % 9 = $1 order by id limit $2 for update skip locked) as picked`,
					r.IntN(9), 1+r.IntN(6)).Scan(&ids)
				if err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, changes[r.IntN(len(changes))], ids); err != nil {
					return err
				}
			}
			if r.IntN(2) == 0 {
				return undone
			}
			return nil
		})
	}
	var writing, sweeping sync.WaitGroup
	stop := make(chan struct{})
	sweeping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := b.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			b.sameCounts(t, "meanwhile")
		}
	})
	for n := range writers {
		writing.Go(func() {
			r := rand.New(rand.NewPCG(uint64(n), 12))
			for range rounds {
				if err := change(t.Context(), r); err != nil && !errors.Is(err, undone) {
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	sweeping.Wait()
	b.sameCounts(t, "in the end")
	b.exec(t, "truncate trunkline.jobs cascade")
	b.sameCounts(t, "emptied")
}

func TestTallyBelongsToDomains(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	inA, inB, global, many := request(b.keys, "a"), request(b.keys, "b"), request(b.keys, "g"), request(b.keys, "m")
	inB.DomainUUID, global.DomainUUID, many.DomainUUID = domainB, "", ""
	many.Kind, many.Items, many.Domains = tasks.KindBulk, []tasks.NewItem{{Params: struct{}{}}}, []string{domainA, domainB}
	for _, n := range []tasks.NewJob{inA, inB, global, many} {
		b.submit(t, elsewhere(n))
	}
	must(t, b.claim(t, b.submit(t, b.export("one"))).Fail(t.Context(), fault.Errorf(fault.Timeout, "too long")))
	onlyA := tenant.Only(tenant.Domain{UUID: domainA})
	both := tenant.Only(tenant.Domain{UUID: domainA}, tenant.Domain{UUID: domainB})
	for _, c := range []struct {
		name     string
		domains  tenant.Domains
		noDomain bool
		want     string
	}{
		{"all", tenant.All, false, "[{bulk queued 1} {export failed 1} {provision queued 3}]"},
		{"of none", tenant.All, true, "[{bulk queued 1} {provision queued 1}]"},
		{"one domain", onlyA, false, "[{export failed 1} {provision queued 1}]"},
		{"both, and what is about both", both, false, "[{bulk queued 1} {export failed 1} {provision queued 2}]"},
		{"none", tenant.Domains{}, false, "[]"},
	} {
		if got := b.tally(t, c.domains, c.noDomain); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// Pruning counts what it deletes, and rows that were loaded without triggers, as a restore of data alone does, are counted
// by the first sweep of a process.
func TestTallyAfterPruningAndRestore(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for i := range 3 {
		must(t, b.claim(t, b.submit(t, b.export(fmt.Sprint(i)))).Succeed(t.Context(), exportOf3, tasks.Progress{}))
	}
	b.exec(t, `alter table trunkline.jobs disable trigger user`)
	b.exec(t, `update trunkline.jobs set domain_uuid = null`)
	b.exec(t, `alter table trunkline.jobs enable trigger user`)
	b.exec(t, "update trunkline.jobs set finished_at = now() - interval '31 days' where id = (select id from trunkline.jobs limit 1)")
	report, err := b.Sweep(t.Context())
	must(t, err)
	if report.Deleted != 1 {
		t.Fatalf("got %+v, want one row deleted", report)
	}
	b.sameCounts(t, "pruned and restored")
	if got, want := b.tally(t, tenant.All, true), "[{export succeeded 2}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// However many changes there were, few rows are left to sum up.
func TestTallyStaysSmall(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.exec(t, `
		insert into trunkline.jobs (id, kind, state, created_by, created_by_name, subject, body_hash, params, result, finished_at)
		select gen_random_uuid(), 'export', 'succeeded', gen_random_uuid(), '', '', '', '{}', '{}', now() from generate_series(1, 3000)`)
	_, err := b.Sweep(t.Context())
	must(t, err)
	rows, err := postgres.Value[int](t.Context(), b.pool, "counting", "select count(*) from trunkline.job_counts")
	must(t, err)
	if rows != 1 {
		t.Errorf("%d rows are left, want 1", rows)
	}
	b.sameCounts(t, "folded")
}
