package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// Get returns the job if it is one of the domains', else ErrNotFound.
func (c *Client) Get(ctx context.Context, id string, domains tenant.Domains) (Job, error) {
	if !postgres.IsUUID(id) {
		return Job{}, ErrNotFound
	}
	job, err := one[Job](ctx, c.pool, `
		select `+jobColumns+` from trunkline.jobs
		where id = $1 and `+within("$2", "$3"), id, domains.All, domains.UUIDs())
	return job, explained(err, ErrNotFound, "reading", id)
}

// Several are those of the jobs that there are and that a caller of these domains may see, by their ids.
func (c *Client) Several(ctx context.Context, ids []string, domains tenant.Domains) (map[string]Job, error) {
	jobs, err := all[Job](ctx, c.pool, `
		select `+jobColumns+` from trunkline.jobs
		where id = any($1::uuid[]) and `+within("$2", "$3"), ids, domains.All, domains.UUIDs())
	if err != nil {
		return nil, fmt.Errorf("reading several jobs: %w", err)
	}
	by := make(map[string]Job, len(jobs))
	for _, job := range jobs {
		by[job.ID] = job
	}
	return by, nil
}

// found is a job, or why there is none.
type found struct {
	job Job
	err error
}

// getAll returns the jobs of these ids as they stand.
func (c *Client) getAll(ctx context.Context, ids []string) []found {
	ctx, stop := context.WithTimeout(ctx, batchTimeout)
	defer stop()
	jobs, err := all[Job](ctx, c.pool, `select `+jobColumns+` from trunkline.jobs where id = any($1::uuid[])`, ids)
	by := map[string]Job{}
	for _, job := range jobs {
		by[job.ID] = job
	}
	answers := make([]found, len(ids))
	for i, id := range ids {
		job, is := by[strings.ToLower(id)]
		switch {
		case err != nil:
			answers[i].err = fmt.Errorf("reading job %s: %w", id, err)
		case !is:
			answers[i].err = ErrNotFound
		default:
			answers[i].job = job
		}
	}
	return answers
}

// Within is whether a caller of these domains may see the job: it is of one of them or, of many, is about these alone.
func (j Job) Within(domains tenant.Domains) bool {
	if j.DomainUUID == "" && len(j.Domains) > 0 {
		return !slices.ContainsFunc(j.Domains, func(uuid string) bool { return !domains.HoldUUID(uuid) })
	}
	return domains.HoldUUID(j.DomainUUID)
}

// within is an SQL condition on a job: all domains are meant, or it is of one of them; one of many has items of these
// alone.
func within(all, uuids string) string {
	return "(" + all + " or domain_uuid = any(" + uuids + "::uuid[]) or domain_uuid is null and domains <> '{}' and domains <@ " + uuids + "::text[])"
}

// Filter says which jobs a list shows: newest first, after the job After ("" for the first page), at
// most Limit. Kind, State, ExternalID, Who and Text are "" for any; CreatedFrom (in it) and CreatedBefore (not in it)
// are nil for any time.
type Filter struct {
	Domains       tenant.Domains // whose jobs
	NoDomain      bool           // only those of no domain
	Kind          Kind
	Kinds         []Kind   // one of these; nil: of any
	IDs           []string // these; nil: any
	State         State
	ExternalID    string
	Who           string // who asked: user@domain, or token:NAME
	Text          string // stands in the error or in what it is about, in any case of letters
	CreatedFrom   *time.Time
	CreatedBefore *time.Time
	After         string
	Limit         int
}

// List returns one page, newest first, and the After of the next page, "" on the last one.
func (c *Client) List(ctx context.Context, f Filter) (jobs []Job, next string, err error) {
	w := f.where()
	if f.Text != "" {
		w.and(textIn(w.arg(f.Text)))
	}
	// By the column: the bare name is that of the text among jobColumns, which no index has in order.
	jobs, err = all[Job](ctx, c.pool, "select "+jobColumns+" from trunkline.jobs where "+w.sql+" order by jobs.id desc limit "+w.arg(f.Limit+1), w.args...)
	if err != nil {
		return nil, "", fmt.Errorf("listing jobs: %w", err)
	}
	if len(jobs) > f.Limit {
		jobs = jobs[:f.Limit]
		next = jobs[f.Limit-1].ID
	}
	return jobs, next, nil
}

// Pending returns the newest job that takes its turn at one of the keys and has not ended, whose ever it is.
func (c *Client) Pending(ctx context.Context, keys ...string) (job Job, found bool, err error) {
	job, err = one[Job](ctx, c.pool, `
		select `+jobColumns+` from trunkline.jobs
		where id in (select job_id from trunkline.turns where key = any($1)) order by turn desc limit 1`, keys)
	if errors.Is(err, pgx.ErrNoRows) {
		return job, false, nil
	}
	return job, err == nil, explained(err, ErrNotFound, "looking for", "at "+strings.Join(keys, ", "))
}

// PendingAt returns those of the keys at which a job that has not ended takes its turn.
func (c *Client) PendingAt(ctx context.Context, keys []string) (map[string]bool, error) {
	found, err := all[struct{ Key string }](ctx, c.pool, `select distinct key from trunkline.turns where key = any($1)`, keys)
	if err != nil {
		return nil, fmt.Errorf("looking for unfinished jobs: %w", err)
	}
	pending := make(map[string]bool, len(found))
	for _, f := range found {
		pending[f.Key] = true
	}
	return pending, nil
}

// Later returns the last job about the same thing that succeeded after the job did.
func (c *Client) Later(ctx context.Context, than Job) (job Job, found bool, err error) {
	job, err = one[Job](ctx, c.pool, `
		select `+jobColumns+` from trunkline.jobs
		where subject = (select subject from trunkline.jobs where id = $1) and turn > (select turn from trunkline.jobs where id = $1)
		and state = 'succeeded' order by turn desc limit 1`, than.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return job, false, nil
	}
	return job, err == nil, explained(err, ErrNotFound, "looking for what came after", than.ID)
}
