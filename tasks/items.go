package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

// A job of many has items: each is what would be a job by itself, with parameters, secrets, an end and a place in
// the order of its own.

// ItemState is where an item stands: queued, or one of the three ends.
type ItemState string

// An item's states.
const (
	ItemQueued    ItemState = "queued"
	ItemSucceeded ItemState = "succeeded"
	ItemFailed    ItemState = "failed"
	// ItemSkipped: nothing was done, or it was put back, since another item failed or the job was cancelled.
	ItemSkipped ItemState = "skipped"
)

// ItemStates lists every state of an item, for checking a caller's filter.
var ItemStates = []ItemState{ItemQueued, ItemSucceeded, ItemFailed, ItemSkipped}

// NewItem is a request for one item.
type NewItem struct {
	Params    any          // what is asked of it, without secrets
	Secrets   any          // sealed; nil for none
	OrderKeys []string     // what the job takes its turn at for it; no two items share one
	Fault     *fault.Error // why nothing is to be done for it; nil: it is
}

// Item is one item without its secrets. Result is set if it succeeded, and Error if it did not.
type Item struct {
	Number int // from 1, in the order in which they were given
	State  ItemState
	Params json.RawMessage
	Result json.RawMessage
	Left   []byte // a keyed hash of what it left behind, or nil
	Error  *fault.Error
}

const itemColumns = `number, state, params, result, left_hash,
	case when error_code is not null then json_build_object('code', error_code, 'message', error_message) end`

// sealedFor is what an item's secrets are sealed for.
func sealedFor(jobID string, number int) string { return fmt.Sprintf("%s/%d", jobID, number) }

// insertItems writes the items of a job that is about to be inserted, and returns the jobs that they wait for.
func (c *Client) insertItems(ctx context.Context, tx pgx.Tx, jobID string, n NewJob) (after []string, err error) {
	if len(n.Items) == 0 {
		return []string{}, nil
	}
	if err := c.copyItems(ctx, tx, jobID, n.Items); err != nil {
		return nil, err
	}
	return queueItems(ctx, tx, jobID, n.domains())
}

// queueItems keeps others from taking turns in the items' domains until the transaction ends, so that no look at
// thousands of keys has to be locked by itself, and returns the jobs that the items wait for.
func queueItems(ctx context.Context, tx pgx.Tx, jobID string, domains []string) (after []string, err error) {
	if err := lockDomains(ctx, tx, domains); err != nil {
		return nil, err
	}
	if err := widenItems(ctx, tx, jobID); err != nil {
		return nil, err
	}
	return earlier(ctx, tx, jobID)
}

// linear carries out statements with joins that take time in proportion to the rows. The planner knows nothing of rows
// that were written a moment ago: it takes thousands for one, and would go through all of them for each of the others.
func linear(ctx context.Context, tx pgx.Tx, queue func(*pgx.Batch)) error {
	batch := &pgx.Batch{}
	batch.Queue("set local enable_nestloop = off")
	queue(batch)
	batch.Queue("set local enable_nestloop to default")
	return tx.SendBatch(ctx, batch).Close()
}

func (c *Client) copyItems(ctx context.Context, tx pgx.Tx, jobID string, items []NewItem) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"trunkline", "items"},
		[]string{"job_id", "number", "state", "refused", "order_keys", "params", "sealed", "error_code", "error_message"},
		pgx.CopyFromSlice(len(items), func(i int) ([]any, error) {
			n := items[i]
			params, err := json.Marshal(n.Params)
			if err != nil {
				return nil, fmt.Errorf("encoding the parameters of item %d: %w", i+1, err)
			}
			if n.Fault != nil {
				return []any{jobID, i + 1, ItemFailed, true, []string{}, params, nil, n.Fault.Code, validText(n.Fault.Message)}, nil
			}
			sealed, err := c.seal(sealedFor(jobID, i+1), n.Secrets)
			return []any{jobID, i + 1, ItemQueued, false, append([]string{}, n.OrderKeys...), params, sealed, nil, nil}, err
		}))
	if err != nil {
		return fmt.Errorf("writing the items of job %s: %w", jobID, err)
	}
	return nil
}

// ownKeys are the keys of the job's items that are to be done.
const ownKeys = `(select number, unnest(order_keys) as key from trunkline.items where job_id = $1 and state <> 'succeeded' and not refused) as own`

// widenItems has each item take its turn also at the keys of the unfinished jobs that share one with it, see inherited.
func widenItems(ctx context.Context, tx pgx.Tx, jobID string) error {
	err := linear(ctx, tx, func(batch *pgx.Batch) {
		batch.Queue(`
		with shared as (
			select own.number, array_agg(distinct others.key) as keys from `+ownKeys+`
			join trunkline.turns as mine using (key) join trunkline.turns as others using (job_id, item) group by 1)
		update trunkline.items set order_keys = array(select unnest(order_keys) union select unnest(shared.keys))
		from shared where items.job_id = $1 and items.number = shared.number`, jobID)
	})
	if err != nil {
		return fmt.Errorf("ordering the items of job %s: %w", jobID, err)
	}
	return nil
}

// earlier are the jobs that the items of a job wait for, while nobody else takes a turn in their domains.
func earlier(ctx context.Context, tx pgx.Tx, jobID string) (ids []string, err error) {
	err = linear(ctx, tx, func(batch *pgx.Batch) {
		batch.Queue(`
			select distinct turns.job_id::text from `+ownKeys+` join trunkline.turns using (key) where turns.holds`, jobID).Query(func(rows pgx.Rows) error {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("asking what job %s waits for: %w", jobID, err)
	}
	return append([]string{}, ids...), nil
}

// ItemFilter says which items a page has: those in a state and with an outcome ("" for any), after the number After, at
// most Limit.
type ItemFilter struct {
	State   ItemState
	Outcome string
	After   int
	Limit   int
}

// Items returns one page of the job's items in their order, and the After of the next one, 0 on the last.
func (c *Client) Items(ctx context.Context, job Job, f ItemFilter) (items []Item, next int, err error) {
	items, err = all[Item](ctx, c.pool, `
		select `+itemColumns+` from trunkline.items
		where job_id = $1 and ($2 = '' or state = $2) and number > $3 and ($5 = '' or outcome = $5) order by number limit $4`,
		job.ID, string(f.State), f.After, f.Limit+1, f.Outcome)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the items of job %s: %w", job.ID, err)
	}
	if len(items) > f.Limit {
		items = items[:f.Limit]
		next = items[f.Limit-1].Number
	}
	return items, next, nil
}

// ItemCounts returns how many of the job's items are in each state; a state that is not in the map has none.
func (c *Client) ItemCounts(ctx context.Context, job Job) (map[ItemState]int, error) {
	found, err := all[struct {
		State ItemState
		Items int
	}](ctx, c.pool, `select state, count(*) from trunkline.items where job_id = $1 group by state`, job.ID)
	if err != nil {
		return nil, fmt.Errorf("counting the items of job %s: %w", job.ID, err)
	}
	counts := map[ItemState]int{}
	for _, f := range found {
		counts[f.State] = f.Items
	}
	return counts, nil
}

// OutcomeCount is how many items of a job are in one state with one outcome.
type OutcomeCount struct {
	State   ItemState
	Outcome string // the state, if it has none of its own
	Items   int
}

// Outcomes counts the job's items.
func (a *Attempt) Outcomes(ctx context.Context) ([]OutcomeCount, error) {
	counts, err := all[OutcomeCount](ctx, a.client.pool, `
		select state, coalesce(outcome, state), count(*) from trunkline.items where job_id = $1 group by 1, 2`, a.Job.ID)
	if err != nil {
		return nil, fmt.Errorf("counting what became of the items of job %s: %w", a.Job.ID, err)
	}
	return counts, nil
}

// Todo is an item that an attempt has yet to bring to its end.
type Todo struct {
	Number  int
	Params  json.RawMessage
	attempt *Attempt
	sealed  []byte
}

// Secrets opens the sealed part of the item into v.
func (t *Todo) Secrets(v any) error {
	if t.sealed == nil {
		return nil
	}
	return t.attempt.client.keys.Open(sealedFor(t.attempt.Job.ID, t.Number), t.sealed, v)
}

// EachTodo calls do with each item that has not ended, in their order, as it comes from the database: what is made of
// ten thousand takes less memory than they do as they are kept. The first error of do ends it.
func (a *Attempt) EachTodo(ctx context.Context, do func(*Todo) error) error {
	var t Todo
	var failed error
	rows, _ := a.client.pool.Query(ctx, `
		select number, params, sealed from trunkline.items where job_id = $1 and state = 'queued' order by number`, a.Job.ID)
	_, err := pgx.ForEachRow(rows, []any{&t.Number, (*[]byte)(&t.Params), &t.sealed}, func() error {
		failed = do(&Todo{t.Number, t.Params, a, t.sealed})
		return failed
	})
	if err != nil && failed == nil {
		return fmt.Errorf("reading the items of job %s: %w", a.Job.ID, err)
	}
	return failed
}

// itemsAtOnce is how many items one statement writes: what pgx makes of its parameters is several times as much as they
// are, and stays until their connection's next statement.
const itemsAtOnce = 500

// SaveItemSecrets seals what is given of each item, by its number, into its row in the caller's transaction, which
// fails with ErrFenced if the job is no longer this attempt's.
func (a *Attempt) SaveItemSecrets(ctx context.Context, tx pgx.Tx, secrets map[int]any) error {
	if err := a.Fence(ctx, tx); err != nil {
		return err
	}
	for numbers := range slices.Chunk(slices.Sorted(maps.Keys(secrets)), itemsAtOnce) {
		sealed := make([][]byte, len(numbers))
		for i, number := range numbers {
			var err error
			if sealed[i], err = a.client.keys.Seal(sealedFor(a.Job.ID, number), secrets[number]); err != nil {
				return err
			}
		}
		err := linear(ctx, tx, func(batch *pgx.Batch) {
			batch.Queue(`
				update trunkline.items set sealed = saved.sealed from unnest($2::integer[], $3::bytea[]) as saved (number, sealed)
				where job_id = $1 and items.number between $4 and $5 and items.number = saved.number and state = 'queued'`,
				a.Job.ID, numbers, sealed, numbers[0], numbers[len(numbers)-1])
		})
		if err != nil {
			return fmt.Errorf("saving the items of job %s: %w", a.Job.ID, err)
		}
	}
	return nil
}

// ItemEnd is how an item has ended: with a result, or with an error. What failed or was skipped keeps its secrets for a
// retry.
type ItemEnd struct {
	Number  int
	Outcome string       // in a word, for counting; "" for its state
	Result  any          // if it succeeded
	Error   *fault.Error // if it did not
	Skipped bool         // not for a fault of its own
}

func (e ItemEnd) state() ItemState {
	switch {
	case e.Error == nil:
		return ItemSucceeded
	case e.Skipped:
		return ItemSkipped
	}
	return ItemFailed
}

// EndItems ends items: what was sent later about the same things need not wait for the others. The caller admits
// jobs then.
func (a *Attempt) EndItems(ctx context.Context, ends []ItemEnd) error {
	if len(ends) == 0 {
		return nil
	}
	var numbers []int
	var states []ItemState
	var outcomes, results, codes, messages []*string
	var left [][]byte
	for _, e := range ends {
		var outcome, result, code, message *string
		if e.Outcome != "" {
			outcome = &e.Outcome
		}
		if e.Error != nil {
			worded := validText(e.Error.Message)
			code, message = &e.Error.Code, &worded
		} else {
			encoded, err := json.Marshal(e.Result)
			if err != nil {
				return fmt.Errorf("encoding the result of item %d of job %s: %w", e.Number, a.Job.ID, err)
			}
			text := string(encoded)
			result = &text
		}
		numbers, states, left = append(numbers, e.Number), append(states, e.state()), append(left, leftBy(e.Result))
		outcomes, results, codes, messages = append(outcomes, outcome), append(results, result), append(codes, code), append(messages, message)
	}
	return pgx.BeginFunc(ctx, a.client.pool, func(tx pgx.Tx) error {
		if err := a.Fence(ctx, tx); err != nil {
			return err
		}
		err := linear(ctx, tx, func(batch *pgx.Batch) {
			batch.Queue(`
			update trunkline.items set state = ended.state, result = ended.result::json, left_hash = ended.left_hash, error_code = ended.code,
				error_message = ended.message, outcome = ended.outcome, sealed = case when ended.state <> 'succeeded' then sealed end
			from unnest($2::integer[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::text[], $8::text[]) as ended (number, state, result, left_hash, code, message, outcome)
			where job_id = $1 and items.number between $9 and $10 and items.number = ended.number and items.state = 'queued'`,
				a.Job.ID, numbers, states, results, left, codes, messages, outcomes, slices.Min(numbers), slices.Max(numbers))
			batch.Queue(`delete from trunkline.turns using unnest($2::integer[]) as ended (number) where job_id = $1 and item = ended.number`, a.Job.ID, numbers)
		})
		if err != nil {
			return fmt.Errorf("ending items of job %s: %w", a.Job.ID, err)
		}
		return nil
	})
}

// domains are those of the items, each once.
func (n NewJob) domains() []string {
	domains := slices.Clone(n.Domains)
	slices.Sort(domains)
	return append([]string{}, slices.Compact(domains)...)
}
