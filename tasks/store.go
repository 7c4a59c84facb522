package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// NewJob is a request for a job.
type NewJob struct {
	Kind           Kind
	DomainUUID     string // the tenant, or ""
	CreatedBy      string // the uuid of the FusionPBX user or of the token
	CreatedByName  string
	IdempotencyKey string
	ExternalID     string
	// Subject says what the job is about; with BodyHash a repeated request without a key finds the job.
	Subject  string
	BodyHash []byte
	Params   any
	Secrets  any // sealed; nil for none
}

// requestKey is by what a repeated request finds the job of the first: the Idempotency-Key if there is one,
// else the external_id. The prefix keeps the two from meeting.
func (n NewJob) requestKey() string {
	switch {
	case n.IdempotencyKey != "":
		return "k:" + n.IdempotencyKey
	case n.ExternalID != "":
		return "e:" + n.ExternalID
	}
	return ""
}

// createRounds bounds how often Create looks again when the job it found ended in between.
const createRounds = 10

// Create commits a job row in state queued, or attaches to the row that the same request made before.
// With a key: same body, in flight or succeeded: that job; failed or cancelled: that job queued again;
// another body: ErrKeyReused. Without a key: the job in flight with the same subject and body.
// It reports whether the job has to be enqueued.
func (c *Client) Create(ctx context.Context, n NewJob) (job Job, enqueue bool, err error) {
	params, err := json.Marshal(n.Params)
	if err != nil {
		return Job{}, false, fmt.Errorf("encoding a job's parameters: %w", err)
	}
	for range createRounds {
		job, err := c.insert(ctx, n, params)
		if err == nil {
			return job, true, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return Job{}, false, fmt.Errorf("creating a job: %w", err)
		}
		job, enqueue, err := c.attach(ctx, n, params)
		if !errors.Is(err, pgx.ErrNoRows) {
			return job, enqueue, err
		}
	}
	return Job{}, false, fmt.Errorf("creating a job: the same request kept ending while it was looked at; send it again")
}

// insert returns pgx.ErrNoRows if a row that this request attaches to is in the way.
func (c *Client) insert(ctx context.Context, n NewJob, params []byte) (Job, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Job{}, fmt.Errorf("making a job id: %w", err)
	}
	sealed, err := c.seal(id.String(), n.Secrets)
	if err != nil {
		return Job{}, err
	}
	return one[Job](ctx, c.pool, `
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id, request_key,
			subject, body_hash, params, sealed)
		values ($1, $2, 'queued', nullif($3, '')::uuid, $4, $5, nullif($6, ''), nullif($7, ''), $8, $9, $10, $11)
		on conflict do nothing
		returning `+jobColumns,
		id.String(), n.Kind, n.DomainUUID, n.CreatedBy, n.CreatedByName, n.ExternalID, n.requestKey(),
		n.Subject, n.BodyHash, params, sealed)
}

// attach returns pgx.ErrNoRows if the row that was in the way is there no longer, or somebody else put the
// ended job back to queued first.
func (c *Client) attach(ctx context.Context, n NewJob, params []byte) (job Job, enqueue bool, err error) {
	if n.requestKey() == "" {
		job, err := one[Job](ctx, c.pool, `
			select `+jobColumns+` from trunkline.jobs
			where created_by = $1 and kind = $2 and subject = $3 and body_hash = $4
			and request_key is null and state in ('queued', 'running')`,
			n.CreatedBy, n.Kind, n.Subject, n.BodyHash)
		return job, false, err
	}
	job, err = c.byRequestKey(ctx, n)
	if err != nil {
		return job, false, err
	}
	if job.State != StateFailed && job.State != StateCancelled {
		return job, false, nil
	}
	sealed, err := c.seal(job.ID, n.Secrets)
	if err != nil {
		return Job{}, false, err
	}
	job, err = one[Job](ctx, c.pool, `
		update trunkline.jobs set state = 'queued', params = $3, sealed = $4, dispatch = dispatch + 1, dispatched_at = now(),
			`+freshRun+`
		where id = $1 and dispatch = $2 and state in ('failed', 'cancelled')
		returning `+jobColumns, job.ID, job.Dispatch, params, sealed)
	return job, err == nil, err
}

// byRequestKey returns the job that has the request's key, or pgx.ErrNoRows; ErrKeyReused if its body was
// another.
func (c *Client) byRequestKey(ctx context.Context, n NewJob) (Job, error) {
	found, err := one[struct {
		Job
		SameBody bool
	}](ctx, c.pool, `
		select `+jobColumns+`, body_hash = $4 from trunkline.jobs
		where created_by = $1 and kind = $2 and request_key = $3`, n.CreatedBy, n.Kind, n.requestKey(), n.BodyHash)
	if err == nil && !found.SameBody {
		err = ErrKeyReused
	}
	return found.Job, err
}

// Earlier returns the job, in flight or succeeded, that the request's key belongs to. Its caller gets
// that job's result, whatever has become of the PBX since.
func (c *Client) Earlier(ctx context.Context, n NewJob) (job Job, found bool, err error) {
	if n.requestKey() == "" {
		return Job{}, false, nil
	}
	job, err = c.byRequestKey(ctx, n)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (job.State == StateFailed || job.State == StateCancelled) {
		return Job{}, false, nil
	}
	return job, err == nil, err
}

// freshRun takes back what an ended run left in the row. The attempt's number stays, since it fences.
const freshRun = `worker = null, heartbeat_at = null, lost_workers = 0, cancel_requested_at = null, progress = '{}',
	error_code = null, error_message = null, started_at = null, finished_at = null, queued_at = now()`

func (c *Client) seal(jobID string, secrets any) ([]byte, error) {
	if secrets == nil {
		return nil, nil
	}
	return c.keys.Seal(jobID, secrets)
}

// Record commits a job that the front end did itself, already succeeded: a small export. The id is
// the caller's, since the file is named for it.
func (c *Client) Record(ctx context.Context, id string, n NewJob, result any) (Job, error) {
	params, err1 := json.Marshal(n.Params)
	outcome, err2 := json.Marshal(result)
	if err := errors.Join(err1, err2); err != nil {
		return Job{}, fmt.Errorf("recording a finished job: %w", err)
	}
	rows, bytes := sizeOf(result)
	job, err := one[Job](ctx, c.pool, `
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id,
			subject, body_hash, params, result, result_rows, result_bytes, dispatch, attempt, started_at, finished_at)
		values ($1, $2, 'succeeded', nullif($3, '')::uuid, $4, $5, nullif($6, ''), $7, $8, $9, $10, $11, $12, 0, 1, now(), now())
		returning `+jobColumns,
		id, n.Kind, n.DomainUUID, n.CreatedBy, n.CreatedByName, n.ExternalID, n.Subject, n.BodyHash, params, outcome, rows, bytes)
	if err != nil {
		return Job{}, fmt.Errorf("recording a finished job: %w", err)
	}
	return job, nil
}
