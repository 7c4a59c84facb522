package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"trunkline/api"
	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

// event is one Server-Sent Event.
type event struct {
	name, id string
	job      map[string]any
}

// stream is a stream of events over a real connection.
type stream struct {
	t      *testing.T
	reader *bufio.Reader
	cancel context.CancelFunc
}

// listening runs the front end at a real socket and returns its address. Its callers are 127.0.0.1, which
// is on the whitelist.
func (b *bundle) listening(t *testing.T) (base string, stop func()) {
	t.Helper()
	var err error
	b.options.Listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	b.server, err = api.New(b.options)
	must(t, err)
	return "http://" + b.options.Listener.Addr().String(), pbxtest.Start(t, b.server.Run)
}

// events asks for a job's events, and returns the answer's status and the stream.
func (b *bundle) events(t *testing.T, base, job, lastID string) (int, *stream) {
	t.Helper()
	return b.eventsFor(t, b.asSuperadmin, base, job, lastID)
}

// eventsFor is the same for whom as signs in.
func (b *bundle) eventsFor(t *testing.T, as func(call) call, base, job, lastID string) (int, *stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/jobs/"+job+"/events", nil)
	must(t, err)
	req.Header.Set("Authorization", as(call{path: "/"}).request().Header.Get("Authorization"))
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode == http.StatusOK && kind != "text/event-stream" {
		t.Fatalf("Content-Type is %s", kind)
	}
	return resp.StatusCode, &stream{t: t, reader: bufio.NewReader(resp.Body), cancel: cancel}
}

// next is the next event; ok is false at the stream's end.
func (s *stream) next() (e event, ok bool) {
	s.t.Helper()
	for {
		line, err := s.reader.ReadString('\n')
		if err == io.EOF && line == "" {
			return event{}, false
		}
		must(s.t, err)
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			must(s.t, json.Unmarshal([]byte(value), &e.job))
		case "":
			if e.name != "" {
				return e, true
			}
		case "retry":
		default:
			s.t.Fatalf("got the line %q", line)
		}
	}
}

func (s *stream) want(name, state string) event {
	s.t.Helper()
	e, ok := s.next()
	if !ok || e.name != name || e.job["state"] != state || e.id == "" {
		s.t.Fatalf("got %q (%t) with %v, want %s of a job that is %s", e.name, ok, e.job, name, state)
	}
	return e
}

func (s *stream) wantEnd() {
	s.t.Helper()
	if e, ok := s.next(); ok {
		s.t.Fatalf("got %s after the end", e.name)
	}
}

// followed is a queued job on a front end without a worker, and the stream of its events.
func followed(t *testing.T) (b *bundle, s *stream, base, id string, stop func()) {
	t.Helper()
	b = newBundle(t, setUp{noWorker: true})
	base, stop = b.listening(t)
	id = b.queue(t, 1, b.asSuperadmin)[0]
	_, s = b.events(t, base, id, "")
	s.want("state", "queued")
	return b, s, base, id, stop
}

// A job is followed from the queue to its end: each state, its progress, and the whole of it at last.
func TestJobEvents(t *testing.T) {
	t.Parallel()
	b, s, base, id, _ := followed(t)

	attempt, err := b.tasks.Claim(t.Context(), id, 1, "the test")
	must(t, err)
	s.want("state", "running")
	_, err = attempt.Heartbeat(t.Context(), tasks.Progress{Done: 1, Total: 3, Unit: "steps"})
	must(t, err)
	if e := s.want("progress", "running"); fmt.Sprint(e.job["progress"]) != "map[done:1 total:3 unit:steps]" {
		t.Errorf("progress is %v", e.job["progress"])
	}
	must(t, attempt.Succeed(t.Context(), map[string]string{"gateway_uuid": "x"}, tasks.Progress{Done: 3, Total: 3, Unit: "steps"}))
	b.tasks.Finished(t.Context(), id)
	s.want("state", "succeeded")
	end := s.want("end", "succeeded")
	if end.job["job_id"] != id || end.job["done"] != true || fmt.Sprint(end.job["result"]) != "map[gateway_uuid:x]" {
		t.Errorf("the end is %v", end.job)
	}
	s.wantEnd()

	// Whoever missed the end gets it, and whoever had it is told to stay away.
	for _, lastID := range []string{"", "1.1", "0.end"} {
		_, s := b.events(t, base, id, lastID)
		s.want("state", "succeeded")
		if e := s.want("end", "succeeded"); e.id != end.id {
			t.Errorf("the end has the id %s, and had %s", e.id, end.id)
		}
		s.wantEnd()
	}
	if status, s := b.events(t, base, id, end.id); status != http.StatusNoContent {
		t.Errorf("got %d", status)
	} else {
		s.wantEnd()
	}
}

// A cancelled job ends its stream with the error.
func TestJobEventsOfACancelledJob(t *testing.T) {
	t.Parallel()
	b, s, _, id, _ := followed(t)
	b.do(t, b.asSuperadmin(call{method: http.MethodPost, path: "/v1/jobs/" + id + "/cancel"})).want(t, http.StatusOK, "")
	s.want("state", "cancelled")
	if e := s.want("end", "cancelled"); fmt.Sprint(e.job["error"]) != "map[code:cancelled message:cancelled before it began]" {
		t.Errorf("the end is %v", e.job)
	}
	s.wantEnd()
}

// There are only so many streams, no domain holds the last one, and a caller who goes makes room.
func TestJobEventsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.EventStreams = 2 }})
	base, _ := b.listening(t)
	id := b.queue(t, 1, b.asSuperadmin)[0]
	_, first := b.events(t, base, id, "")
	first.want("state", "queued")
	b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + id + "/events"})).want(t, http.StatusTooManyRequests, "rate_limited").says(t, "TRUNKLINE_EVENT_STREAMS")
	other := b.queue(t, 1, b.asAdmin)[0]
	_, second := b.events(t, base, other, "")
	second.want("state", "queued")
	got := b.do(t, b.asAdmin(call{path: "/v1/jobs/" + other + "/events"})).want(t, http.StatusServiceUnavailable, "unavailable").says(t, "TRUNKLINE_EVENT_STREAMS")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	first.cancel()
	pbxtest.Eventually(t, "there is room for another", func() bool {
		status, third := b.events(t, base, id, "")
		defer third.cancel()
		return status == http.StatusOK
	})
}

// A shutdown ends the streams, so that it need not wait for the jobs.
func TestJobEventsEndAtShutdown(t *testing.T) {
	t.Parallel()
	b, s, _, _, stop := followed(t)
	stop()
	s.wantEnd()
	if strings.Contains(b.log.String(), "cut off") {
		t.Error("the shutdown waited for the stream until its time was up")
	}
}

func TestJobEventsErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	foreign := b.queue(t, 1, b.asSuperadmin)[0]
	for _, id := range []string{foreign, "x", "00000000-0000-7000-8000-000000000000"} {
		b.do(t, b.asAdmin(call{path: "/v1/jobs/" + id + "/events"})).want(t, http.StatusNotFound, "not_found")
	}
	b.do(t, call{path: "/v1/jobs/" + foreign + "/events"}).want(t, http.StatusUnauthorized, "authentication_failed")
}
