package tasks

import (
	"context"

	"trunkline/internal/postgres"
)

// Ahead is how many jobs of the job's queue start before it as things stand; nil if it does not wait for its turn in the
// queue. Jobs whose turn depends on others of the same gateway are counted by when they were accepted.
func (c *Client) Ahead(ctx context.Context, job Job) (*int64, error) {
	if job.State != StateQueued {
		return nil, nil
	}
	var kindsOfQueue []Kind
	for _, kind := range Kinds {
		if kind.Queue() == job.Kind.Queue() {
			kindsOfQueue = append(kindsOfQueue, kind)
		}
	}
	return postgres.Value[*int64](ctx, c.pool, "counting the jobs before "+job.ID, `
		with held as (
			select coalesce(domain_uuid::text, '') as domain, count(*) as jobs from trunkline.jobs
			where kind = any($2) and state in ('queued', 'running') and admitted_at is not null group by 1
		), waiting as (
			select id, urgent, turn, coalesce(held.jobs, 0) + row_number() over (partition by domain order by urgent desc, turn) as nth
			from (select *, coalesce(domain_uuid::text, '') as domain from trunkline.jobs
				where kind = any($2) and state = 'queued' and admitted_at is null) as j left join held using (domain)
		)
		select (select place - 1 from (select id, row_number() over (order by nth, urgent desc, turn) as place from waiting) as placed where id = $1)`,
		job.ID, kindsOfQueue)
}
