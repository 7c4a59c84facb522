package whitelist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/internal/atomicfile"
	"trunkline/internal/fault"
	"trunkline/internal/watch"
)

const (
	// newMode is the mode of a file that was not there: the user that runs trunkline, who need not be
	// the one who made it, has to read it, and there is no secret in it.
	newMode fs.FileMode = 0o644
	// lockPatience is how long an edit waits for others to end theirs.
	lockPatience = 5 * time.Second
	// lockPoll is how often it tries.
	lockPoll = 10 * time.Millisecond
)

// target is the file that an edit replaces: what Path links to, if it is a link.
func (f File) target() (string, error) {
	target, err := filepath.EvalSymlinks(f.Path)
	if err == nil {
		return target, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fault.Errorf(fault.NotWritable, "the whitelist %s cannot be found: %w", f.Path, err)
	}
	if link, err := os.Readlink(f.Path); err == nil {
		return "", &fault.Error{Code: fault.NotWritable, Cause: fs.ErrNotExist, Message: fmt.Sprintf("the whitelist %s is a link to %s, which is not there; make that file or remove the link", f.Path, link)}
	}
	folder := filepath.Dir(f.Path)
	if _, err := os.Stat(folder); err != nil {
		return "", &fault.Error{Code: fault.NotWritable, Cause: err, Message: fmt.Sprintf("there is no folder %s for the whitelist; make it, or set TRUNKLINE_WHITELIST to where the file is", folder)}
	}
	return f.Path, nil
}

// lockFolder keeps other edits away until unlock. It is the folder that is locked: the file is replaced, and
// a lock on it would go with the old one.
func lockFolder(ctx context.Context, folder string) (unlock func(), err error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, unwritable(folder, err)
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = dir.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = dir.Close()
			return nil, fault.Errorf(fault.NotWritable, "the folder %s cannot be locked: %w; have the whitelist on a file system of this host", folder, err)
		}
		select {
		case <-ctx.Done():
			_ = dir.Close()
			return nil, &fault.Error{Code: fault.Unavailable, Cause: err, Message: fmt.Sprintf("others are editing the whitelist, and hold the lock on %s; try again in a moment", folder)}
		case <-time.After(lockPoll):
		}
	}
}

// replaceFile puts content in the place of the file that was seen there, at once and for good, or changes
// nothing.
func replaceFile(target string, seen watch.State, content []byte) error {
	err := atomicfile.Replacement{
		Path:    target,
		Content: content,
		Dress:   func(file *os.File) error { return dress(file, seen) },
		// An editor keeps no lock. This leaves it the moment of a rename.
		Last: func() error {
			if !watch.StateOf(target).Same(seen) {
				return errStale
			}
			return nil
		},
	}.Write()
	switch {
	case err == nil || errors.Is(err, errStale):
		return err
	case errors.Is(err, atomicfile.ErrNotSynced):
		return fmt.Errorf("the whitelist is changed, but a power failure might undo it: %w", err)
	}
	return unwritable(filepath.Dir(target), err)
}

// dress gives the new file the old one's owner, if that is allowed, and its mode.
func dress(file *os.File, old watch.State) error {
	if old.Info == nil {
		return file.Chmod(newMode)
	}
	if owner, ok := old.Info.Sys().(*syscall.Stat_t); ok {
		if file.Chown(int(owner.Uid), int(owner.Gid)) != nil {
			_ = file.Chown(-1, int(owner.Gid)) // only root gives files away; a group of one's own may still be set
		}
	}
	return file.Chmod(old.Info.Mode().Perm())
}

// unwritable words an error of writing in the folder.
func unwritable(folder string, err error) error {
	remedy := "see that there is room, and that the folder can be written"
	switch {
	case errors.Is(err, fs.ErrPermission):
		remedy = "let the user that runs trunkline write in that folder, since the file is replaced as a whole, or edit the file as a user who may"
	case errors.Is(err, unix.EROFS):
		remedy = "mount it for writing; for a service of systemd add the folder to ReadWritePaths"
	case errors.Is(err, unix.EBUSY):
		remedy = "the file itself is mounted, for example into a container; mount its folder instead"
	}
	return fault.Errorf(fault.NotWritable, "the whitelist cannot be written in %s: %w; %s", folder, err, remedy)
}
