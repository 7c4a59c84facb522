package cdr

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/internal/fault"
)

const (
	// spaceCheckBytes is how many bytes are written between two looks at the free space.
	spaceCheckBytes = 16 << 20
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

// megabytes prints a number of bytes for people.
func megabytes(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
