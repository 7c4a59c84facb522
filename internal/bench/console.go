package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/config"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

const (
	// consoleJobs is how many jobs there are.
	consoleJobs = 1_000_000
	// consoleAsks is how often each page and each query is asked for in a row: the median counts.
	consoleAsks = 15
	// consoleMoved is how many jobs change their state for the figure of the triggers that count.
	consoleMoved = 20_000
)

// console measures the page of jobs at a million jobs beside the two queries that it asks, of the list and of the figures,
// and what it costs a job's change of state that triggers keep those figures.
func (b *bench) console(ctx context.Context) (err error) {
	pool := b.pool
	if err := b.makeJobs(ctx, pool); err != nil {
		return err
	}
	defer func() {
		_, cleared := pool.Exec(context.WithoutCancel(ctx), "truncate trunkline.jobs cascade")
		err = errors.Join(err, cleared)
	}()
	p, err := b.start(ctx, "api", "TRUNKLINE_RATE_LIMIT_CONSOLE="+noLimit)
	if err != nil {
		return err
	}
	defer p.stop()
	cookie, err := b.consoleSession(ctx, p)
	if err != nil {
		return err
	}
	client, closeClient, err := b.jobClient(config.Settings{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeClient()) }()
	if err := b.filtersAlone(ctx, pool, client); err != nil {
		return err
	}
	var f figures
	for range pairs {
		var pages, queries []float64
		for range consoleAsks {
			began := time.Now()
			if err := jobsPage(ctx, p, cookie, ""); err != nil {
				return err
			}
			pages = append(pages, milliseconds(time.Since(began)))
			took, err := bothQueries(ctx, client, tasks.Filter{Domains: tenant.All, Limit: 50})
			if err != nil {
				return err
			}
			queries = append(queries, took)
		}
		fmt.Printf("# the page of jobs took %.2f ms, its two queries %.2f ms\n", median(pages), median(queries))
		f.add("console_jobs_page_ms_at_1m_jobs", median(pages)/median(queries), "ratio")
	}
	// After the pages: each change adds rows to the figures, which only a sweep makes few again.
	for range pairs {
		with, err := moveJobs(ctx, pool, "enable")
		if err != nil {
			return err
		}
		without, err := moveJobs(ctx, pool, "disable")
		if err != nil {
			return err
		}
		f.add("job_counts_us_per_transition", (with-without)/consoleMoved*1e3, "us")
	}
	f.print()
	return nil
}

// makeJobs puts jobs of the sample's domains into the database, one a second up to now.
func (b *bench) makeJobs(ctx context.Context, pool *pgxpool.Pool) error {
	_, err := pool.Exec(ctx, `
		alter table trunkline.jobs disable trigger user;
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id, subject, body_hash, params, attempt,
			result, error_code, error_message, created_at, started_at, finished_at)
		select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
			case when n % 1000 = 0 then 'bulk' when n % 10 = 0 then 'export' else 'provision' end, state, domain, gen_random_uuid(),
			'user' || n % 5000 || '@tenant.example', 'service-' || n, 'gateway carrier-' || n, '', json_build_object('name', 'carrier-' || n), 1,
			case when state in ('succeeded', 'partial') then json_build_object('gateway_uuid', gen_random_uuid()) end,
			case when state in ('failed', 'cancelled') then 'timeout' end,
			case when state in ('failed', 'cancelled') then 'the switch did not answer within 10 s: ' || md5(n::text) end, at, at, at
		from (select n, now() - (`+fmt.Sprint(consoleJobs)+` - n) * interval '1 second' as at,
				case when n % 5000 = 0 then 'partial' when n % 300 = 0 then 'cancelled' when n % 50 = 0 then 'failed' else 'succeeded' end as state,
				(select array_agg(domain_uuid order by domain_name) from v_domains) as domains
			from generate_series(1, `+fmt.Sprint(consoleJobs)+`) n) as made,
			lateral (select domains[1 + n % array_length(domains, 1)] as domain) as of_domain;
		alter table trunkline.jobs enable trigger user;
		select trunkline.recount_jobs();`)
	if err == nil {
		_, err = pool.Exec(ctx, "vacuum analyze trunkline.jobs")
	}
	if err != nil {
		return fmt.Errorf("making jobs: %w", err)
	}
	return nil
}

// consoleSession signs in by a token, and returns the session's cookie.
func (b *bench) consoleSession(ctx context.Context, p *process) (*http.Cookie, error) {
	secret, err := b.newToken(ctx, "read")
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/console/sign-in", strings.NewReader(url.Values{"token": {secret}}.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", p.base)
	resp, err := client.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		return c, nil
	}
	answer, err := io.ReadAll(resp.Body)
	return nil, errors.Join(fmt.Errorf("signing in to the console answered %d: %.500s", resp.StatusCode, answer), err)
}

// jobsPage gets the page of jobs with the query.
func jobsPage(ctx context.Context, p *process, cookie *http.Cookie, query string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+"/console/jobs"+query, nil)
	if err != nil {
		return err
	}
	req.AddCookie(cookie)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the page of jobs answered %d: %.500s", resp.StatusCode, answer)
	}
	return err
}

// bothQueries is how many milliseconds the page's query and its count query take.
func bothQueries(ctx context.Context, client *tasks.Client, f tasks.Filter) (float64, error) {
	began := time.Now()
	if _, _, err := client.List(ctx, f); err != nil {
		return 0, err
	}
	f.State = ""
	_, _, err := client.Count(ctx, f)
	return milliseconds(time.Since(began)), err
}

// filtersAlone prints how long the queries of each filter take, of all domains and of one.
func (b *bench) filtersAlone(ctx context.Context, pool *pgxpool.Pool, client *tasks.Client) error {
	var one tenant.Domain
	if err := pool.QueryRow(ctx, "select domain_uuid::text, domain_name from v_domains order by domain_name limit 1").Scan(&one.UUID, &one.Name); err != nil {
		return err
	}
	from, before := time.Now().Add(-5*24*time.Hour), time.Now().Add(-4*24*time.Hour)
	for _, domains := range []tenant.Domains{tenant.All, tenant.Only(one), tenant.Only(tenant.Domain{UUID: "00000000-0000-4000-8000-000000000000"})} {
		for name, f := range map[string]tasks.Filter{
			"none": {}, "kind": {Kind: tasks.KindBulk}, "a kind without jobs": {Kind: tasks.KindDeliver}, "state": {State: tasks.StatePartial},
			"a state without jobs": {State: tasks.StateRunning}, "kind and state": {Kind: tasks.KindBulk, State: tasks.StateFailed},
			"who": {Who: "user7@tenant.example"}, "nobody": {Who: "nobody"}, "external_id": {ExternalID: "service-500000"},
			"time": {CreatedFrom: &from, CreatedBefore: &before}, "text": {Text: "no such text", CreatedFrom: &from, CreatedBefore: &before},
			"who and state": {Who: "user7@tenant.example", State: tasks.StateCancelled},
		} {
			f.Domains, f.Limit = domains, 50
			var times []float64
			for range consoleAsks {
				took, err := bothQueries(ctx, client, f)
				if err != nil {
					return err
				}
				times = append(times, took)
			}
			fmt.Printf("# all domains %t, filter %s: %.2f ms\n", domains.All, name, median(times))
		}
	}
	return nil
}

// moveJobs is how many milliseconds it takes to change the state of jobs and to change it back, halved, with the triggers
// that count or without them.
func moveJobs(ctx context.Context, pool *pgxpool.Pool, triggers string) (float64, error) {
	if _, err := pool.Exec(ctx, "alter table trunkline.jobs "+triggers+" trigger count_moved_job"); err != nil {
		return 0, err
	}
	began := time.Now()
	for _, move := range [][2]string{{"succeeded", "partial"}, {"partial", "succeeded"}} {
		_, err := pool.Exec(ctx, `update trunkline.jobs set state = $2 where id in (select id from trunkline.jobs where state = $1 order by id desc limit $3)`, move[0], move[1], consoleMoved)
		if err != nil {
			return 0, err
		}
	}
	took := milliseconds(time.Since(began)) / 2
	_, err := pool.Exec(ctx, "alter table trunkline.jobs enable trigger count_moved_job; select trunkline.recount_jobs()")
	if err == nil {
		_, err = pool.Exec(ctx, "vacuum trunkline.jobs")
	}
	return took, err
}
