package file

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// newFile is for the owner and the group, since FusionPBX writes these files too. They hold passwords.
	newFile fs.FileMode = 0o660
	// everybody are the permissions that no file of ours gives.
	everybody fs.FileMode = 0o007
	// groupRead lets the group read.
	groupRead fs.FileMode = 0o040
)

// giveAway gives a file that is to replace path the owner and the permissions that FreeSWITCH and FusionPBX
// need to read and write it: those of the file that stands there, else those of its folder. A mode that is
// not 0 is taken as it is.
func giveAway(file *os.File, path string, mode fs.FileMode) error {
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	uid, gid := owner(folder)
	standing, err := os.Stat(path)
	switch {
	case err != nil && mode == 0:
		mode = newFile
	case err == nil:
		uid, gid = owner(standing)
		if mode == 0 {
			mode = standing.Mode().Perm() &^ everybody
			if standing.Mode().Perm()&everybody != 0 {
				// Whoever read it as everybody does reads it through the folder's group from now on.
				_, gid = owner(folder)
				mode |= groupRead
			}
		}
	}
	mine, err := file.Stat()
	if err != nil {
		return err
	}
	myUID, myGID := owner(mine)
	if os.Geteuid() != 0 && uid != myUID {
		// Only root gives files away: the owner keeps its rights as one of the group.
		mode |= mode & 0o700 >> 3
		uid = myUID
	}
	if uid != myUID || gid != myGID {
		if err := file.Chown(uid, gid); err != nil {
			return fmt.Errorf("giving it to group %d, for FreeSWITCH to read: %w", gid, err)
		}
	}
	return file.Chmod(mode)
}

func owner(info fs.FileInfo) (uid, gid int) {
	stat := info.Sys().(*syscall.Stat_t)
	return int(stat.Uid), int(stat.Gid)
}
