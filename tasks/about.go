package tasks

import (
	"context"
	"fmt"

	"trunkline/internal/tenant"
)

// Touch is a job that is about something, or the item of a job of many that is.
type Touch struct {
	Job  Job
	Item *Item // nil: the whole job is
}

// About returns a page of the jobs that take or took their turns at one of the keys, of those that a caller of these domains
// may see: newest first, after the job after ("" for the first page), at most limit. next is the after of the next page, ""
// on the last one.
func (c *Client) About(ctx context.Context, keys []string, domains tenant.Domains, after string, limit int) (touches []Touch, next string, err error) {
	type touched struct {
		ID     string
		Number int
	}
	// What the keys find is little: the planner, which does not know that, would look through the newest jobs for it.
	found, err := all[touched](ctx, c.pool, `
		select distinct on (id) id::text, number from (
			select id, 0 as number, domain_uuid, domains from (select id, domain_uuid, domains from trunkline.jobs where order_keys && $1 offset 0) as whole
			union all
			select id, number, domain_uuid, domains
			from (select job_id, number from trunkline.items where order_keys && $1 offset 0) as part join trunkline.jobs on id = job_id
		) as touched
		where `+within("$2", "$3")+` and ($4 = '' or id < nullif($4, '')::uuid)
		order by id desc, number limit $5`, keys, domains.All, domains.UUIDs(), after, limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("looking for the jobs about something: %w", err)
	}
	if len(found) > limit {
		found = found[:limit]
		next = found[limit-1].ID
	}
	ids, numbers := make([]string, len(found)), make([]int, len(found))
	for i, f := range found {
		ids[i], numbers[i] = f.ID, f.Number
	}
	jobs, err := c.Several(ctx, ids, domains)
	if err != nil {
		return nil, "", err
	}
	items, err := all[itemOf](ctx, c.pool, `
		select job_id::text, `+itemColumns+` from trunkline.items
		where (job_id, number) in (select * from unnest($1::uuid[], $2::integer[]))`, ids, numbers)
	if err != nil {
		return nil, "", fmt.Errorf("reading the items about something: %w", err)
	}
	by := map[string]*Item{}
	for i := range items {
		by[items[i].JobID] = &items[i].Item
	}
	for _, f := range found {
		job, there := jobs[f.ID] // one may have been forgotten meanwhile
		if item := by[f.ID]; there && (f.Number == 0 || item != nil) {
			touches = append(touches, Touch{job, item})
		}
	}
	return touches, next, nil
}

// itemOf is an item with the job that it is of.
type itemOf struct {
	JobID string
	Item
}

// KeysBeside are the keys of that beginning at which jobs take or took their turns together with the key.
func (c *Client) KeysBeside(ctx context.Context, key, beginning string) ([]string, error) {
	found, err := all[struct{ Key string }](ctx, c.pool, `
		select distinct key from (select order_keys from trunkline.jobs where order_keys && array[$1::text] offset 0) as together, unnest(order_keys) as key
		where left(key, length($2)) = $2 order by key`, key, beginning)
	if err != nil {
		return nil, fmt.Errorf("looking for what else jobs took their turns at: %w", err)
	}
	keys := make([]string, len(found))
	for i, f := range found {
		keys[i] = f.Key
	}
	return keys, nil
}
