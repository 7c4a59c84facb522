package folder

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// renameNoReplace renames within the folder, of which dir is open. Errors: fs.ErrExist. File systems that cannot do so by one
// step take two.
func renameNoReplace(folder *os.Root, dir *os.File, from, to string) error {
	fd := int(dir.Fd())
	err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return link(folder, from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
