package cdr

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// pastCacheBlock is how many bytes are written past the cache at a time. Both it and where it begins are what disks ask for.
const pastCacheBlock = 1 << 20

// pastCache writes whole blocks of a file to the disk past the system's cache of files. That saves a copy of each byte, and
// an export of a year's calls leaves in the memory what the PBX reads every second. What is less than a block is written
// through the cache. The zero value writes all through it.
type pastCache struct {
	file  io.WriterAt // the same file, past the cache; nil: the system refuses that
	close func() error
	block []byte // where the system wants it in the memory
	held  int    // bytes of it that are still to be written
	begin int64  // of the block in the file
}

// write writes what follows. through is the file through the cache.
func (p *pastCache) write(through io.WriterAt, content []byte) error {
	for len(content) > 0 && p.file != nil {
		n := copy(p.block[p.held:], content)
		p.held, content = p.held+n, content[n:]
		if p.held < len(p.block) {
			return nil
		}
		written, err := p.file.WriteAt(p.block, p.begin)
		if errors.Is(err, unix.EINVAL) { // some file systems say only now that they have no such thing
			_, err = through.WriteAt(p.block[written:], p.begin+int64(written))
			p.file = nil
		}
		if err != nil {
			return err
		}
		p.begin, p.held = p.begin+int64(len(p.block)), 0
	}
	n, err := through.WriteAt(content, p.begin)
	p.begin += int64(n)
	return err
}

// flush writes what is held as well, so that all of it is in the file.
func (p *pastCache) flush(through io.WriterAt) error {
	_, err := through.WriteAt(p.block[:p.held], p.begin)
	return err
}
