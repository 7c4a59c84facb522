package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
)

// A database that was in use before jobs were counted by a trigger: what has ended is not counted again,
// what ends from now on is, each job once, however many one statement ends.
func TestJobsAreCountedFromVersion3(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), open(t)
	exec(t, pool, "create schema trunkline")
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { must(t, db.Close()) })
	provider, err := newProvider(db)
	must(t, err)
	_, err = provider.UpTo(ctx, 2)
	must(t, err)
	exec(t, pool, `
		insert into trunkline.jobs (id, kind, state, created_by, created_by_name, subject, body_hash, params, error_code, error_message,
			heartbeat_at, started_at, finished_at)
		select gen_random_uuid(), 'provision', case when ended then 'failed' else 'running' end, gen_random_uuid(), 'alice', n::text, '', '{}',
			case when ended then 'timeout' end, case when ended then 'too long' end, now(), now() - interval '5 s', case when ended then now() end
		from generate_series(1, 6) n, lateral (select n <= 2 as ended) e`)
	exec(t, pool, "insert into trunkline.job_totals values ('provision', 'failed', 'timeout', 3, 2, 0, 0, 10)")
	_, err = Migrate(ctx, pool)
	must(t, err)

	want := func(when string, jobs int) {
		t.Helper()
		var got, seconds int
		must(t, pool.QueryRow(ctx, "select sum(jobs)::int, sum(seconds)::int from trunkline.job_totals").Scan(&got, &seconds))
		if got != jobs || seconds != 5*jobs {
			t.Errorf("%s: %d jobs of %d seconds are counted, want %d of %d", when, got, seconds, jobs, 5*jobs)
		}
	}
	want("at first", 2)
	exec(t, pool, `
		update trunkline.jobs set state = 'failed', error_code = 'timeout', error_message = '', finished_at = started_at + interval '5 s'
		where state = 'running'`)
	want("four at once", 6)
	exec(t, pool, "update trunkline.jobs set finished_at = finished_at - interval '31 days', sealed = null")
	want("their time is changed", 6)
	exec(t, pool, "delete from trunkline.jobs")
	want("they are deleted", 6)
	_, err = provider.DownTo(ctx, 2)
	must(t, err)
	want("back to version 2", 6)
	_, err = provider.Up(ctx)
	must(t, err)
}
