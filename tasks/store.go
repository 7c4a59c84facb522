package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
	"trunkline/internal/tenant"
)

// Store keeps the job rows. It needs no Redis: what a job is and where it stands is in Postgres alone.
type Store struct {
	pool *pgxpool.Pool
	keys *sealing.Keys
}

// NewStore returns the store of the jobs in pool's database.
func NewStore(pool *pgxpool.Pool, keys *sealing.Keys) *Store { return &Store{pool: pool, keys: keys} }

// Keys returns the keys that the store seals with.
func (s *Store) Keys() *sealing.Keys { return s.keys }

// NewJob is a request for a job.
type NewJob struct {
	Kind           Kind
	DomainUUID     string // the tenant, or ""
	CreatedBy      string // the uuid of the FusionPBX user or of the token
	CreatedByName  string
	IdempotencyKey string
	ExternalID     string
	// Subject says what the job is about; with BodyHash it is what a request without a key attaches by.
	Subject  string
	BodyHash []byte
	Params   any
	Secrets  any // sealed; nil for none
}

// requestKey is what a repeated request attaches by: the Idempotency-Key where there is one, else the
// external_id. The prefix keeps the two from meeting.
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
func (s *Store) Create(ctx context.Context, n NewJob) (job Job, enqueue bool, err error) {
	params, err := json.Marshal(n.Params)
	if err != nil {
		return Job{}, false, fmt.Errorf("encoding a job's parameters: %w", err)
	}
	for range createRounds {
		job, err := s.insert(ctx, n, params)
		if err == nil {
			return job, true, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return Job{}, false, fmt.Errorf("creating a job: %w", err)
		}
		job, enqueue, err := s.attach(ctx, n, params)
		if !errors.Is(err, pgx.ErrNoRows) {
			return job, enqueue, err
		}
	}
	return Job{}, false, fmt.Errorf("creating a job: the same request kept ending while it was looked at; send it again")
}

// insert returns pgx.ErrNoRows where a row that this request attaches to is in the way.
func (s *Store) insert(ctx context.Context, n NewJob, params []byte) (Job, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Job{}, fmt.Errorf("making a job id: %w", err)
	}
	sealed, err := s.seal(id.String(), n.Secrets)
	if err != nil {
		return Job{}, err
	}
	row := s.pool.QueryRow(ctx, `
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id, request_key,
			subject, body_hash, params, sealed)
		values ($1, $2, 'queued', nullif($3, '')::uuid, $4, $5, nullif($6, ''), nullif($7, ''), $8, $9, $10, $11)
		on conflict do nothing
		returning `+jobColumns,
		id.String(), n.Kind, n.DomainUUID, n.CreatedBy, n.CreatedByName, n.ExternalID, n.requestKey(),
		n.Subject, n.BodyHash, params, sealed)
	return scanJob(row)
}

// attach returns pgx.ErrNoRows where the row that was in the way is no longer.
func (s *Store) attach(ctx context.Context, n NewJob, params []byte) (job Job, enqueue bool, err error) {
	if n.requestKey() == "" {
		job, err := scanJob(s.pool.QueryRow(ctx, `
			select `+jobColumns+` from trunkline.jobs
			where created_by = $1 and kind = $2 and subject = $3 and body_hash = $4
			and request_key is null and state in ('queued', 'running')`,
			n.CreatedBy, n.Kind, n.Subject, n.BodyHash))
		return job, false, err
	}
	job, err = s.keyed(ctx, n)
	if err != nil {
		return job, false, err
	}
	if job.State != StateFailed && job.State != StateCancelled {
		return job, false, nil
	}
	sealed, err := s.seal(job.ID, n.Secrets)
	if err != nil {
		return Job{}, false, err
	}
	job, err = s.requeue(ctx, job, params, sealed)
	return job, err == nil, err
}

// keyed returns the job that has the request's key, or pgx.ErrNoRows; ErrKeyReused where its body was
// another.
func (s *Store) keyed(ctx context.Context, n NewJob) (Job, error) {
	var sameBody bool
	job, err := scanJob(s.pool.QueryRow(ctx, `
		select `+jobColumns+`, body_hash = $4 from trunkline.jobs
		where created_by = $1 and kind = $2 and request_key = $3`, n.CreatedBy, n.Kind, n.requestKey(), n.BodyHash), &sameBody)
	if err == nil && !sameBody {
		err = ErrKeyReused
	}
	return job, err
}

// Earlier returns the job, in flight or succeeded, that the request's key belongs to. Its caller gets
// that job's result, whatever has become of the PBX since.
func (s *Store) Earlier(ctx context.Context, n NewJob) (job Job, found bool, err error) {
	job, err = s.keyed(ctx, n)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (job.State == StateFailed || job.State == StateCancelled) {
		return Job{}, false, nil
	}
	return job, err == nil, err
}

// requeue puts an ended job back to queued under a new dispatch. It returns pgx.ErrNoRows where
// somebody else did so first.
func (s *Store) requeue(ctx context.Context, job Job, params, sealed []byte) (Job, error) {
	return scanJob(s.pool.QueryRow(ctx, `
		update trunkline.jobs set state = 'queued', params = $3, sealed = $4, dispatch = dispatch + 1, dispatched_at = now(),
			`+freshRun+`
		where id = $1 and dispatch = $2 and state in ('failed', 'cancelled')
		returning `+jobColumns, job.ID, job.Dispatch, params, sealed))
}

// freshRun takes back what an ended run left in the row. The attempt's number stays, since it fences.
const freshRun = `worker = null, heartbeat_at = null, lost_workers = 0, cancel_requested_at = null, progress = '{}',
	error_code = null, error_message = null, started_at = null, finished_at = null, queued_at = now()`

func (s *Store) seal(jobID string, secrets any) ([]byte, error) {
	if secrets == nil {
		return nil, nil
	}
	return s.keys.Seal(jobID, secrets)
}

// Record commits a job that the front end did itself, already succeeded: a small export. The id is
// the caller's, since the file is named for it.
func (s *Store) Record(ctx context.Context, id string, n NewJob, result any) (Job, error) {
	params, err1 := json.Marshal(n.Params)
	outcome, err2 := json.Marshal(result)
	if err := errors.Join(err1, err2); err != nil {
		return Job{}, fmt.Errorf("recording a finished job: %w", err)
	}
	rows, bytes := sizeOf(result)
	job, err := scanJob(s.pool.QueryRow(ctx, `
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id,
			subject, body_hash, params, result, result_rows, result_bytes, dispatch, attempt, started_at, finished_at)
		values ($1, $2, 'succeeded', nullif($3, '')::uuid, $4, $5, nullif($6, ''), $7, $8, $9, $10, $11, $12, 0, 1, now(), now())
		returning `+jobColumns,
		id, n.Kind, n.DomainUUID, n.CreatedBy, n.CreatedByName, n.ExternalID, n.Subject, n.BodyHash, params, outcome, rows, bytes))
	if err != nil {
		return Job{}, fmt.Errorf("recording a finished job: %w", err)
	}
	return job, nil
}

// Get returns the job if it is one of the domains', else ErrNotFound.
func (s *Store) Get(ctx context.Context, id string, domains tenant.Domains) (Job, error) {
	if !postgres.IsUUID(id) {
		return Job{}, ErrNotFound
	}
	job, err := scanJob(s.pool.QueryRow(ctx, `
		select `+jobColumns+` from trunkline.jobs
		where id = $1 and ($2 or domain_uuid = any($3::uuid[]))`, id, domains.All, domains.UUIDs()))
	if errors.Is(err, pgx.ErrNoRows) {
		return Job{}, ErrNotFound
	}
	if err != nil {
		return Job{}, fmt.Errorf("reading job %s: %w", id, err)
	}
	return job, nil
}

// Filter says which jobs a list shows: newest first, after the job After ("" for the first page), at
// most Limit. Kind, State and ExternalID are "" for any; CreatedFrom (in it) and CreatedBefore (not in it)
// are nil for any time.
type Filter struct {
	Domains       tenant.Domains // whose jobs
	NoDomain      bool           // only those of no domain
	Kind          Kind
	State         State
	ExternalID    string
	CreatedFrom   *time.Time
	CreatedBefore *time.Time
	After         string
	Limit         int
}

// List returns one page, newest first, and the After of the next page, "" on the last one.
func (s *Store) List(ctx context.Context, f Filter) (jobs []Job, next string, err error) {
	rows, err := s.pool.Query(ctx, `
		select `+jobColumns+` from trunkline.jobs
		where ($1 or domain_uuid = any($2::uuid[]))
		and ($3 = '' or kind = $3) and ($4 = '' or state = $4)
		and ($5 = '' or id < nullif($5, '')::uuid)
		and (not $7 or domain_uuid is null) and ($8 = '' or external_id = $8)
		and ($9::timestamptz is null or created_at >= $9) and ($10::timestamptz is null or created_at < $10)
		order by id desc limit $6`,
		f.Domains.All, f.Domains.UUIDs(), string(f.Kind), string(f.State), f.After, f.Limit+1,
		f.NoDomain, f.ExternalID, f.CreatedFrom, f.CreatedBefore)
	if err != nil {
		return nil, "", fmt.Errorf("listing jobs: %w", err)
	}
	jobs, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Job, error) { return scanJob(row) })
	if err != nil {
		return nil, "", fmt.Errorf("listing jobs: %w", err)
	}
	if len(jobs) > f.Limit {
		jobs = jobs[:f.Limit]
		next = jobs[f.Limit-1].ID
	}
	return jobs, next, nil
}

// Cancel ends a queued job that no attempt has touched, and asks a running one to stop; its worker
// sees that at its next heartbeat. A job that has ended is ErrState.
func (s *Store) Cancel(ctx context.Context, id string, domains tenant.Domains) (Job, error) {
	job, err := s.Get(ctx, id, domains)
	if err != nil {
		return Job{}, err
	}
	// A queued job with an earlier attempt may have left half of its work behind: a worker takes it up
	// once more to put that right.
	job, err = scanJob(s.pool.QueryRow(ctx, `
		update trunkline.jobs set
			cancel_requested_at = coalesce(cancel_requested_at, now()),
			state         = case when `+untouched+` then 'cancelled' else state end,
			sealed        = case when `+untouched+` then null else sealed end,
			error_code    = case when `+untouched+` then 'cancelled' end,
			error_message = case when `+untouched+` then 'cancelled before it began' end,
			finished_at   = case when `+untouched+` then now() end
		where id = $1 and state in ('queued', 'running')
		returning `+jobColumns, job.ID))
	if errors.Is(err, pgx.ErrNoRows) {
		job, err = s.Get(ctx, id, domains)
		if err == nil {
			err = ErrState
		}
		return job, err
	}
	if err != nil {
		return Job{}, fmt.Errorf("cancelling job %s: %w", id, err)
	}
	return job, nil
}

const untouched = "(state = 'queued' and attempt = 0)"

// Retry queues a failed or cancelled job again with the parameters it had. Secrets that were wiped
// make it ErrState: the caller has to send the request again.
func (s *Store) Retry(ctx context.Context, id string, domains tenant.Domains) (Job, error) {
	job, err := s.Get(ctx, id, domains)
	if err != nil {
		return Job{}, err
	}
	retried, err := scanJob(s.pool.QueryRow(ctx, `
		update trunkline.jobs set state = 'queued', dispatch = dispatch + 1, dispatched_at = now(),
			`+freshRun+`
		where id = $1 and dispatch = $2 and state in ('failed', 'cancelled') and ($3 or sealed is not null)
		returning `+jobColumns, job.ID, job.Dispatch, !job.Kind.entry().needsSecrets))
	var conflict *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &conflict) && conflict.ConstraintName == "jobs_in_flight" {
		return job, ErrState
	}
	if err != nil {
		return Job{}, fmt.Errorf("retrying job %s: %w", id, err)
	}
	return retried, nil
}

const jobColumns = `id::text, kind, state, coalesce(domain_uuid::text, ''), created_by::text, created_by_name,
	coalesce(external_id, ''), params, progress, dispatch, attempt, cancel_requested_at is not null,
	result, error_code, error_message, created_at, started_at, finished_at`

// scanJob reads jobColumns and then whatever more was selected.
func scanJob(row pgx.Row, more ...any) (Job, error) {
	var (
		job           Job
		code, message *string
		progress      []byte
		params        []byte
		result        []byte
	)
	into := append([]any{&job.ID, &job.Kind, &job.State, &job.DomainUUID, &job.CreatedBy, &job.CreatedByName,
		&job.ExternalID, &params, &progress, &job.Dispatch, &job.Attempt, &job.CancelRequested,
		&result, &code, &message, &job.CreatedAt, &job.StartedAt, &job.FinishedAt}, more...)
	if err := row.Scan(into...); err != nil {
		return Job{}, err
	}
	job.Params, job.Result = params, result
	if err := json.Unmarshal(progress, &job.Progress); err != nil {
		return Job{}, fmt.Errorf("reading the progress of job %s: %w", job.ID, err)
	}
	if code != nil {
		job.Error = &fault.Error{Code: *code, Message: *message}
	}
	return job, nil
}

// taskID names the task of one dispatch, so that Redis refuses a second one of the same.
func taskID(jobID string, dispatch int) string { return fmt.Sprintf("%s:%d", jobID, dispatch) }

// validText is what Postgres takes as text: everything but NUL and invalid UTF-8.
func validText(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
}
