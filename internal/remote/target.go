package remote

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"trunkline/internal/atomicfile"
)

// target is where a download is written to.
type target interface {
	io.Writer
	// begin has what follows be written from the start, or if resume behind what is there of an earlier download, up
	// to size bytes, which it writes to sum. from is how many there are.
	begin(sum io.Writer, size int64, resume bool) (from int64, err error)
	// keep ends a download that is whole.
	keep() error
	// leave ends one that is not, and does nothing after keep.
	leave()
	// name is it as -o has it, and said where the file is, for the last line of the command.
	name() string
	said() string
}

// target is the target of -o.
func (s *session) target(output string) (target, error) {
	if output == "-" {
		return stream{s.out}, nil
	}
	return openPart(output)
}

// stream is standard output.
type stream struct{ io.Writer }

func (stream) begin(io.Writer, int64, bool) (int64, error) { return 0, nil }
func (stream) keep() error                                 { return nil }
func (stream) leave()                                      {}
func (stream) name() string                                { return "-" }
func (stream) said() string                                { return "" }

// partSuffix is what the name of a file ends in while it is downloaded.
const partSuffix = ".part"

// part is a file that is downloaded under a name of its own, beside the one that it gets once it is whole.
type part struct {
	*os.File
	path string // what it becomes
}

// openPart opens the part of the file, unless somebody else writes it or a file of the name would not be one.
func openPart(path string) (*part, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("-o: %s is no regular file; name another one, or write - for standard output", visible(path))
	}
	file, err := os.OpenFile(path+partSuffix, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, partMode)
	if err != nil {
		return nil, fmt.Errorf("-o: %w; name a file in a folder in which you may write", err)
	}
	p := &part{File: file, path: path}
	if err := p.own(); err != nil {
		file.Close()
		return nil, err
	}
	return p, nil
}

// partMode lets nobody else read who called whom.
const partMode = 0o600

// own makes sure that nobody else writes the part, and that nobody else reads one that was there.
func (p *part) own() error {
	taken := fmt.Errorf("-o: another download writes %s; wait for its end, or name another file", visible(p.Name()))
	if err := unix.Flock(int(p.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%w (%w)", taken, err)
	}
	opened, err := p.Stat()
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	// It may have got its name between its opening and the lock.
	if there, err := os.Lstat(p.Name()); err != nil || !os.SameFile(opened, there) {
		return taken
	}
	if err := p.Chmod(partMode); err != nil {
		return fmt.Errorf("-o: %w; remove it, or name another file", err)
	}
	return nil
}

func (p *part) begin(sum io.Writer, size int64, resume bool) (from int64, err error) {
	if _, err := p.Seek(0, io.SeekStart); err != nil {
		return 0, fmt.Errorf("reading what was downloaded before: %w", err)
	}
	if resume {
		if from, err = io.Copy(sum, io.LimitReader(p.File, size)); err != nil {
			return 0, fmt.Errorf("reading what was downloaded before: %w", err)
		}
	}
	return from, p.Truncate(from)
}

func (p *part) keep() error {
	err := p.Sync()
	if err == nil {
		err = os.Rename(p.Name(), p.path)
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return fmt.Errorf("writing the file: %w", err)
	}
	return atomicfile.SyncFolder(filepath.Dir(p.path))
}

// leave leaves what has come, since a download can go on behind it.
func (p *part) leave() {
	info, err := p.Stat()
	if errors.Is(err, fs.ErrClosed) {
		return // it was kept
	}
	if err == nil && info.Size() == 0 {
		os.Remove(p.Name())
	}
	p.Close()
}

func (p *part) name() string { return p.path }
func (p *part) said() string { return ", in " + visible(p.path) }
