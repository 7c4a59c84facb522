// Package whitelist is the documented file of the addresses that may call, chkcon_whitelist.conf: one
// IP address or CIDR a line, # starts a comment. It reads the file, keeps the list in effect as the
// file is, and edits it without losing a line, a comment or another's edit. It knows nothing of HTTP
// or of who is asking, and of no database.
package whitelist

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// maxBytes bounds the file. A line has some 20 bytes.
	maxBytes = 4 << 20
	// maxReported is how many broken lines one error names.
	maxReported = 10
	// maxQuote is how much of a broken line is repeated, in bytes.
	maxQuote = 64
	// MaxComment is the longest comment that Add writes, in characters.
	MaxComment = 200
)

// ErrMissing and ErrEmpty: nobody may call.
var (
	ErrMissing = errors.New("there is no such file, so nobody may call; write one IP address or CIDR a line into it")
	ErrEmpty   = errors.New("there is no address in it, so nobody may call; write one IP address or CIDR a line into it")
)

// ErrTooLarge: nothing of the file is taken, and only its beginning is read.
var ErrTooLarge = fmt.Errorf("the file is larger than %d bytes; shorten it with CIDRs", maxBytes)

// UnreadableError: the file is there and cannot be read, so that nobody may call.
type UnreadableError struct{ err error }

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the file cannot be read, so nobody may call: %v; let the user that runs trunkline read it", e.err)
}

func (e *UnreadableError) Unwrap() error { return e.err }

// readFile returns the file's content, or its beginning if it is too large. Its errors deny everybody:
// ErrMissing or an *UnreadableError.
func readFile(path string) ([]byte, error) {
	content, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, &UnreadableError{err}
	}
	return content, nil
}

func readRegular(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe would wait for its other end
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(file, maxBytes+1))
}
