package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"trunkline/internal/client"
	"trunkline/internal/commandline"
)

// exportFile is what an export's result says of its file.
type exportFile struct {
	SHA256 string `json:"sha256"` // in hex
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"total_records"`

	path string // where the API has it
}

// fetch writes the file, shows how it comes on, and compares its hash before it gets its name. again is the command
// line with which it can be tried again.
func (s *session) fetch(file exportFile, to target, resume bool, again string) error {
	sum := sha256.New()
	from, err := to.begin(sum, file.Bytes, resume)
	if err != nil {
		return err
	}
	shown := &arriving{progress: s.progress(), done: from, total: file.Bytes}
	shown.show()
	err = s.api.Fetch(s.ctx, client.Fetched{Path: file.path, ETag: `"` + file.SHA256 + `"`, Size: file.Bytes}, from, io.MultiWriter(to, sum, shown))
	shown.progress.end()
	_, refused := errors.AsType[*client.Problem](err)
	switch {
	case s.ctx.Err() != nil:
		return &commandline.Ended{Status: statusInterrupted, Err: fmt.Errorf("interrupted after %d of %d bytes; %s gets the file", shown.done, file.Bytes, again)}
	case refused:
		return s.worded(err)
	case err != nil:
		return fmt.Errorf("%w, after %d of %d bytes; %s gets the file", s.worded(err), shown.done, file.Bytes, again)
	case !sumIs(sum, file.SHA256) && from > 0:
		s.tell("what was in %s before is not of this file; downloading all of it", visible(to.name()+partSuffix))
		return s.fetch(file, to, false, again)
	case !sumIs(sum, file.SHA256):
		return fmt.Errorf("what came is not the file: its SHA-256 is %x, and should be %s; %s gets it again", sum.Sum(nil), visible(file.SHA256), again)
	}
	return to.keep()
}

func sumIs(sum hash.Hash, want string) bool { return hex.EncodeToString(sum.Sum(nil)) == want }

// arriving shows how much of a file has come.
type arriving struct {
	progress    progress
	done, total int64 // bytes
}

func (a *arriving) Write(p []byte) (int, error) {
	a.done += int64(len(p))
	a.show()
	return len(p), nil
}

func (a *arriving) show() {
	a.progress.show(client.Job{State: "downloading", Progress: client.Progress{Done: a.done, Total: a.total, Unit: "bytes"}})
}
