package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	folderPrefix = "trunkline-servers-"
	ownerFile    = "owner"
)

// folder is the private folder of one Pair. Its owner file is locked for as long as the process
// that made it lives: a folder whose lock can be had belongs to nobody and may be removed.
type folder struct {
	path  string
	owner *os.File
}

// newFolder makes a private folder in dir, or in the system's temporary folder if dir is empty,
// and removes those that processes which were killed left there.
func newFolder(dir string) (*folder, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("making a folder for the private servers: %w", err)
	}
	removeAbandoned(dir)
	path, err := os.MkdirTemp(dir, folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("making a folder for the private servers: %w", err)
	}
	owner, err := lockNew(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the folder of the private servers: %w", err), os.RemoveAll(path))
	}
	return &folder{path: path, owner: owner}, nil
}

// lockNew makes the owner file under another name and gives it its own once it is locked, so that
// nobody sees an owner file without its lock.
func lockNew(path string) (*os.File, error) {
	f, err := os.CreateTemp(path, "new-owner-")
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(path, ownerFile))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// removeAbandoned removes the folders in dir that no living process owns. What it cannot remove (a
// folder of another user) it leaves alone: it is in nobody's way.
func removeAbandoned(dir string) {
	owners, err := filepath.Glob(filepath.Join(dir, folderPrefix+"*", ownerFile))
	if err != nil {
		return
	}
	for _, name := range owners {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(name))
		}
		_ = f.Close()
	}
}

// remove removes the folder, and the lock with it.
func (f *folder) remove() error {
	return errors.Join(os.RemoveAll(f.path), f.owner.Close())
}
