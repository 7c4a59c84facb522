package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
	"unique"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// bulk makes, changes or deletes many gateways, or says what it would do.
func (w *Worker) bulk(ctx context.Context, r *run) (any, error) {
	b := &bulk{Worker: w, run: r}
	r.resumes = r.sleeps()
	if err := json.Unmarshal(r.Job.Params, &b.asked); err != nil {
		return nil, fault.Errorf(fault.ServerError, "the job's parameters cannot be read: %w", err)
	}
	// A job that is cancelled between two attempts comes as far as to put back what the first one wrote.
	reading, stop := context.WithTimeout(context.WithoutCancel(ctx), bulkReadTime)
	defer stop()
	if err := b.read(reading); err != nil {
		return nil, err
	}
	if err := b.resolve(reading); err != nil {
		return nil, err
	}
	if err := b.stillLeft(reading); err != nil {
		return nil, err
	}
	if err := b.stillAll(reading); err != nil {
		return nil, err
	}
	if b.asked.DryRun {
		return b.compare(ctx)
	}
	return b.apply(ctx)
}

const (
	// bulkReadTime bounds the reading of what is asked, which a request to cancel does not interrupt, and bulkEndTime
	// the writing of what became of it.
	bulkReadTime = time.Minute
	bulkEndTime  = time.Minute
	// itemsAtOnce is how many items are asked about, or ended, at once, so that what is made of them for that is not held
	// of ten thousand together.
	itemsAtOnce = 1000
)

// bulk is one attempt at a bulk job.
type bulk struct {
	*Worker
	*run
	asked gateway.Bulk
	items []*bulkItem

	first     *tasks.ItemEnd // the first that ended with a fault, of its own if there is one
	succeeded int            // of the job's items, once all have ended
}

// bulkItem is one item on its way. Ten thousand are held at once: it has of the item what is to be done, and that once.
type bulkItem struct {
	gateway.Change
	number  int
	written *gateway.Written  // what an earlier attempt wrote
	left    *gateway.Standing // of a retry: what the failed job left behind
	known   bool              // its gateway has its external_id from before
}

// read reads the items that have not ended.
func (b *bulk) read(ctx context.Context) error {
	return b.EachTodo(ctx, func(t *tasks.Todo) error {
		item := &bulkItem{number: t.Number}
		if err := json.Unmarshal(t.Params, &item.Request); err != nil {
			return fault.Errorf(fault.ServerError, "the parameters of item %d cannot be read: %w", t.Number, err)
		}
		var secrets gateway.Secrets
		if err := t.Secrets(&secrets); err != nil {
			return fault.Errorf(fault.ServerError, "%w; use the same key in every process, then send the request again", err)
		}
		for _, text := range []*string{&item.DomainUUID, &item.DomainName} {
			*text = unique.Make(*text).Value() // most items are of one domain
		}
		item.Password, item.By, item.written, item.left = secrets.Password, b.Job.CreatedBy, secrets.Written, secrets.Left
		b.items = append(b.items, item)
		return nil
	})
}

// compare is a dry run.
func (b *bulk) compare(ctx context.Context) (any, error) {
	ends := make([]tasks.ItemEnd, 0, len(b.items))
	var todo []*bulkItem
	for _, item := range b.items {
		if item.Refused != nil {
			ends = append(ends, item.end(gateway.InConflict, nil, item.Refused, false))
			continue
		}
		todo = append(todo, item)
	}
	differences := b.applier.Diff(ctx, changes(todo))
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for i, difference := range differences {
		if b.handsOver(difference.Err) {
			return nil, difference.Err
		}
		ends = append(ends, todo[i].end(difference.Action, difference, difference.Err, false))
	}
	if err := b.endItems(ctx, ends); err != nil {
		return nil, err
	}
	return b.end(ctx)
}

func changes(items []*bulkItem) []*gateway.Change {
	changes := make([]*gateway.Change, len(items))
	for i, item := range items {
		changes[i] = &item.Change
	}
	return changes
}

// resolve finds the gateways that external_ids name.
func (b *bulk) resolve(ctx context.Context) error {
	for items := range slices.Chunk(b.items, itemsAtOnce) {
		asked := requests(items)
		resolved, faults, err := gateway.ResolveAll(ctx, b.o.PBX, asked)
		if err != nil {
			return err
		}
		for i, item := range items {
			switch {
			case item.written != nil && faults[i] != nil: // what an earlier attempt wrote is this one's to finish
				item.GatewayUUID, item.known = item.written.Row.UUID, !item.written.Named
			default:
				item.known, item.Refused = knownBefore(&asked[i], &resolved[i], item.written), faults[i]
				item.Request = resolved[i]
			}
		}
	}
	b.patient = !slices.ContainsFunc(b.items, func(i *bulkItem) bool { return !i.Stops() })
	return nil
}

// stillLeft refuses the items of a retry whose gateways were changed since they failed.
func (b *bulk) stillLeft(ctx context.Context) error {
	if err := b.endUnknown(ctx); err != nil {
		return err
	}
	var retried []*bulkItem
	for _, item := range b.items {
		if item.Refused == nil && item.left != nil {
			retried = append(retried, item)
		}
	}
	for some := range slices.Chunk(retried, itemsAtOnce) {
		rows, err := gateway.ExistingOfAll(ctx, b.o.PBX.FusionPBX, requests(some))
		if err != nil {
			return err
		}
		for i, item := range some {
			item.Refused = item.left.Check(rows[i])
		}
	}
	return nil
}

// endUnknown ends the items of a retry of which it is not known how they were left, as those are of which a worker was
// lost. It does so before the retry does anything: what that writes has nothing that was left either.
func (b *bulk) endUnknown(ctx context.Context) error {
	var secrets gateway.Secrets
	if err := b.Secrets(&secrets); err != nil || !secrets.Retried || b.asked.DryRun {
		return err
	}
	var ends []tasks.ItemEnd
	b.items = slices.DeleteFunc(b.items, func(item *bulkItem) bool {
		if item.left == nil {
			ends = append(ends, item.end("", nil, item.left.Check(nil), false))
		}
		return item.left == nil
	})
	if err := b.endItems(ctx, ends); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	if err := b.SaveSecrets(batch, gateway.Secrets{}); err != nil {
		return err
	}
	return b.o.PBX.Pool.SendBatch(ctx, batch).Close()
}

// stillAll refuses every item if it is to be all or none and one has ended already, before this attempt, with nothing
// done.
func (b *bulk) stillAll(ctx context.Context) error {
	if b.asked.Mode != gateway.ModeAll || b.asked.DryRun {
		return nil
	}
	counts, err := b.Outcomes(ctx)
	if err != nil || !slices.ContainsFunc(counts, func(c tasks.OutcomeCount) bool { return c.State == tasks.ItemFailed || c.State == tasks.ItemSkipped }) {
		return err
	}
	for _, item := range b.items {
		if item.Refused == nil {
			item.Refused = fault.Errorf(fault.Skipped, "not done, since all was to be done or nothing and another item is at fault; correct that one, then send all of them again")
		}
	}
	return nil
}

func requests(items []*bulkItem) []gateway.Request {
	asked := make([]gateway.Request, len(items))
	for i, item := range items {
		asked[i] = item.Request
	}
	return asked
}

// apply does what is asked. What another attempt has to go on with is left as it is.
func (b *bulk) apply(ctx context.Context) (any, error) {
	j := newItemsJournal(b, b.items)
	apply := b.applier.Apply
	if b.asked.Mode == gateway.ModeAll {
		apply = b.applier.ApplyAll
	}
	outcomes := apply(ctx, changes(b.items), j)
	for _, id := range j.superseded {
		b.o.Tasks.Finished(ctx, id)
	}
	// What has ended is written whatever ended the work.
	ending, stop := context.WithTimeout(context.WithoutCancel(ctx), bulkEndTime)
	defer stop()
	var goesOn, err error
	// Some at a time: the results of ten thousand take as much as all that led to them.
	for at := 0; at < len(b.items) && err == nil; at += itemsAtOnce {
		until := min(at+itemsAtOnce, len(b.items))
		ended, other := b.settle(ending, b.items[at:until], outcomes[at:until])
		goesOn, err = cmp.Or(goesOn, other), b.endItems(ending, ended)
	}
	if goesOn != nil || err != nil {
		return nil, errors.Join(goesOn, err)
	}
	result, err := b.end(ending)
	if b.partial && errors.Is(context.Cause(ctx), errCancelRequested) {
		return nil, fault.Errorf(fault.Cancelled, "cancelled while it ran: %d of %d gateways were done and stand; each of the others says what became of it", b.succeeded, b.Job.Items)
	}
	return result, err
}

// settle says how the items end that were done, or could not be. goesOn is why another attempt has to go on with others.
func (b *bulk) settle(ctx context.Context, todo []*bulkItem, outcomes []gateway.Outcome) (ends []tasks.ItemEnd, goesOn error) {
	var left []*bulkItem
	var deleted []string
	for i, o := range outcomes {
		item := todo[i]
		if o.Err != nil && b.handsOver(o.Err) {
			goesOn = o.Err
			continue
		}
		// What was changed since it was left stays known as it was left then.
		if o.Err != nil && o.Settled && (item.Refused == nil || item.left == nil) {
			left = append(left, item)
		}
		result := o.Result()
		if o.Err == nil && result.Action == gateway.Deleted {
			deleted = append(deleted, result.GatewayUUID)
		}
		ends = append(ends, item.end(result.Action, result, o.Err, o.Skipped || fault.Is(o.Err, fault.Skipped)))
	}
	b.keepLeft(ctx, left)
	if err := gateway.ForgetExternally(ctx, b.o.PBX.Pool, deleted); err != nil {
		b.log.Warn("the deleted gateways' external_ids are kept; they name nothing", "error", err)
	}
	return ends, goesOn
}

// end is how the item ends: with a result, or an error.
func (i *bulkItem) end(outcome string, result any, err error, skipped bool) tasks.ItemEnd {
	if err == nil {
		return tasks.ItemEnd{Number: i.number, Outcome: outcome, Result: result}
	}
	failure, worded := errors.AsType[*fault.Error](err)
	if !worded {
		failure = fault.Errorf(fault.ServerError, "%w", err)
	}
	return tasks.ItemEnd{Number: i.number, Outcome: outcome, Error: failure, Skipped: skipped}
}

func (b *bulk) endItems(ctx context.Context, ends []tasks.ItemEnd) error {
	for some := range slices.Chunk(ends, itemsAtOnce) {
		if err := b.EndItems(ctx, some); err != nil {
			return err
		}
	}
	for _, e := range ends {
		if e.Error != nil && (b.first == nil || b.first.Skipped && !e.Skipped) {
			b.first = &e
		}
	}
	return nil
}

// end says how the job ends whose items have ended: a dry run has done what it was to, whatever it found.
func (b *bulk) end(ctx context.Context) (any, error) {
	counts, err := b.Outcomes(ctx)
	if err != nil {
		return nil, err
	}
	result := gateway.BulkResult{Mode: b.asked.Mode, Action: b.asked.Action, DryRun: b.asked.DryRun, Counts: map[string]int{"total": b.Job.Items}}
	for _, c := range counts {
		result.Counts[c.Outcome] += c.Items
		if c.State == tasks.ItemSucceeded {
			b.succeeded += c.Items
		}
	}
	failed := b.Job.Items - b.succeeded
	b.report(tasks.Progress{Done: int64(b.Job.Items), Total: int64(b.Job.Items), Failed: int64(failed), Unit: itemUnit})
	if b.asked.DryRun || failed == 0 {
		return result, nil
	}
	if b.partial = b.succeeded > 0; b.partial {
		return result, nil
	}
	return nil, b.failure()
}

// failure is why nothing was done: the first fault.
func (b *bulk) failure() error {
	if b.first == nil {
		return fault.Errorf(fault.InvalidRequest, "none of the %d gateways was changed; each item says why", b.Job.Items)
	}
	return fault.Errorf(b.first.Error.Code, "none of the %d gateways was changed; item %d: %s", b.Job.Items, b.first.Number, b.first.Error.Message)
}
