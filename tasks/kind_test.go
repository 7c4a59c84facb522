package tasks_test

import (
	"fmt"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/tasks"
)

func TestEveryKindIsDescribed(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, q := range tasks.Queues {
		served[q.Name] = true
		settings, err := config.LoadWithoutPBX("", nil)
		must(t, err)
		if q.Concurrency(settings) < 1 || q.Poll(settings) <= 0 {
			t.Errorf("queue %s: %d at a time, looked at every %s", q.Name, q.Concurrency(settings), q.Poll(settings))
		}
	}
	for _, kind := range tasks.Kinds {
		if !served[kind.Queue()] {
			t.Errorf("%s: its queue is %q, which nobody serves", kind, kind.Queue())
		}
		if !kind.Scope().Known() {
			t.Errorf("%s: there is no scope %q", kind, kind.Scope())
		}
		settings, err := config.LoadWithoutPBX("", []string{kind.TimeoutSetting() + "=77m"})
		must(t, err)
		if got := kind.Timeout(settings); got != 77*time.Minute {
			t.Errorf("%s: %s=77m gives it %s", kind, kind.TimeoutSetting(), got)
		}
	}
}

// While a new build is brought in, an old one's sweep must not put a job where nobody looks.
func TestSweepLeavesJobsOfKindsToCome(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	lost := b.submit(t, request(b.keys, "lost"))
	running := b.submit(t, elsewhere(request(b.keys, "running")))
	b.claim(t, running)
	must(t, b.redis.FlushDB(t.Context()).Err())
	b.exec(t, `update trunkline.jobs set kind = 'to_come', dispatched_at = now() - interval '1 minute', heartbeat_at = now() - interval '1 minute'`)
	known := b.submit(t, elsewhere(request(b.keys, "known")))
	must(t, b.redis.FlushDB(t.Context()).Err())
	b.exec(t, "update trunkline.jobs set dispatched_at = now() - interval '1 minute' where id = $1", known.ID)

	report, err := b.Sweep(t.Context())
	must(t, err)
	if want := (tasks.SweepReport{Redispatched: 1}); report != want {
		t.Errorf("got %+v, want %+v", report, want)
	}
	got := fmt.Sprint(b.get(t, lost.ID).Dispatch, b.get(t, running.ID).State, b.get(t, known.ID).Dispatch)
	if want := fmt.Sprint(lost.Dispatch, tasks.StateRunning, known.Dispatch+1); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
