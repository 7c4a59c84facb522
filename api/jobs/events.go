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

// checkInterval is how often it is looked at whether the caller may still follow the job.
const checkInterval = time.Second

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
	if ctx.Err() != nil || errors.Is(err, web.ErrGone) {
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

// eventStream writes the events of one job.
type eventStream struct {
	*web.EventStream
	view   func(tasks.Job) (Job, error) // as the caller may see it
	shown  *tasks.Job                   // as the caller last saw it, nil before the first event
	events int
}

func newEventStream(to http.ResponseWriter, view func(tasks.Job) (Job, error)) (*eventStream, error) {
	stream, err := web.NewEventStream(to)
	return &eventStream{EventStream: stream, view: view}, err
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
	default:
		err = e.Quiet()
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
	return e.Send(name, id, string(data))
}

// endID is the id of the job's last event. A job that is queued again has another.
func endID(job tasks.Job) string { return fmt.Sprintf("%d.end", job.Dispatch) }
