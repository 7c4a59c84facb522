package postgres

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// openAt is a database whose schema is that of an earlier version.
func openAt(t *testing.T, version int64) (*pgxpool.Pool, *goose.Provider) {
	t.Helper()
	pool := open(t)
	exec(t, pool, "create schema trunkline")
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { must(t, db.Close()) })
	provider, err := newProvider(db)
	must(t, err)
	_, err = provider.UpTo(t.Context(), version)
	must(t, err)
	return pool, provider
}

// A database that was in use before jobs were counted by a trigger: what has ended is not counted again,
// what ends from now on is, each job once, however many one statement ends.
func TestJobsAreCountedFromVersion3(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool, provider := openAt(t, 2)
	exec(t, pool, `
		insert into trunkline.jobs (id, kind, state, created_by, created_by_name, subject, body_hash, params, error_code, error_message,
			heartbeat_at, started_at, finished_at)
		select gen_random_uuid(), 'provision', case when ended then 'failed' else 'running' end, gen_random_uuid(), 'alice', n::text, '', '{}',
			case when ended then 'timeout' end, case when ended then 'too long' end, now(), now() - interval '5 s', case when ended then now() end
		from generate_series(1, 6) n, lateral (select n <= 2 as ended) e`)
	exec(t, pool, "insert into trunkline.job_totals values ('provision', 'failed', 'timeout', 3, 2, 0, 0, 10)")
	_, err := Migrate(ctx, pool)
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

// Tokens that were there before they knew who made them: each finds its creator among those that had the name at
// that time, and ends with it.
func TestTokensFindTheirParents(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool, provider := openAt(t, 3)
	// id, name, by, made, ends and revoked in days from now; 0 of the latter two is never.
	exec(t, pool, `
		insert into trunkline.tokens (id, name, sha256, hint, scopes, all_domains, created_by, created_at, expires_at, revoked_at)
		select ('00000000-0000-7000-8000-00000000000' || n)::uuid, name, n::text::bytea, '', '{read}', true, by, now() + made * interval '1 day',
			now() + nullif(ends, 0) * interval '1 day', now() + nullif(revoked, 0) * interval '1 day'
		from (values
			(1, 'admin', 'cli:root', -9, 5, -7), (2, 'Admin', 'boss@one.example', -6, 9, 0), (3, 'admin', 'root@one.example', -6, 0, -5),
			(4, 'of the first', 'token:admin', -8, 0, 0), (5, 'of the second', 'token:Admin', -5, 30, 0), (6, 'of that', 'token:of the second', -1, 3, 0),
			(7, 'of nobody', 'token:gone', -5, 0, 0)) as t (n, name, by, made, ends, revoked)`)
	_, err := Migrate(ctx, pool)
	must(t, err)
	for id, want := range map[int]string{
		1: " cli 5", 2: " boss@one.example 9", 3: " root@one.example never", 4: "1 cli 5", 5: "2 boss@one.example 9", 6: "5 boss@one.example 3", 7: " token:gone never",
	} {
		var got string
		must(t, pool.QueryRow(ctx, `
			select coalesce(right(parent::text, 1), '') || ' ' || owner || ' ' || coalesce(round(extract(epoch from expires_at - now()) / 86400)::text, 'never')
			from trunkline.tokens where right(id::text, 1) = $1::text`, fmt.Sprint(id)).Scan(&got))
		if got != want {
			t.Errorf("token %d: got %q, want %q", id, got, want)
		}
	}
	exec(t, pool, "update trunkline.tokens set revoked_at = null, name = 'Admin' where created_by like '%one%'") // names that are one owner's now
	_, err = provider.DownTo(ctx, 3)
	must(t, err)
	_, err = provider.Up(ctx)
	must(t, err)
}

// A database that was in use before jobs were counted as they stand: those that are there are counted, and each change from
// now on.
func TestJobsThatAreThereAreCountedFromVersion25(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	pool, provider := openAt(t, 24)
	exec(t, pool, `
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, subject, body_hash, params)
		select gen_random_uuid(), 'provision', 'queued', case when n % 2 = 0 then gen_random_uuid() end, gen_random_uuid(), 'alice', n::text, '', '{}'
		from generate_series(1, 6) n`)
	_, err := Migrate(ctx, pool)
	must(t, err)
	want := func(when, want string) {
		t.Helper()
		got, err := Value[string](ctx, pool, "reading the figures", `
			select coalesce(string_agg(state || ' ' || jobs, ', ' order by state), '') from (
				select state, sum(jobs) as jobs from trunkline.job_counts group by 1 having sum(jobs) <> 0) as counted`)
		must(t, err)
		if got != want {
			t.Errorf("%s: %q is counted, want %q", when, got, want)
		}
	}
	want("at first", "queued 6")
	exec(t, pool, "update trunkline.jobs set state = 'running', heartbeat_at = now() where domain_uuid is null")
	want("three begin", "queued 3, running 3")
	exec(t, pool, "delete from trunkline.jobs where state = 'queued'")
	want("some are deleted", "running 3")
	_, err = provider.DownTo(ctx, 24)
	must(t, err)
	exec(t, pool, "delete from trunkline.jobs")
}
