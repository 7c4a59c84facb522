package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"trunkline/internal/tenant"
)

const (
	// foldAt is how many rows may be added to job_counts before a sweep makes one a key of them: fewer are read in a
	// millisecond.
	foldAt = 1000
	// recountInterval is how often one process compares job_counts with the jobs that there are, which takes some tenths of
	// a second for a million.
	recountInterval = time.Hour
)

// Tally is how many jobs of a kind are in a state.
type Tally struct {
	Kind  Kind
	State State
	Jobs  int64
}

// Tally returns how many jobs there are now, exactly, of the kinds and states of which there are any. Triggers of the
// jobs keep the figures, so that it takes the same however many there are.
func (c *Client) Tally(ctx context.Context, domains tenant.Domains, noDomain bool) ([]Tally, error) {
	tallies, err := all[Tally](ctx, c.pool, `
		select kind, state, sum(jobs)::bigint from trunkline.job_counts
		where `+within("$1", "$2")+` and (not $3 or domain_uuid is null)
		group by kind, state having sum(jobs) <> 0 order by kind, state`, domains.All, domains.UUIDs(), noDomain)
	if err != nil {
		return nil, fmt.Errorf("reading how many jobs there are: %w", err)
	}
	return tallies, nil
}

// countAmong is how many of the newest jobs are looked at for a filter of which no figures are kept.
const countAmong = 20_000

// Count is how many jobs the filter shows, whatever page it is of: exactly where figures are kept, else among its newest
// countAmong, not counting that a text may leave some out. among is 0 if that is all of them.
func (c *Client) Count(ctx context.Context, f Filter) (tallies []Tally, among int, err error) {
	if f.Kinds == nil && f.IDs == nil && f.ExternalID == "" && f.Who == "" && f.Text == "" && f.CreatedFrom == nil && f.CreatedBefore == nil && f.After == "" {
		tallies, err = c.Tally(ctx, f.Domains, f.NoDomain)
		return slices.DeleteFunc(tallies, func(t Tally) bool {
			return f.Kind != "" && t.Kind != f.Kind || f.State != "" && t.State != f.State
		}), 0, err
	}
	w, text := f.where(), "true"
	if f.Text != "" {
		text = "coalesce(" + textIn(w.arg(f.Text)) + ", false)"
	}
	found, err := all[struct {
		Tally
		Looked int
	}](ctx, c.pool, `
		select kind, state, count(*) filter (where is_meant), count(*) from (
			select kind, state, `+text+` as is_meant from trunkline.jobs where `+w.sql+` order by id desc limit `+w.arg(countAmong)+`) as newest
		group by kind, state order by kind, state`, w.args...)
	if err != nil {
		return nil, 0, fmt.Errorf("counting jobs: %w", err)
	}
	looked := 0
	for _, t := range found {
		if looked += t.Looked; t.Jobs > 0 {
			tallies = append(tallies, t.Tally)
		}
	}
	if looked == countAmong {
		among = looked
	}
	return tallies, among, nil
}

// foldCounts makes one row a key of what was added to job_counts, and now and then makes the figures right, in case jobs
// were loaded without their triggers.
func (c *Client) foldCounts(ctx context.Context, _ *SweepReport) error {
	if time.Since(c.recounted) >= recountInterval {
		off, err := one[struct{ Jobs int64 }](ctx, c.pool, "select trunkline.recount_jobs()")
		if err != nil {
			return fmt.Errorf("comparing the figures of jobs with the jobs: %w", err)
		}
		c.recounted = time.Now()
		if off.Jobs != 0 {
			c.log.Warn("the figures of jobs were off and are right again; were jobs loaded without their triggers?", "off_by", off.Jobs)
		}
	}
	// Whoever reads meanwhile sees either what was or what is, and both have the same sums.
	_, err := c.pool.Exec(ctx, `
		with loose as materialized (
			select kind, state, domain_uuid, domains, count(*) as rows from trunkline.job_counts group by 1, 2, 3, 4 having count(*) > 1
		), gone as (
			delete from trunkline.job_counts as c using loose
			where (select sum(rows - 1) from loose) >= $1 and c.kind = loose.kind and c.state = loose.state
			and c.domain_uuid is not distinct from loose.domain_uuid and c.domains = loose.domains
			returning c.*
		)
		insert into trunkline.job_counts (kind, state, domain_uuid, domains, jobs)
		select kind, state, domain_uuid, domains, sum(jobs) from gone group by 1, 2, 3, 4 having sum(jobs) <> 0`, foldAt)
	if err != nil {
		return fmt.Errorf("folding the figures of jobs: %w", err)
	}
	return nil
}
