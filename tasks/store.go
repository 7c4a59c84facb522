package tasks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
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
	// SameBody are all the hashes that the same body may have in a row, after a rotation of the secret key;
	// none: BodyHash alone.
	SameBody [][]byte
	// OrderKeys are what the job takes its turn at: jobs that share one are carried out in the order in which
	// they were accepted. Empty: the order does not matter.
	OrderKeys []string
	Urgent    bool // it goes before others of its domain that wait
	Params    any
	Secrets   any // sealed; nil for none
	// Items make it a job of many, and Domains are those that they are about; "" is none.
	Items   []NewItem
	Domains []string
}

// requestKey is by what a repeated request finds the job of the first, or "".
func (n NewJob) requestKey() string {
	if n.IdempotencyKey == "" {
		return ""
	}
	return "k:" + n.IdempotencyKey
}

// hashes are those by which the body is told from another one.
func (n NewJob) hashes() [][]byte { return append([][]byte{n.BodyHash}, n.SameBody...) }

// locks are what no two requests may be accepted for at once.
func (n NewJob) locks() []string {
	if key := n.requestKey(); key != "" {
		return append([]string{"request " + string(n.Kind) + " " + n.CreatedBy + " " + key}, n.OrderKeys...)
	}
	return append([]string{"subject " + n.Subject}, n.OrderKeys...)
}

// creation is one request for a job, and what became of it.
type creation struct {
	NewJob
	params   []byte
	job      Job
	accepted bool
	err      error
}

// Create commits a job row in state queued, or attaches to the row that the same request made before.
// With a key: same body, in flight or succeeded: that job; failed or cancelled: that job queued again, in a
// turn of its own; another body: ErrKeyReused. Without a key: the newest unfinished job of what it is about,
// if that has the same body and is not being cancelled. A domain that has no room for another job gets a fault.RateLimited. It reports whether the job was accepted now, and waits to be admitted.
func (c *Client) Create(ctx context.Context, n NewJob) (job Job, accepted bool, err error) {
	made := &creation{NewJob: n}
	if made.params, err = json.Marshal(n.Params); err != nil {
		return Job{}, false, fmt.Errorf("encoding a job's parameters: %w", err)
	}
	if len(n.Items) == 0 { // whoever asks for jobs of one domain at the same time shares a transaction
		_, err = c.creations.Do(ctx, n.DomainUUID, made)
	} else {
		if n.Secrets == nil {
			made.Secrets = struct{}{} // it is wiped with the items' secrets, and says whether they are there
		}
		err = c.create(ctx, []*creation{made})
	}
	if err = cmp.Or(err, made.err); err != nil && !errors.Is(err, ErrKeyReused) && !fault.Is(err, fault.RateLimited) {
		err = fmt.Errorf("creating a job: %w", err)
	}
	return made.job, made.accepted && err == nil, err
}

// createAll creates jobs of one domain: those that exclude each other one after the other, the rest together.
func (c *Client) createAll(ctx context.Context, asked []*creation) []struct{} {
	for len(asked) > 0 {
		var some []*creation
		some, asked = apart(asked)
		c.createTogether(ctx, some)
	}
	return nil
}

// createTogether creates jobs in one transaction or, if the database refuses that for one of them, each in its own. What it
// fails for is each one's error.
func (c *Client) createTogether(ctx context.Context, some []*creation) {
	within, stop := context.WithTimeout(ctx, batchTimeout)
	defer stop()
	err := c.create(within, some)
	for _, made := range some {
		switch {
		case err == nil:
		case postgres.Refused(err) && len(some) > 1:
			c.createTogether(ctx, []*creation{made})
		default:
			made.err = err
		}
	}
}

// apart are the requests of which no two lock the same, and the rest, which wait for these or for each other.
func apart(asked []*creation) (some, rest []*creation) {
	locked := map[string]bool{}
	for _, made := range asked {
		locks := made.locks()
		if slices.ContainsFunc(locks, func(name string) bool { return locked[name] }) {
			rest = append(rest, made)
		} else {
			some = append(some, made)
		}
		for _, name := range locks {
			locked[name] = true
		}
	}
	return some, rest
}

// create does so in one transaction. What one of the requests is refused for is its own error, and no other's.
func (c *Client) create(ctx context.Context, some []*creation) error {
	return pgx.BeginFunc(ctx, c.pool, func(tx pgx.Tx) error {
		places := make([]place, len(some))
		for i, made := range some {
			places[i] = made.place()
		}
		room, err := c.lockForRoom(ctx, tx, places)
		if err != nil {
			return err
		}
		finding := &pgx.Batch{}
		for _, made := range some {
			made.find(finding)
		}
		if err := tx.SendBatch(ctx, finding).Close(); err != nil {
			return err
		}
		inserting := &pgx.Batch{}
		for i, made := range some {
			fresh := made.err == nil && made.job.ID == ""
			if again := made.job.State == StateFailed || made.job.State == StateCancelled; !fresh && !again {
				continue
			}
			if made.err = room.take(places[i]); made.err != nil {
				made.job = Job{}
				continue
			}
			insert := c.insert
			if !fresh {
				insert = c.insertAgain
			}
			if err := insert(ctx, tx, inserting, made); err != nil {
				return err
			}
			made.accepted = true
		}
		return tx.SendBatch(ctx, inserting).Close()
	})
}

// lockNames locks names until the transaction ends, always in the same order. It is a statement of its own: the next
// one sees what was committed before it had the locks.
const lockNames = "select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as key"

func lockKeys(names []string) []int64 {
	keys := make([]int64, len(names))
	for i, name := range names {
		keys[i] = postgres.LockKey("jobs of " + name)
	}
	slices.Sort(keys)
	return keys
}

// find looks for the job that the request attaches to. Its error is ErrKeyReused.
func (n *creation) find(batch *pgx.Batch) {
	n.job, n.accepted, n.err = Job{}, false, nil // the transaction together with others may have failed
	if n.requestKey() != "" {
		sql, args := byRequestKey(n.NewJob)
		batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[keyed])
			switch {
			case errors.Is(err, pgx.ErrNoRows):
				return nil
			case err == nil && !found.SameBody:
				n.err = ErrKeyReused
			case err == nil:
				n.job = found.Job
			}
			return err
		})
		return
	}
	// Without an order, any job that does the same is as good as another; one of many only while nothing was accepted
	// about one of its items since.
	newest := `any(array(select job.id from trunkline.jobs as job where subject = $4 and body_hash = any($3) and state in ('queued', 'running')
		and (items = 0 or not exists (select from trunkline.turns as mine join trunkline.turns as later using (key)
			where mine.job_id = job.id and later.turn > mine.turn))))`
	about := any(n.Subject)
	if len(n.OrderKeys) > 0 {
		newest, about = "(select job_id from trunkline.turns where key = any($4) order by turn desc limit 1)", n.OrderKeys
	}
	batch.Queue(`
		select `+jobColumns+` from trunkline.jobs
		where id = `+newest+` and created_by = $1 and kind = $2 and body_hash = any($3) and request_key is null
		and cancel_requested_at is null
		order by id desc limit 1`, n.CreatedBy, n.Kind, n.hashes(), about).Query(func(rows pgx.Rows) (err error) {
		n.job, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Job])
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
}

// inherited are a job's order keys, and those of the unfinished jobs that share one: whoever is about a gateway that is
// being renamed waits for all who are, by whichever of its names.
func inherited(keys string) string {
	return `array(select unnest(` + keys + `::text[]) union select others.key from trunkline.turns as shared,
		lateral (select key from trunkline.turns where job_id = shared.job_id and item = shared.item offset 0) as others
		where shared.key = any(` + keys + `::text[]))`
}

// insert queues the statement that makes the job, whose items it has written by then.
func (c *Client) insert(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, n *creation) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("making a job id: %w", err)
	}
	sealed, err := c.seal(id.String(), n.Secrets)
	if err != nil {
		return err
	}
	after, err := c.insertItems(ctx, tx, id.String(), n.NewJob)
	if err != nil {
		return err
	}
	batch.Queue(`
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id, request_key,
			subject, body_hash, order_keys, urgent, params, sealed, items, domains, after)
		values ($1, $2, 'queued', nullif($3, '')::uuid, $4, $5, nullif($6, ''), nullif($7, ''), $8, $9, `+inherited("$10")+`, $11, $12, $13,
			$14, $15, $16::uuid[])
		returning `+jobColumns,
		id.String(), n.Kind, n.DomainUUID, n.CreatedBy, n.CreatedByName, n.ExternalID, n.requestKey(),
		n.Subject, n.BodyHash, n.OrderKeys, n.Urgent, n.params, sealed, len(n.Items), n.domains(), after).Query(n.written)
	return nil
}

// insertAgain queues a job that ended without a result, as the request has it now.
func (c *Client) insertAgain(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, n *creation) error {
	id := n.job.ID
	sealed, err := c.seal(id, n.Secrets)
	if err != nil {
		return err
	}
	if n.job.Items > 0 {
		if _, err := tx.Exec(ctx, `delete from trunkline.items where job_id = $1`, id); err != nil {
			return fmt.Errorf("replacing the items of job %s: %w", id, err)
		}
	}
	after, err := c.insertItems(ctx, tx, id, n.NewJob)
	if err != nil {
		return err
	}
	batch.Queue(`
		update trunkline.jobs set state = 'queued', params = $2, sealed = $3, order_keys = `+inherited("$4")+`, urgent = $5, items = $6, domains = $7,
			after = $8::uuid[], `+freshRun+`
		where id = $1 returning `+jobColumns, id, n.params, sealed, n.OrderKeys, n.Urgent, len(n.Items), n.domains(), after).Query(n.written)
	return nil
}

// written takes the row as the database has it.
func (n *creation) written(rows pgx.Rows) (err error) {
	n.job, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Job])
	return err
}

// keyed is the job that has a request's key, and whether the body was the same.
type keyed struct {
	Job
	SameBody bool
}

// byRequestKey asks for the job that has the request's key.
func byRequestKey(n NewJob) (sql string, args []any) {
	return `
		select ` + jobColumns + `, body_hash = any($4) from trunkline.jobs
		where created_by = $1 and kind = $2 and request_key = $3`, []any{n.CreatedBy, n.Kind, n.requestKey(), n.hashes()}
}

// Earlier returns the job, in flight or succeeded, that the request's key belongs to. Its caller gets
// that job's result, whatever has become of the PBX since.
func (c *Client) Earlier(ctx context.Context, n NewJob) (job Job, found bool, err error) {
	if n.requestKey() == "" {
		return Job{}, false, nil
	}
	sql, args := byRequestKey(n)
	earlier, err := one[keyed](ctx, c.pool, sql, args...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Job{}, false, nil
	case err != nil:
		return Job{}, false, err
	case !earlier.SameBody:
		return Job{}, false, ErrKeyReused
	case earlier.State == StateFailed || earlier.State == StateCancelled:
		return Job{}, false, nil
	}
	return earlier.Job, true, nil
}

// freshRun gives a job that ended a new turn, and takes back what its run left in the row. The attempt's number
// stays, since it fences.
const freshRun = `turn = nextval('trunkline.turns_seq'), admitted_at = null, parked_at = null, wake_at = null, outcome = null, dispatch = dispatch + 1, worker = null, heartbeat_at = null, lost_workers = 0, cancel_requested_at = null, progress = '{}',
	result = null, error_code = null, error_message = null, started_at = null, finished_at = null, queued_at = now()`

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
			subject, body_hash, params, result, result_rows, result_bytes, progress, dispatch, attempt, started_at, finished_at)
		values ($1, $2, 'succeeded', nullif($3, '')::uuid, $4, $5, nullif($6, ''), $7, $8, $9, $10, $11, $12, $13, 0, 1, now(), now())
		returning `+jobColumns,
		id, n.Kind, n.DomainUUID, n.CreatedBy, n.CreatedByName, n.ExternalID, n.Subject, n.BodyHash, params, outcome, rows, bytes,
		Progress{Done: rows, Total: rows, Unit: "rows"})
	if err != nil {
		return Job{}, fmt.Errorf("recording a finished job: %w", err)
	}
	return job, nil
}
