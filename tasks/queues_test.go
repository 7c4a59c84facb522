package tasks_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/tasks"
)

// begins reports whether a worker that has the job's present task may begin it.
func (b *bundle) begins(t *testing.T, id string) bool {
	t.Helper()
	job := b.get(t, id)
	_, err := b.Claim(t.Context(), job.ID, job.Dispatch, "test")
	if err != nil && !errors.Is(err, tasks.ErrNotClaimed) {
		t.Fatal(err)
	}
	return err == nil
}

// Of a paused queue nothing begins: not what was let in before, not what is asked for meanwhile, not after Redis was emptied
// and the sweep has looked. What runs ends, and another queue goes on.
func TestPausedQueue(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	runs, letIn := b.submit(t, b.export("runs")), b.submit(t, b.export("let in"))
	attempt := b.claim(t, runs)
	for i, want := range []bool{true, false} {
		changed, err := b.PauseQueue(t.Context(), "export", fmt.Sprint("alice", i), "the disk is full")
		must(t, err)
		if changed != want {
			t.Errorf("pausing it %d times: changed is %v", i+1, changed)
		}
	}
	if _, err := b.Claim(t.Context(), letIn.ID, letIn.Dispatch, "test"); !errors.Is(err, tasks.ErrNotClaimed) {
		t.Errorf("a job that was let in before begins: %v", err)
	}
	later := b.submit(t, b.export("later"))
	must(t, b.redis.FlushDB(t.Context()).Err())
	b.exec(t, "update trunkline.jobs set dispatched_at = now() - interval '1 hour'")
	report, err := b.Sweep(t.Context())
	must(t, err)
	if report != (tasks.SweepReport{}) {
		t.Errorf("the sweep did %+v", report)
	}
	for _, job := range []tasks.Job{letIn, later} {
		if b.begins(t, job.ID) {
			t.Errorf("%s begins", job.ID)
		}
		since, err := b.PausedSince(t.Context(), b.get(t, job.ID))
		must(t, err)
		if since == nil || time.Since(*since) > time.Minute {
			t.Errorf("it is paused since %v", since)
		}
	}
	must(t, attempt.Succeed(t.Context(), exportOf3, tasks.Progress{}))
	if !b.begins(t, b.submit(t, elsewhere(request(b.keys, "of another queue"))).ID) {
		t.Error("another queue is paused too")
	}
	must(t, b.Serve(t.Context(), tasks.Serving{ID: alice, Name: "host:7", Version: "v1"}))
	statuses, err := b.QueueStatuses(t.Context())
	must(t, err)
	if s := statuses[1]; s.Queue != "export" || s.Queued != 2 || s.Running != 0 || s.Workers != 1 || s.Slots < 1 || s.Paused == nil || s.Paused.By != "alice0" || s.Paused.Reason != "the disk is full" {
		t.Errorf("got %+v, paused %+v", s, s.Paused)
	}
	if s := statuses[0]; s.Queue != "provision" || s.Running != 1 || s.Paused != nil {
		t.Errorf("got %+v", s)
	}
	must(t, b.ResumeQueue(t.Context(), "export"))
	if err := b.ResumeQueue(t.Context(), "export"); !errors.Is(err, tasks.ErrNotPaused) {
		t.Errorf("resuming it twice: %v", err)
	}
	for _, job := range []tasks.Job{letIn, later} {
		if !b.begins(t, job.ID) {
			t.Errorf("%s does not begin once the queue is resumed", job.ID)
		}
	}
}

// Workers that live are listed with what they run, and those whose heartbeat is old are not.
func TestLiveWorkers(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	must(t, b.Serve(t.Context(), tasks.Serving{ID: alice, Name: "host:7", Version: "v1"}))
	must(t, b.Serve(t.Context(), tasks.Serving{ID: domainA, Name: "host:8", Version: "v1"}))
	must(t, b.Serve(t.Context(), tasks.Serving{ID: domainB, Name: "host:9", Version: "v1"}))
	b.exec(t, "update trunkline.workers set seen_at = now() - interval '1 hour' where name = 'host:9'")
	runs, ended := b.submit(t, b.export("runs")), b.submit(t, b.export("ended"))
	for _, job := range []tasks.Job{runs, ended} {
		attempt, err := b.Claim(t.Context(), job.ID, job.Dispatch, "host:8")
		must(t, err)
		if job.ID == ended.ID {
			must(t, attempt.Fail(t.Context(), fault.Errorf(fault.Timeout, "too long")))
		}
	}
	workers, err := b.LiveWorkers(t.Context())
	must(t, err)
	if len(workers) != 2 || workers[0].Name != "host:7" || workers[1].Name != "host:8" {
		t.Fatalf("got %+v", workers)
	}
	w := workers[1]
	if len(w.Running) != 1 || w.Running[0].ID != runs.ID || len(workers[0].Running) != 0 || len(w.Queues) != len(tasks.Queues) || w.Version != "v1" || w.Since.After(w.SeenAt) {
		t.Errorf("got %+v", workers)
	}
}
