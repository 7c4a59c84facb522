package cdrs

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"time"

	"trunkline/internal/fault"
)

const (
	// leastDownloadRate is what a caller who downloads must take over every paceWindow, in bytes a second.
	leastDownloadRate = 16 << 10
	// paceWindow is how long a caller may take for what leastDownloadRate makes of it, pauses included.
	paceWindow = 30 * time.Second
	paceBytes  = leastDownloadRate * int(paceWindow/time.Second)
)

// paced is an answer that breaks off if its caller takes less of it than leastDownloadRate over a window: the
// server's own time-out is for answers, not for files, and a bound on the whole would be days for a large one.
type paced struct {
	http.ResponseWriter
	window time.Duration // for each paceBytes
	left   int           // bytes that may be sent before the deadline moves
	until  time.Time     // the deadline; zero: it was not moved yet
	err    error         // why it broke off
}

// keepPace has an answer break off whose caller is too slow.
func keepPace(answer http.ResponseWriter) *paced {
	return &paced{ResponseWriter: answer, window: paceWindow}
}

// Write implements http.ResponseWriter.
func (w *paced) Write(p []byte) (sent int, err error) {
	for len(p) > 0 && w.may() {
		var n int
		n, w.err = w.ResponseWriter.Write(p[:min(len(p), w.left)])
		w.left -= n
		sent, p = sent+n, p[n:]
	}
	return sent, w.err
}

// ReadFrom is how a file is copied to the answer: what may be sent before the deadline moves is handed on as a piece
// of the file itself, which the kernel can send, and only one bound around the file lets it.
func (w *paced) ReadFrom(src io.Reader) (sent int64, err error) {
	rest, bounded := src.(*io.LimitedReader)
	if !bounded {
		rest = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	for rest.N > 0 && w.may() {
		most := min(rest.N, int64(w.left))
		var n int64
		n, w.err = io.Copy(w.ResponseWriter, &io.LimitedReader{R: rest.R, N: most})
		w.left -= int(n)
		sent, rest.N = sent+n, rest.N-n
		if n < most {
			break // there is no more of it
		}
	}
	return sent, w.err
}

// may reports whether more may be sent, and moves the deadline if it is time to.
func (w *paced) may() bool {
	if w.left == 0 && w.err == nil {
		w.left, w.err = paceBytes, w.moveDeadline()
	}
	return w.err == nil
}

func (w *paced) moveDeadline() error { return w.setDeadline(time.Now().Add(w.window)) }

func (w *paced) setDeadline(until time.Time) error {
	w.until = until
	err := http.NewResponseController(w.ResponseWriter).SetWriteDeadline(until)
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("pacing a download: %w", err)
	}
	return nil
}

// source is the file, of which what is waited for is not the caller's time: one of a bucket comes when it comes. A file of the disk stays what it is, so
// that the kernel can send it.
func (w *paced) source(file io.ReadSeeker) io.ReadSeeker {
	if _, disk := file.(*os.File); disk {
		return file
	}
	return &awaited{file, w}
}

type awaited struct {
	io.ReadSeeker
	by *paced
}

// Read implements io.Reader.
func (a *awaited) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := a.ReadSeeker.Read(p)
	if w := a.by; !w.until.IsZero() && w.err == nil {
		w.err = w.setDeadline(w.until.Add(time.Since(began)))
	}
	return n, err
}

// tooSlow is the failure if the caller took too little, else nil: whoever hangs up may.
func (w *paced) tooSlow() error {
	if !errors.Is(w.err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fault.Errorf(fault.Timeout, "the caller took less than %d KiB of the file in %s", paceBytes>>10, w.window)
}
