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
	"github.com/jackc/pgx/v5/pgtype"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// NewJob is a request for a job.
type NewJob struct {
	Kind           Kind
	DomainUUID     string // the tenant, or ""
	CreatedBy      string // the uuid of the FusionPBX user or of the token
	CreatedByName  string
	RequestID      string // of the request that asks for it, or ""
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
	// Callback is the URL that is told of the job's end, or "". It is kept sealed, for a token may stand in it.
	Callback string
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

// CreateIn makes new jobs in the caller's transaction, which is what asks for them: they attach to no others, and are let in
// however many wait. Once that is committed the caller has them admitted, with Admit or Finished.
func (c *Client) CreateIn(ctx context.Context, tx pgx.Tx, asked ...NewJob) ([]Job, error) {
	all := make([]*creation, len(asked))
	for i, n := range asked {
		params, err := json.Marshal(n.Params)
		if err != nil {
			return nil, fmt.Errorf("encoding a job's parameters: %w", err)
		}
		all[i] = &creation{NewJob: n, params: params}
	}
	if err := c.insert(ctx, tx, all); err != nil {
		return nil, err
	}
	return each(all, func(n *creation) Job { return n.job }), nil
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
		if err := findAll(ctx, tx, some); err != nil {
			return err
		}
		var fresh []*creation
		for i, made := range some {
			isNew := made.err == nil && made.job.ID == ""
			if again := made.job.State == StateFailed || made.job.State == StateCancelled; !isNew && !again {
				continue
			}
			if made.err = room.take(places[i]); made.err != nil {
				made.job = Job{}
				continue
			}
			if made.accepted = true; isNew {
				fresh = append(fresh, made)
			} else if err := c.insertAgain(ctx, tx, made); err != nil {
				return err
			}
		}
		return c.insert(ctx, tx, fresh)
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

// findAll looks for the jobs that the requests attach to.
func findAll(ctx context.Context, tx pgx.Tx, some []*creation) error {
	var keys []string
	for _, made := range some {
		made.job, made.accepted, made.err = Job{}, false, nil // the transaction together with others may have failed
		keys = append(keys, made.OrderKeys...)
	}
	// Most are about what no other job is about: that is seen of all of them at once.
	rows, _ := tx.Query(ctx, "select distinct key from trunkline.turns where key = any($1)", keys) // its error is the rows' too
	taken, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("looking for jobs about the same: %w", err)
	}
	batch := &pgx.Batch{}
	for _, made := range some {
		about := func(key string) bool { return slices.Contains(made.OrderKeys, key) }
		if made.requestKey() != "" || len(made.OrderKeys) == 0 || slices.ContainsFunc(taken, about) {
			made.find(batch)
		}
	}
	return tx.SendBatch(ctx, batch).Close()
}

// find queues the look for the job that the request attaches to. Its error is ErrKeyReused.
func (n *creation) find(batch *pgx.Batch) {
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

// newRow is the row of a job that is made, its lists as Postgres writes them.
type newRow struct {
	*creation
	id, orderKeys, domains, after string
	sealed                        []byte
}

// newRow makes the row, and writes the job's items.
func (c *Client) newRow(ctx context.Context, tx pgx.Tx, n *creation) (row newRow, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return row, fmt.Errorf("making a job id: %w", err)
	}
	row = newRow{creation: n, id: id.String()}
	if row.sealed, err = c.seal(row.id, n.Secrets); err != nil {
		return row, err
	}
	after, err := c.insertItems(ctx, tx, row.id, n.NewJob)
	if err != nil {
		return row, err
	}
	for _, list := range []struct {
		of []string
		as *string
	}{{n.OrderKeys, &row.orderKeys}, {n.domains(), &row.domains}, {after, &row.after}} {
		text, err := tx.Conn().TypeMap().Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, append([]string{}, list.of...), nil)
		if err != nil {
			return row, fmt.Errorf("encoding a list of job %s: %w", row.id, err)
		}
		*list.as = string(text)
	}
	return row, nil
}

// insert makes the jobs by one statement: what a statement costs by itself is more than what a row does. They take their
// turns in their order.
func (c *Client) insert(ctx context.Context, tx pgx.Tx, fresh []*creation) error {
	if len(fresh) == 0 {
		return nil
	}
	rows := make([]newRow, len(fresh))
	for i, n := range fresh {
		var err error
		if rows[i], err = c.newRow(ctx, tx, n); err != nil {
			return err
		}
	}
	made, err := all[Job](ctx, tx, `
		insert into trunkline.jobs (id, kind, state, domain_uuid, created_by, created_by_name, external_id, request_key,
			subject, body_hash, order_keys, urgent, params, sealed, items, domains, after, request_id)
		select id, kind, 'queued', nullif(domain, '')::uuid, by, by_name, nullif(external_id, ''), nullif(request_key, ''),
			subject, body_hash, `+inherited("keys")+`, urgent, params::json, sealed, items, domains::text[], after::uuid[], nullif(request_id, '')
		from (select *, asked.order_keys::text[] as keys
			from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[],
				$11::boolean[], $12::text[], $13::bytea[], $14::integer[], $15::text[], $16::text[], $17::text[]) with ordinality
			as asked (id, kind, domain, by, by_name, external_id, request_key, subject, body_hash, order_keys,
				urgent, params, sealed, items, domains, after, request_id, place)) as asked
		order by place
		returning `+jobColumns,
		each(rows, func(n newRow) string { return n.id }), each(rows, func(n newRow) string { return string(n.Kind) }),
		each(rows, func(n newRow) string { return n.DomainUUID }),
		each(rows, func(n newRow) string { return n.CreatedBy }), each(rows, func(n newRow) string { return n.CreatedByName }),
		each(rows, func(n newRow) string { return n.ExternalID }), each(rows, func(n newRow) string { return n.requestKey() }),
		each(rows, func(n newRow) string { return n.Subject }), each(rows, func(n newRow) []byte { return n.BodyHash }),
		each(rows, func(n newRow) string { return n.orderKeys }), each(rows, func(n newRow) bool { return n.Urgent }),
		each(rows, func(n newRow) string { return string(n.params) }), each(rows, func(n newRow) []byte { return n.sealed }),
		each(rows, func(n newRow) int { return len(n.Items) }),
		each(rows, func(n newRow) string { return n.domains }), each(rows, func(n newRow) string { return n.after }),
		each(rows, func(n newRow) string { return n.RequestID }))
	if err != nil {
		return fmt.Errorf("writing jobs: %w", err)
	}
	written := map[string]Job{}
	for _, job := range made {
		written[job.ID] = job
	}
	for _, row := range rows {
		row.job = written[row.id]
	}
	return c.insertCallbacks(ctx, tx, rows)
}

func each[T, V any](list []T, get func(T) V) []V {
	values := make([]V, len(list))
	for i, one := range list {
		values[i] = get(one)
	}
	return values
}

// insertAgain queues a job that ended without a result, as the request has it now.
func (c *Client) insertAgain(ctx context.Context, tx pgx.Tx, n *creation) error {
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
	n.job, err = one[Job](ctx, tx, `
		update trunkline.jobs set state = 'queued', params = $2, sealed = $3, order_keys = `+inherited("$4")+`, urgent = $5, items = $6, domains = $7,
			after = $8::uuid[], request_id = nullif($9, ''), `+freshRun+`
		where id = $1 returning `+jobColumns, id, n.params, sealed, n.OrderKeys, n.Urgent, len(n.Items), n.domains(), after, n.RequestID)
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
			subject, body_hash, params, result, result_rows, result_bytes, progress, dispatch, attempt, started_at, finished_at, request_id)
		values ($1, $2, 'succeeded', nullif($3, '')::uuid, $4, $5, nullif($6, ''), $7, $8, $9, $10, $11, $12, $13, 0, 1, now(), now(), nullif($14, ''))
		returning `+jobColumns,
		id, n.Kind, n.DomainUUID, n.CreatedBy, n.CreatedByName, n.ExternalID, n.Subject, n.BodyHash, params, outcome, rows, bytes,
		Progress{Done: rows, Total: rows, Unit: "rows"}, n.RequestID)
	if err != nil {
		return Job{}, fmt.Errorf("recording a finished job: %w", err)
	}
	return job, nil
}
