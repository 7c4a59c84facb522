package tasks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// exportMark is a file that workers leave in the export folder. What it holds is also in Postgres, so
// that the front end can see whether both look at the same folder.
const exportMark = ".trunkline-worker"

// MarkExportDir makes the export folder where it is absent and leaves a worker's mark in it.
func (s *Store) MarkExportDir(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; make the folder, and give it to the user that runs trunkline", err)
	}
	mark := uuid.NewString()
	if err := os.WriteFile(filepath.Join(dir, exportMark), []byte(mark), 0o640); err != nil {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; give the folder to the user that runs trunkline", err)
	}
	_, err := s.pool.Exec(ctx, `
		insert into trunkline.settings (name, value) values ('export_mark', $1)
		on conflict (name) do update set value = excluded.value`, mark)
	if err != nil {
		return fmt.Errorf("recording the mark in the export folder: %w", err)
	}
	return nil
}

// CheckExportDir reports whether the folder is the one that the workers write to; ErrNotFound where no
// worker has run on this database yet.
func (s *Store) CheckExportDir(ctx context.Context, dir string) error {
	var mark string
	err := s.pool.QueryRow(ctx, `select value from trunkline.settings where name = 'export_mark'`).Scan(&mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("reading the mark of the export folder: %w", err)
	}
	content, err := os.ReadFile(filepath.Join(dir, exportMark))
	if errors.Is(err, fs.ErrNotExist) || err == nil && string(content) != mark {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %s is not the folder that the worker which started last writes to; "+
			"give api and workers the same folder (a shared volume where they run on several hosts)", dir)
	}
	if err != nil {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; let the user that runs the front end read the folder", err)
	}
	return nil
}
