package worker

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// itemUnit is what a bulk job counts.
const itemUnit = "gateways"

// itemsJournal keeps what stood before each item's change in the item's sealed part, as this attempt's.
type itemsJournal struct {
	*bulk
	items []*bulkItem // in the order of the changes
	// superseded are the jobs that these changes ended, because they waited for what was replaced.
	superseded []string

	mu       sync.Mutex
	progress tasks.Progress
	before   int64 // the items that earlier attempts have ended
}

func newItemsJournal(b *bulk, items []*bulkItem) *itemsJournal {
	j := &itemsJournal{bulk: b, items: items, before: int64(b.Job.Items - len(items))}
	j.Ended(0)
	return j
}

// Earlier is what earlier attempts at this job wrote.
func (j *itemsJournal) Earlier() map[int]*gateway.Written {
	earlier := map[int]*gateway.Written{}
	for i, item := range j.items {
		if item.written != nil {
			earlier[i] = item.written
		}
	}
	return earlier
}

// Keep seals it into the items' rows.
func (j *itemsJournal) Keep(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, entries map[int]*gateway.Written) error {
	secrets := make(map[int]any, len(entries))
	changes := make([]kept, 0, len(entries))
	for i, entry := range entries {
		item := j.items[i]
		secrets[item.number] = &gateway.Secrets{Password: item.Password, Written: entry}
		changes = append(changes, kept{item: item.number, asked: &item.Request, known: item.known, written: entry})
	}
	if err := j.keepBeside(ctx, tx, batch, changes, &j.superseded); err != nil {
		return err
	}
	return j.SaveItemSecrets(ctx, tx, secrets)
}

// HandsOver reports whether another attempt goes on.
func (j *itemsJournal) HandsOver(err error) bool { return j.handsOver(err) }

// Note shows with the job's progress.
func (j *itemsJournal) Note(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Note = text
	j.report(j.progress)
}

// Ended shows how many of the changes every switch has taken up.
func (j *itemsJournal) Ended(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.progress.Done, j.progress.Total, j.progress.Unit = j.before+int64(n), int64(j.Job.Items), itemUnit
	j.report(j.progress)
}
