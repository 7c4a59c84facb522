package cdr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/internal/fault"
)

const (
	// spaceCheckBytes is how many bytes are written between two looks at the free space.
	spaceCheckBytes = 16 << 20
	// writeBackBytes is how many bytes are written before the system is asked to bring them to the disk, so that Sync has few
	// left to wait for.
	writeBackBytes = 8 << 20
	// pauseInterval is how often a paused part looks for space again.
	pauseInterval = time.Second
)

// FreeSpace asks the system what an ordinary user may still write to the folder's file system, in bytes.
func FreeSpace(dir string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}

// space returns how many bytes are free, and whether that is enough.
func (f Folder) space() (free uint64, enough bool, err error) {
	if f.MinFreeBytes == 0 {
		return 0, true, nil
	}
	look := FreeSpace
	if f.free != nil {
		look = f.free
	}
	if free, err = look(f.Dir); err != nil {
		return 0, false, fmt.Errorf("asking for the free space of %s: %w", f.Dir, err)
	}
	return free, free >= f.MinFreeBytes, nil
}

// checkSpace refuses if there is too little room to begin a file.
func (f Folder) checkSpace() error {
	free, enough, err := f.space()
	if err != nil || enough {
		return err
	}
	return fault.Errorf(fault.InsufficientStorage, "%s has %s free and an export needs %s to start; delete old exports or lower the floor of free space",
		f.Dir, megabytes(free), megabytes(f.MinFreeBytes))
}

// WaitForSpace implements export.Out: it looks at the free space if that is due after so many bytes, and waits
// until there is enough or ctx ends.
func (p *folderPart) WaitForSpace(ctx context.Context, written int64) error {
	if written < p.nextLook {
		return nil
	}
	p.nextLook = written + spaceCheckBytes
	for waiting := false; ; waiting = true {
		free, enough, err := p.folder.space()
		switch {
		case err != nil:
			return err
		case enough:
			if waiting {
				p.paused(false, "")
			}
			return nil
		case !waiting:
			p.paused(true, fmt.Sprintf("%s has %s free, and %s must stay free; the export goes on when there is more",
				p.folder.Dir, megabytes(free), megabytes(p.folder.MinFreeBytes)))
		}
		select {
		case <-time.After(cmp.Or(p.folder.poll, pauseInterval)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Write implements export.Out. Errors: a fault.InsufficientStorage.
func (p *folderPart) Write(content []byte) (int, error) {
	if err := p.pastCache.write(p.File, content); err != nil {
		return 0, p.noRoom(err)
	}
	p.written += int64(len(content))
	if p.pastCache.file == nil && p.written-p.underWay >= writeBackBytes {
		startWriteBack(p.File, p.underWay, p.written-p.underWay)
		p.underWay = p.written
	}
	return len(content), nil
}

// Flush implements export.Out. Errors as Write's.
func (p *folderPart) Flush() error { return p.noRoom(p.pastCache.flush(p.File)) }

// Sync implements export.Out. Errors as Write's: some file systems say only then that they are full.
func (p *folderPart) Sync() error {
	if err := p.Flush(); err != nil {
		return err
	}
	return p.noRoom(p.File.Sync())
}

// noRoom says in an operator's words that the system has no room for what was to be written, if that is the error.
func (p *folderPart) noRoom(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault.Errorf(fault.InsufficientStorage, "%s has no room for the export; delete old exports, enlarge the file system or the quota, or raise TRUNKLINE_EXPORT_MIN_FREE_BYTES, below which exports wait for room: %w", p.folder.Dir, err)
	case errors.Is(err, unix.EFBIG):
		return fault.Errorf(fault.InsufficientStorage, "the export is larger than a file may be in %s; raise the limit on the size of files (ulimit -f), or ask for less, or for a compression: %w", p.folder.Dir, err)
	}
	return err
}

// megabytes prints a number of bytes for people.
func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
