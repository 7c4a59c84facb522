package cdr

import (
	"os"

	"golang.org/x/sys/unix"
)

// startWriteBack has the system begin to bring a part of a file to the disk. It promises nothing, so that nothing is lost
// where it fails: Sync does.
func startWriteBack(file *os.File, offset, length int64) {
	_ = unix.SyncFileRange(int(file.Fd()), offset, length, unix.SYNC_FILE_RANGE_WRITE)
}
