package client

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func jobIn(state string) string {
	return fmt.Sprintf(`{"job_id":"j","state":%q,"done":%t}`, state, state == Succeeded)
}

func sent(state string) string {
	return "event: state\nid: 1." + state + "\ndata: " + jobIn(state) + "\n\n"
}

// followed returns the states that were seen, one after the other.
func followed(t *testing.T, handler http.HandlerFunc) (states []string, job Job, err error) {
	t.Helper()
	job, err = served(t, handler).Follow(t.Context(), "j", func(j Job) { states = append(states, j.State) })
	return slices.Compact(states), job, err
}

func isStream(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/events") }

func TestFollow(t *testing.T) {
	t.Parallel()
	states, job, err := followed(t, func(w http.ResponseWriter, r *http.Request) {
		if !isStream(r) || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, "retry: 1\n\n: still here\n\n", sent("queued"), sent("running"), sent(Succeeded))
	})
	if err != nil || job.State != Succeeded || len(job.Raw) == 0 || !slices.Equal(states, []string{"queued", "running", Succeeded}) {
		t.Errorf("got %v, %+v, %v", states, job, err)
	}
}

// A stream that breaks off is come back to, where it was left.
func TestFollowComesBack(t *testing.T) {
	t.Parallel()
	var streams atomic.Int32
	states, _, err := followed(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isStream(r):
			fmt.Fprint(w, jobIn("running"))
		case streams.Add(1) == 1:
			fmt.Fprint(w, sent("queued"), "data: cut off")
		default:
			if got := r.Header.Get("Last-Event-ID"); got != "1.queued" {
				t.Errorf("it left off at %q", got)
			}
			fmt.Fprint(w, sent(Succeeded))
		}
	})
	if err != nil || !slices.Equal(states, []string{"queued", "running", Succeeded}) {
		t.Errorf("got %v, %v", states, err)
	}
}

// Where no stream is to be had, or nothing comes through, the job is asked for.
func TestFollowAsks(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string]http.HandlerFunc{
		"too many streams": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"a proxy buffers": func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"no events":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"no job":     func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data: [1]\n\n") },
		"an outage":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"it has had": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			states, _, err := followed(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case isStream(r):
					stream(w, r)
				case asked.Add(1) == 1:
					fmt.Fprint(w, jobIn("running"))
				case asked.Load() == 2:
					w.WriteHeader(http.StatusBadGateway)
				default:
					fmt.Fprint(w, jobIn(Succeeded))
				}
			})
			if err != nil || !slices.Equal(states, []string{"running", Succeeded}) {
				t.Errorf("got %v, %v", states, err)
			}
		})
	}
}

func TestFollowEndsWithARefusal(t *testing.T) {
	t.Parallel()
	_, _, err := followed(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":"authentication_failed","detail":"no"}`)
	})
	if problem, ok := errors.AsType[*Problem](err); !ok || problem.Status != http.StatusUnauthorized {
		t.Errorf("got %v", err)
	}
}

// What is away for too long is given up, and the job as it was last seen is there.
func TestFollowGivesUp(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	c := served(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			fmt.Fprint(w, sent("running"))
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	c.pace.away = 20 * time.Millisecond
	if job, err := c.Follow(t.Context(), "j", func(Job) {}); err == nil || job.State != "running" {
		t.Errorf("got %+v, %v", job, err)
	}
}
