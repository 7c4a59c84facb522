package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// KeepAlive is how often a stream in which nothing happens sends a comment, so that proxies keep it open and a caller
	// who is gone is noticed.
	KeepAlive = 15 * time.Second
	// eventTimeout bounds how long a caller takes to receive one event.
	eventTimeout = 10 * time.Second
	// reconnectAfter is what callers are told to wait before they come back to a stream that broke off.
	reconnectAfter = 2 * time.Second
)

// ErrGone: an event could not be sent.
var ErrGone = errors.New("the caller takes no more events")

// EventStream is an answer of Server-Sent Events.
type EventStream struct {
	to         http.ResponseWriter
	controller *http.ResponseController
	// Wrote is when something was sent last.
	Wrote time.Time
}

// NewEventStream begins such an answer.
func NewEventStream(to http.ResponseWriter) (*EventStream, error) {
	e := &EventStream{to: to, controller: http.NewResponseController(to)}
	// The server's time-outs are for answers: the one for reading would end the request within the stream.
	if err := e.controller.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, fmt.Errorf("preparing a stream of events: %w", err)
	}
	header := to.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	to.WriteHeader(http.StatusOK)
	return e, e.write(fmt.Appendf(nil, "retry: %d\n\n", reconnectAfter.Milliseconds()))
}

// Send sends one event, whose data may have several lines. id is "" for none. Errors: ErrGone.
func (e *EventStream) Send(name, id, data string) error {
	var text strings.Builder
	text.WriteString("event: " + name + "\n")
	if id != "" {
		text.WriteString("id: " + id + "\n")
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.TrimRight(data, "\n"), "\r", ""), "\n") {
		text.WriteString("data: " + line + "\n")
	}
	text.WriteString("\n")
	return e.write([]byte(text.String()))
}

// Quiet keeps the stream open if nothing was sent for KeepAlive. Errors: ErrGone.
func (e *EventStream) Quiet() error {
	if time.Since(e.Wrote) < KeepAlive {
		return nil
	}
	return e.write([]byte(": still here\n\n"))
}

func (e *EventStream) write(text []byte) error {
	if err := e.controller.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errors.Join(ErrGone, err)
	}
	if _, err := e.to.Write(text); err != nil {
		return errors.Join(ErrGone, err)
	}
	if err := e.controller.Flush(); err != nil {
		return errors.Join(ErrGone, err)
	}
	e.Wrote = time.Now()
	return nil
}
