package cdr

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openPastCache opens a file a second time, to be written past the cache if the system has such a thing, and if the path
// still leads to that file.
func openPastCache(through *os.File, path string) pastCache {
	file, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT|unix.O_NOFOLLOW, 0)
	if err != nil {
		return pastCache{}
	}
	ours, err1 := through.Stat()
	there, err2 := file.Stat()
	if err1 != nil || err2 != nil || !os.SameFile(ours, there) {
		_ = file.Close()
		return pastCache{}
	}
	block, err := unix.Mmap(-1, 0, pastCacheBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		_ = file.Close()
		return pastCache{}
	}
	return pastCache{file: file, block: block, close: func() error { return errors.Join(file.Close(), unix.Munmap(block)) }}
}
