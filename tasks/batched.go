package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"trunkline/internal/postgres"
)

// The jobs of one round on a switch begin at the same moment, and end so: one statement claims them, and one ends those
// that succeeded. Each row is fenced by itself.
const (
	batchedAtOnce = 100
	batchTimeout  = 10 * time.Second
)

// claim is a task for which a worker claims the job.
type claim struct {
	jobID    string
	dispatch int
	worker   string
}

// claimed is the attempt that a claim has become, nil if the task is late.
type claimed struct {
	attempt *Attempt
	err     error
}

func (c *Client) claimAll(ctx context.Context, asked []claim) []claimed {
	ctx, stop := context.WithTimeout(ctx, batchTimeout)
	defer stop()
	ids, dispatches, workers := make([]string, len(asked)), make([]int, len(asked)), make([]string, len(asked))
	for i, a := range asked {
		ids[i], dispatches[i], workers[i] = a.jobID, a.dispatch, a.worker
	}
	rows, err := all[struct {
		Job
		Sealed []byte
	}](ctx, c.pool, `
		update trunkline.jobs set state = 'running', attempt = attempt + 1, worker = task.by, heartbeat_at = now(), attempt_at = now(),
			started_at = coalesce(started_at, now())
		from unnest($1::uuid[], $2::integer[], $3::text[]) as task (of, number, by)
		where id = task.of and dispatch = task.number and state = 'queued' and admitted_at is not null
		returning `+jobColumns+`, sealed`, ids, dispatches, workers)
	attempts := map[string]*Attempt{}
	for _, row := range rows {
		attempts[row.ID] = &Attempt{Job: row.Job, client: c, sealed: row.Sealed}
	}
	answers := make([]claimed, len(asked))
	for i, a := range asked {
		answers[i] = claimed{attempts[a.jobID], err}
		delete(attempts, a.jobID) // the same task may have come twice
	}
	return answers
}

// success is the end of an attempt that succeeded.
type success struct {
	jobID       string
	attempt     int
	result      []byte
	progress    Progress
	rows, bytes int64
	left        []byte
}

func (a *Attempt) success(result any, p Progress) (success, error) {
	outcome, err := json.Marshal(result)
	if err != nil {
		return success{}, fmt.Errorf("encoding the result of job %s: %w", a.Job.ID, err)
	}
	rows, bytes := sizeOf(result)
	return success{a.Job.ID, a.Job.Attempt, outcome, p, rows, bytes, leftBy(result)}, nil
}

// succeedAll ends the jobs in one statement or, if the database refuses that for one of them, each in its own.
func (c *Client) succeedAll(ctx context.Context, all []success) []error {
	ctx, stop := context.WithTimeout(ctx, batchTimeout)
	defer stop()
	errs := succeed(ctx, c.pool, all)
	if !postgres.Refused(errs[0]) {
		return errs
	}
	for i := range all {
		errs[i] = succeed(ctx, c.pool, all[i:i+1])[0]
	}
	return errs
}

// succeed ends the jobs with their results and wipes their secrets. The errors are ErrFenced of those that are no longer
// the attempts', or the same of all.
func succeed(ctx context.Context, q querier, successes []success) []error {
	ids, attempts, results, progress := []string{}, []int{}, []string{}, []Progress{}
	var sizes, bytes []int64
	var left [][]byte
	for _, s := range successes {
		ids, attempts, results, progress = append(ids, s.jobID), append(attempts, s.attempt), append(results, string(s.result)), append(progress, s.progress)
		sizes, bytes, left = append(sizes, s.rows), append(bytes, s.bytes), append(left, s.left)
	}
	ended, err := all[struct {
		ID string
	}](ctx, q, `
		update trunkline.jobs set state = 'succeeded', result = done.result::json, progress = done.progress, result_rows = done.size, result_bytes = done.bytes,
			left_hash = coalesce(done.left_hash, jobs.left_hash), sealed = null, finished_at = now()
		from unnest($1::uuid[], $2::integer[], $3::text[], $4::json[], $5::bigint[], $6::bigint[], $7::bytea[])
			as done (job, number, result, progress, size, bytes, left_hash)
		where id = done.job and attempt = done.number and state = 'running'
		returning id::text`, ids, attempts, results, progress, sizes, bytes, left)
	errs := make([]error, len(successes))
	if err != nil {
		for i, s := range successes {
			errs[i] = fmt.Errorf("writing job %s: %w", s.jobID, err)
		}
		return errs
	}
	is := map[string]bool{}
	for _, e := range ended {
		is[e.ID] = true
	}
	for i, s := range successes {
		if !is[s.jobID] {
			errs[i] = ErrFenced
		}
	}
	return errs
}
