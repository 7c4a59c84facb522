package cdr

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrUnmarked says that no worker has run on this database yet, so that nothing is known of its store.
var ErrUnmarked = errors.New("no worker has run on this database yet")

// MarkStore leaves a worker's mark in the store, and the same in the database, so that a front end can
// see whether it looks at the same store.
func (e Exporter) MarkStore(ctx context.Context) error {
	mark := uuid.NewString()
	if err := e.Store.Mark(ctx, mark); err != nil {
		return err
	}
	_, err := e.PBX.Pool.Exec(ctx, `
		insert into trunkline.settings (name, value) values ('export_mark', $1)
		on conflict (name) do update set value = excluded.value`, mark)
	if err != nil {
		return fmt.Errorf("recording the mark in the export store: %w", err)
	}
	return nil
}

// CheckStore reports whether the store is the one that the workers write to. Errors: ErrUnmarked.
func (e Exporter) CheckStore(ctx context.Context) error {
	var mark string
	err := e.PBX.Pool.QueryRow(ctx, `select value from trunkline.settings where name = 'export_mark'`).Scan(&mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrUnmarked
	}
	if err != nil {
		return fmt.Errorf("reading the mark of the export store: %w", err)
	}
	return e.Store.CheckMark(ctx, mark)
}
