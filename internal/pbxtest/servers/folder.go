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

// Folder is a folder of one process, such as that of one Pair. Its owner file is locked for as long as the
// process that made it lives: a folder whose lock can be had belongs to nobody and may be removed.
type Folder struct {
	Path  string
	owner *os.File
}

// NewFolder makes a folder whose name begins with prefix in dir, or in the system's temporary folder if dir
// is empty, and removes those of that prefix that processes which were killed left there.
func NewFolder(dir, prefix string) (*Folder, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("making a folder for the sample PBX: %w", err)
	}
	removeAbandoned(dir, prefix)
	path, err := os.MkdirTemp(dir, prefix)
	if err != nil {
		return nil, fmt.Errorf("making a folder for the sample PBX: %w", err)
	}
	owner, err := lockNew(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking the folder of the sample PBX: %w", err), os.RemoveAll(path))
	}
	return &Folder{Path: path, owner: owner}, nil
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
func removeAbandoned(dir, prefix string) {
	owners, err := filepath.Glob(filepath.Join(dir, prefix+"*", ownerFile))
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

// Remove removes the folder, and the lock with it.
func (f *Folder) Remove() error {
	return errors.Join(os.RemoveAll(f.Path), f.owner.Close())
}
