package cdr

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"trunkline/internal/fault"
)

// A disk that is full says so in words, when bytes are written, and the part goes. /dev/full is such a disk.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	part, err := Folder{Dir: dir}.create("calls.csv", 2, nil)
	must(t, err)
	must(t, part.File.Close())
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	part.File = full
	_, err = part.Write([]byte("more"))
	if !fault.Is(err, fault.InsufficientStorage) || !strings.Contains(err.Error(), dir+" has no room for the export; delete old exports") {
		t.Errorf("got %v", err)
	}
	for errno, want := range map[unix.Errno]string{unix.EDQUOT: "the quota", unix.EFBIG: "ulimit -f", unix.EIO: ""} {
		err := part.noRoom(&os.PathError{Op: "sync", Path: "calls.csv", Err: errno})
		if fault.Is(err, fault.InsufficientStorage) != (want != "") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v", errno, err)
		}
	}
}
