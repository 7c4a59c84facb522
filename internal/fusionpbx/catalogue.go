package fusionpbx

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/internal/postgres"
)

// catalogue is what is known of FusionPBX's tables. FusionPBX may be upgraded while Trunkline runs, so that it is
// read anew every minute, and when a statement fails for it.
type catalogue struct {
	q      Querier
	tables atomic.Pointer[tables]
	mu     sync.Mutex // is held by the one who reads it anew
}

// tables are the columns' types as format_type names them, by table and column.
type tables map[string]map[string]string

// followEvery is how often the catalogue is read anew though nothing failed.
const followEvery = time.Minute

// Follow keeps up with FusionPBX's tables until ctx ends.
func (d *DB) Follow(ctx context.Context, log *slog.Logger) error {
	tick := time.Tick(followEvery)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		switch changed, err := d.Refresh(ctx); {
		case err != nil && ctx.Err() == nil:
			log.Warn("FusionPBX's tables are not as Trunkline knows them; an upgrade may be running", "error", err)
		case changed:
			log.Info("FusionPBX's tables have changed, and Trunkline goes by what they are now")
		}
	}
}

// Refresh reads the catalogue anew, and reports whether it has changed. Without the tables that Trunkline needs the
// one before stays.
func (d *DB) Refresh(ctx context.Context) (changed bool, err error) {
	d.known.mu.Lock()
	defer d.known.mu.Unlock()
	now, err := Probe(ctx, d.known.q)
	if err != nil {
		return false, err
	}
	before := d.tables()
	changed = !maps.EqualFunc(before, now.tables(), maps.Equal[map[string]string, map[string]string])
	if changed {
		d.known.tables.Store(now.known.tables.Load())
	}
	return changed, nil
}

func (d *DB) tables() tables { return *d.known.tables.Load() }

// Again does something and, if it fails because the tables have changed (FusionPBX was upgraded meanwhile), once more
// when they are known anew. Within a transaction, which the failure has ended, that is for whoever began it.
func (d *DB) Again(ctx context.Context, do func() error) error {
	err := do()
	if d.within || !postgres.SchemaChanged(err) {
		return err
	}
	if _, failed := d.Refresh(ctx); failed != nil {
		return err
	}
	return do()
}

// again asks a question as Again does.
func again[T any](ctx context.Context, d *DB, ask func() (T, error)) (value T, err error) {
	err = d.Again(ctx, func() (err error) {
		value, err = ask()
		return err
	})
	return value, err
}
