package cdrs

import (
	"errors"
	"fmt"
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
	left int   // bytes that may be sent before the deadline moves
	err  error // why it broke off
}

func (w *paced) Write(p []byte) (sent int, err error) {
	for len(p) > 0 && w.err == nil {
		if w.left == 0 {
			w.left, w.err = paceBytes, w.moveDeadline()
			continue
		}
		var n int
		n, w.err = w.ResponseWriter.Write(p[:min(len(p), w.left)])
		w.left -= n
		sent, p = sent+n, p[n:]
	}
	return sent, w.err
}

func (w *paced) moveDeadline() error {
	err := http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(paceWindow))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("pacing a download: %w", err)
	}
	return nil
}

// tooSlow is the failure if the caller took too little, else nil: whoever hangs up may.
func (w *paced) tooSlow() error {
	if !errors.Is(w.err, os.ErrDeadlineExceeded) {
		return nil
	}
	return fault.Errorf(fault.Timeout, "the caller took less than %d KiB of the file in %s", paceBytes>>10, paceWindow)
}
