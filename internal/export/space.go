package export

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// spaceCheckBytes is how many bytes are written between two looks at the free space.
	spaceCheckBytes = 16 << 20
	// pauseInterval is how often a paused Write looks for space again.
	pauseInterval = time.Second
)

// floor keeps a file system's free space above a number of bytes.
type floor struct {
	dir    string
	bytes  uint64
	free   func(dir string) (uint64, error)
	poll   time.Duration
	paused func(paused bool, reason string)
	next   int64 // how many bytes are written when the next look is due
}

func newFloor(o Options) *floor {
	f := &floor{dir: o.Dir, bytes: o.MinFreeBytes, free: o.FreeSpace, poll: o.pausePoll, paused: o.Paused, next: spaceCheckBytes}
	if f.free == nil {
		f.free = FreeSpace
	}
	if f.poll == 0 {
		f.poll = pauseInterval
	}
	if f.paused == nil {
		f.paused = func(bool, string) {}
	}
	return f
}

// start refuses with a SpaceError where there is too little room.
func (f *floor) start() error {
	if f.bytes == 0 {
		return nil
	}
	free, err := f.free(f.dir)
	if err != nil {
		return fmt.Errorf("asking for the free space of %s: %w", f.dir, err)
	}
	if free < f.bytes {
		return &SpaceError{Dir: f.dir, Free: free, Need: f.bytes}
	}
	return nil
}

// wait looks at the free space where that is due after so many bytes, and waits until there is enough
// or ctx ends.
func (f *floor) wait(ctx context.Context, written int64) error {
	if f.bytes == 0 || written < f.next {
		return nil
	}
	f.next = written + spaceCheckBytes
	waiting := false
	for {
		free, err := f.free(f.dir)
		if err != nil {
			return fmt.Errorf("asking for the free space of %s: %w", f.dir, err)
		}
		if free >= f.bytes {
			if waiting {
				f.paused(false, "")
			}
			return nil
		}
		if !waiting {
			waiting = true
			f.paused(true, fmt.Sprintf("%s has %s free, and %s must stay free; the export goes on when there is more",
				f.dir, megabytes(free), megabytes(f.bytes)))
		}
		select {
		case <-time.After(f.poll):
		case <-ctx.Done():
			return stopped(ctx)
		}
	}
}

// FreeSpace asks the system what an ordinary user may still write.
func FreeSpace(dir string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}
