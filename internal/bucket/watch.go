package bucket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"time"
)

// stallTimeout is how long a server may stand still: take nothing of what it is sent, or answer nothing once it has all of a
// request.
const stallTimeout = time.Minute

// How much longer or less long that is for some requests.
const (
	// readsFaster is for a file that is read or looked at, for which somebody may wait.
	readsFaster = 3
	// completesSlower is for the parts of a file that are put together, which some servers copy.
	completesSlower = 5
)

// errStoodStill ends a request whose server stands still.
var errStoodStill = errors.New("the server stands still")

// patience is how long the server may take until it answers a request, and between two pieces of the answer.
func (a answers) patience(r *http.Request) time.Duration {
	w, _ := r.Context().Value(askedFor{}).(*wanted)
	switch {
	case r.Method == http.MethodHead, w != nil && w.file:
		return a.stall / readsFaster
	case r.Method == http.MethodPost && r.URL.Query().Has("uploadId"):
		return a.stall * completesSlower
	}
	return a.stall
}

// ask makes a request, and gives a server up that stands still: then the error is errStoodStill.
func (a answers) ask(r *http.Request) (*http.Response, error) {
	ctx, giveUp := context.WithCancelCause(r.Context())
	w := &watch{patience: a.patience(r), giveUp: giveUp}
	sent := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { w.start(false) }}
	answer, err := a.RoundTripper.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, sent)))
	w.stop()
	if err != nil {
		still := errors.Is(context.Cause(ctx), errStoodStill) || r.Context().Err() == nil && timedOut(err)
		giveUp(nil)
		if still {
			return nil, errStoodStill
		}
		return nil, err
	}
	answer.Body = &watchedBody{ReadCloser: answer.Body, watch: w, ctx: ctx}
	return answer, nil
}

// timedOut reports whether a connection was not made in time, or takes nothing any more.
func timedOut(err error) bool {
	network, is := errors.AsType[net.Error](err)
	return is && network.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// watch gives a server up from which nothing comes for a while.
type watch struct {
	patience time.Duration
	giveUp   context.CancelCauseFunc

	mu       sync.Mutex
	timer    *time.Timer
	answered bool
}

// start begins to wait: for the answer, unless that has come before all of the request was sent, or for more of it.
func (w *watch) start(more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answered != more {
		return
	}
	if w.timer != nil { // it was sent once more, by another connection
		w.timer.Stop()
	}
	w.timer = time.AfterFunc(w.patience, func() { w.giveUp(errStoodStill) })
}

// stop ends the waiting.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// watchedBody is an answer whose server is given up when it stands still.
type watchedBody struct {
	io.ReadCloser
	*watch
	ctx context.Context // which the watch ends
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.start(true)
	n, err := b.ReadCloser.Read(p)
	b.stop()
	if err != nil && errors.Is(context.Cause(b.ctx), errStoodStill) {
		err = errStoodStill
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	b.stop()
	defer b.giveUp(nil)
	return b.ReadCloser.Close()
}

// statusStoodStill is of answers that we make ourselves.
const statusStoodStill = 599

// stoodStill is what the library gets of a server that was given up, in place of an error: after any of those it asks again,
// and takes as long each time.
func stoodStill(r *http.Request) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(statusStoodStill), StatusCode: statusStoodStill, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
}
