package worker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
)

// retentionRound is how often the export folder is looked through for files past their time.
const retentionRound = time.Hour

// keepExportFolder deletes export files past their retention, at the start and then once a round.
func (w *Worker) keepExportFolder(ctx context.Context) {
	tick := time.NewTicker(retentionRound)
	defer tick.Stop()
	for {
		if err := w.deleteOldExports(time.Now().Add(-w.o.Exporter.Retention)); err != nil {
			w.o.Log.Warn("old exports stay behind", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// deleteOldExports deletes what was last written before the given time: exports, their manifests, and
// parts that a killed worker left.
func (w *Worker) deleteOldExports(before time.Time) error {
	entries, err := os.ReadDir(w.o.Exporter.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !info.Mode().IsRegular() || info.ModTime().After(before) || !isExportFile(entry.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(w.o.Exporter.Dir, entry.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// isExportFile reports whether the name is one that an export job gives: the job's id, a dot, the rest.
func isExportFile(name string) bool {
	id, _, found := strings.Cut(name, ".")
	return found && uuid.Validate(id) == nil
}
