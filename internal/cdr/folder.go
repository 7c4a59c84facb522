package cdr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/atomicfile"
)

// markFile is the file that holds the mark.
const markFile = ".trunkline-worker"

// Folder is a Store in a folder; front ends and workers on several hosts share it as a volume.
type Folder struct {
	Dir string
	// MinFreeBytes must be free on the folder's file system: no file is begun below it, and writing pauses
	// when it falls below. 0 is no floor.
	MinFreeBytes uint64

	// free returns the bytes that are free for us; nil asks the system.
	free func(dir string) (uint64, error)
	// poll is how often a paused part looks for space again; 0 is pauseInterval.
	poll time.Duration
}

// Create implements Store.
func (f Folder) Create(_ context.Context, name string, attempt int, paused func(bool, string)) (Part, error) {
	part, err := f.create(name, attempt, paused)
	if err != nil {
		return nil, err
	}
	part.pastCache = openPastCache(part.File, part.part)
	return part, nil
}

func (f Folder) create(name string, attempt int, paused func(bool, string)) (*folderPart, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := f.checkSpace(); err != nil {
		return nil, err
	}
	path := filepath.Join(f.Dir, partName(name, attempt))
	if err := removeIfThere(path); err != nil { // from a crash of the same attempt
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, fmt.Errorf("creating the part: %w", err)
	}
	if paused == nil {
		paused = func(bool, string) {}
	}
	return &folderPart{folder: f, name: name, attempt: attempt, paused: paused, nextLook: spaceCheckBytes, part: path, File: file}, nil
}

// Open implements Store. The folder cannot be left through a link.
func (f Folder) Open(_ context.Context, name string) (io.ReadSeekCloser, int64, error) {
	file, err := os.OpenInRoot(f.Dir, name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

// Manifest implements Store.
func (f Folder) Manifest(_ context.Context, name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	file, err := os.OpenInRoot(f.Dir, name+manifestSuffix)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, manifestBytes))
}

// partRetention is how long what an attempt has left is kept for the next one.
const partRetention = 24 * time.Hour

// Prune implements Store: exports and what stands beside them, and, sooner, parts that nobody went on with.
func (f Folder) Prune(_ context.Context, before time.Time) error {
	entries, err := os.ReadDir(f.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, entry := range entries {
		info, err := entry.Info()
		limit := before
		if left := time.Now().Add(-partRetention); strings.HasSuffix(entry.Name(), partSuffix) && left.After(before) {
			limit = left
		}
		if err != nil || !info.Mode().IsRegular() || info.ModTime().After(limit) || !isExportFile(entry.Name()) {
			continue
		}
		failed = append(failed, removeIfThere(filepath.Join(f.Dir, entry.Name())))
	}
	return errors.Join(failed...)
}

// isExportFile reports whether the name is one that an export has: its id, a dot, the rest. A manifest
// that is not in its place yet has a dot before it.
func isExportFile(name string) bool {
	id, _, found := strings.Cut(strings.TrimPrefix(name, "."), ".")
	return found && uuid.Validate(id) == nil
}

// Mark implements Store.
func (f Folder) Mark(_ context.Context, mark string) error {
	if err := os.MkdirAll(f.Dir, folderMode); err != nil {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; make the folder, and give it to the user that runs trunkline", err)
	}
	file := atomicfile.Replacement{Path: filepath.Join(f.Dir, markFile), Content: []byte(mark), Mode: fileMode}
	if err := file.Write(); err != nil {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; give the folder to the user that runs trunkline", err)
	}
	return nil
}

// CheckMark implements Store.
func (f Folder) CheckMark(_ context.Context, mark string) error {
	content, err := os.ReadFile(filepath.Join(f.Dir, markFile))
	if errors.Is(err, fs.ErrNotExist) || err == nil && string(content) != mark {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %s is not the folder that the worker which started last writes to; "+
			"give api and workers the same folder (a shared volume if they run on several hosts)", f.Dir)
	}
	if err != nil {
		return fmt.Errorf("TRUNKLINE_EXPORT_DIR: %w; let the user that runs the front end read the folder", err)
	}
	return nil
}
