package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"trunkline/api/web"
	"trunkline/internal/token"
	"trunkline/tasks"
)

const (
	// keepAlive is how often a stream in which nothing happens sends a comment, so that proxies keep it open
	// and a caller who is gone is noticed.
	keepAlive = 15 * time.Second
	// eventTimeout bounds how long a caller takes to receive one event.
	eventTimeout = 10 * time.Second
	// checkInterval is how often it is looked at whether the caller may still follow the job.
	checkInterval = time.Second
	// reconnectAfter is what callers are told to wait before they come back to a stream that broke off.
	reconnectAfter = 2 * time.Second
)

// follow follows a job as Server-Sent Events, each with the job as data: `state` at once and whenever
// its state changes, `progress` as it comes on, `end` when it is done, and then the stream ends. Whoever
// reconnects gets the present state first; whoever has had the end gets 204, at which a browser stays away.
func (s *Service) follow(r *web.Request) error {
	job, err := s.OfPath(r, token.ScopeRead)
	if err != nil {
		return err
	}
	if job.State.Done() && r.Header("Last-Event-ID") == endID(job) {
		r.Writer().WriteHeader(http.StatusNoContent)
		return nil
	}
	leave, err := r.Place(web.AtOnceStreams, job.DomainUUID)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.front.Stopping(), cancel)()
	stream, err := newEventStream(r.Writer(), func(job tasks.Job) (Job, error) {
		view, err := s.view(r, job)
		if err == nil && job.State.Done() {
			err = s.addItems(r, job, &view)
		}
		return view, err
	})
	if err == nil {
		checked := time.Now()
		err = s.tasks.Watch(ctx, job.ID, func(job tasks.Job) error {
			if time.Since(checked) >= checkInterval {
				checked = time.Now()
				if err := stillMay(ctx, r, job); err != nil {
					return err
				}
			}
			return stream.show(job)
		})
	}
	if ctx.Err() != nil || errors.Is(err, errGone) {
		return nil // the caller has hung up, or this front end stops and the caller comes back to another
	}
	return err
}

// stillMay fails once the caller would be refused the stream that they have: their credentials have ended, or no
// longer reach the job.
func stillMay(ctx context.Context, r *web.Request, job tasks.Job) error {
	if err := r.StillMay(ctx); err != nil {
		return err
	}
	if !job.Within(r.Caller.Domains) {
		return tasks.ErrNotFound
	}
	return r.Need(job.Kind.Scope(), token.ScopeRead)
}

// errGone: an event could not be sent.
var errGone = errors.New("the caller takes no more events")

// eventStream writes the events of one job.
type eventStream struct {
	to         http.ResponseWriter
	view       func(tasks.Job) (Job, error) // as the caller may see it
	controller *http.ResponseController
	shown      *tasks.Job // as the caller last saw it, nil before the first event
	events     int
	wrote      time.Time
}

func newEventStream(to http.ResponseWriter, view func(tasks.Job) (Job, error)) (*eventStream, error) {
	e := &eventStream{to: to, view: view, controller: http.NewResponseController(to)}
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

// show sends what is new of the job.
func (e *eventStream) show(job tasks.Job) (err error) {
	before := e.shown
	e.shown = &job
	switch {
	case before == nil || before.State != job.State || before.Dispatch != job.Dispatch || before.Attempt != job.Attempt ||
		before.CancelRequested != job.CancelRequested:
		err = e.send("state", job)
	case before.Progress != job.Progress:
		err = e.send("progress", job)
	case time.Since(e.wrote) >= keepAlive:
		err = e.write([]byte(": still here\n\n"))
	}
	if err == nil && job.State.Done() {
		err = e.send("end", job)
	}
	return err
}

// send writes one event. JSON has no line breaks, so that it is one line of data.
func (e *eventStream) send(name string, job tasks.Job) error {
	v, err := e.view(job)
	if err != nil {
		return err
	}
	e.events++
	id := fmt.Sprintf("%d.%d", job.Dispatch, e.events)
	if name == "end" {
		id = endID(job)
	}
	data, err := web.Encode(v)
	if err != nil {
		return fmt.Errorf("encoding an event of job %s: %w", job.ID, err)
	}
	return e.write(fmt.Appendf(nil, "event: %s\nid: %s\ndata: %s\n", name, id, data))
}

// endID is the id of the job's last event. A job that is queued again has another.
func endID(job tasks.Job) string { return fmt.Sprintf("%d.end", job.Dispatch) }

func (e *eventStream) write(text []byte) error {
	if err := e.controller.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errors.Join(errGone, err)
	}
	if _, err := e.to.Write(text); err != nil {
		return errors.Join(errGone, err)
	}
	if err := e.controller.Flush(); err != nil {
		return errors.Join(errGone, err)
	}
	e.wrote = time.Now()
	return nil
}
