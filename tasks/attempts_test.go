package tasks_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// attempts words those at the job, the newest first: "number outcome code message".
func (b *bundle) attempts(t *testing.T, job tasks.Job) string {
	t.Helper()
	all, err := b.Attempts(t.Context(), job)
	must(t, err)
	var words []string
	for _, a := range all {
		words = append(words, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", a.Number, a.Outcome, a.Code, a.Message)))
		if a.Worker == "" || a.StartedAt == nil || (a.EndedAt == nil) != (a.Outcome == tasks.AttemptRuns) || a.EndedAt != nil && a.EndedAt.Before(*a.StartedAt) {
			t.Errorf("%+v", a)
		}
	}
	return strings.Join(words, "; ")
}

// Every attempt is kept with what became of it, across a wait, a lost worker and a retry, and goes with its job.
func TestAttemptsAreKept(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, b.export("one"))
	want := func(when, want string) {
		t.Helper()
		if got := b.attempts(t, job); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	sweep := func() {
		t.Helper()
		_, err := b.Sweep(t.Context())
		must(t, err)
	}
	want("before any", "")
	first := b.claim(t, job)
	want("while it runs", "1 running")
	wake := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	must(t, first.Sleep(t.Context(), wake, "the bucket is away"))
	want("while it waits", "1 waits  the bucket is away")
	if at := b.get(t, job.ID).WakesAt; at == nil || !at.Equal(wake) {
		t.Errorf("it is taken up again at %v, want %v", at, wake)
	}
	b.exec(t, "update trunkline.jobs set wake_at = now()")
	sweep()
	if at := b.get(t, job.ID).WakesAt; at != nil {
		t.Errorf("it is queued, and taken up again at %v", at)
	}
	b.claim(t, b.get(t, job.ID))
	b.exec(t, "update trunkline.jobs set heartbeat_at = now() - interval '1 day'")
	sweep()
	want("its worker is lost", "2 lost; 1 waits  the bucket is away")
	_, err := b.claim(t, b.get(t, job.ID)).HandBack(t.Context())
	must(t, err)
	must(t, b.claim(t, b.get(t, job.ID)).Fail(t.Context(), fault.Errorf(fault.Timeout, "too long")))
	_, err = b.Retry(t.Context(), job.ID, tenant.All)
	must(t, err)
	must(t, b.claim(t, b.get(t, job.ID)).Succeed(t.Context(), "ok", tasks.Progress{}))
	want("at last", "5 succeeded; 4 failed timeout too long; 3 handed_back; 2 lost; 1 waits  the bucket is away")
	b.exec(t, "delete from trunkline.jobs")
	want("its job is forgotten", "")
}

// Of a job that is tried again for days the last attempts are kept.
func TestSoManyAttemptsAreKept(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, b.export("one"))
	for range 53 {
		b.exec(t, "update trunkline.jobs set state = 'running', attempt = attempt + 1, attempt_at = now(), started_at = now(), worker = 'host:7', heartbeat_at = now(), parked_at = null")
		b.exec(t, "update trunkline.jobs set parked_at = now()")
	}
	all, err := b.Attempts(t.Context(), job)
	if must(t, err); len(all) != 50 || all[0].Number != 53 {
		t.Errorf("got %d, the newest %d", len(all), all[0].Number)
	}
}

// A job knows the request that asked for it.
func TestTheRequestOfAJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	n := b.export("one")
	n.RequestID = "request-7"
	if job := b.submit(t, n); job.RequestID != "request-7" || b.get(t, job.ID).RequestID != "request-7" {
		t.Errorf("got %q", job.RequestID)
	}
	if job := b.submit(t, b.export("two")); job.RequestID != "" {
		t.Errorf("got %q", job.RequestID)
	}
}
