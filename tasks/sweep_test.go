package tasks_test

import (
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

func TestSweep(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name         string
		arrange      func(*testing.T, *bundle, tasks.Job)
		wantState    tasks.State
		redispatched bool
	}{
		{
			name: "enqueued and waiting",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) {
				b.exec(t, "update trunkline.jobs set dispatched_at = now() - interval '1 minute'")
			},
			wantState: tasks.StateQueued,
		},
		{
			name: "just committed, perhaps being enqueued now",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) {
				must(t, b.redis.FlushDB(t.Context()).Err())
			},
			wantState: tasks.StateQueued,
		},
		{
			name: "lost by Redis",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) {
				must(t, b.redis.FlushDB(t.Context()).Err())
				b.exec(t, "update trunkline.jobs set dispatched_at = now() - interval '1 minute'")
			},
			wantState:    tasks.StateQueued,
			redispatched: true,
		},
		{
			name: "taken from Redis by a worker that died before it claimed the job",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) {
				takeTask(t, b, job)
				b.exec(t, "update trunkline.jobs set dispatched_at = now() - interval '1 minute'")
			},
			wantState:    tasks.StateQueued,
			redispatched: true,
		},
		{
			name:      "running with a heartbeat",
			arrange:   func(t *testing.T, b *bundle, job tasks.Job) { b.claim(t, job) },
			wantState: tasks.StateRunning,
		},
		{
			name: "running without a heartbeat",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) {
				b.claim(t, job)
				b.exec(t, "update trunkline.jobs set heartbeat_at = now() - interval '11 seconds'")
			},
			wantState:    tasks.StateQueued,
			redispatched: true,
		},
		{
			name: "lost one worker too many",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) {
				b.claim(t, job)
				b.exec(t, "update trunkline.jobs set heartbeat_at = now() - interval '11 seconds', lost_workers = 2")
			},
			wantState: tasks.StateFailed,
		},
		{
			name: "ended",
			arrange: func(t *testing.T, b *bundle, job tasks.Job) {
				must(t, b.claim(t, job).Succeed(t.Context(), "ok", tasks.Progress{}))
				b.exec(t, "update trunkline.jobs set heartbeat_at = now() - interval '1 day'")
			},
			wantState: tasks.StateSucceeded,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			job := b.submit(t, request(b.keys, "one"))
			tc.arrange(t, b, job)
			report, err := b.Sweep(t.Context())
			must(t, err)
			got := b.get(t, job.ID)
			if got.State != tc.wantState {
				t.Errorf("got %s, want %s", got.State, tc.wantState)
			}
			if (got.Dispatch > job.Dispatch) != tc.redispatched || (report.Redispatched == 1) != tc.redispatched {
				t.Errorf("got dispatch %d after %d, report %+v; want redispatched %t", got.Dispatch, job.Dispatch, report, tc.redispatched)
			}
			if tc.redispatched {
				b.claim(t, got)
			}
		})
	}
}

// takeTask has asynq hand out the job's task to a server that never finishes it.
func takeTask(t *testing.T, b *bundle, job tasks.Job) {
	t.Helper()
	taken, release := make(chan struct{}), make(chan struct{})
	server := asynq.NewServerFromRedisClient(b.redis, asynq.Config{
		Concurrency: 1, Queues: map[string]int{job.Kind.Queue(): 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Millisecond,
	})
	must(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		close(taken)
		<-release
		return nil
	})))
	t.Cleanup(func() {
		close(release)
		server.Shutdown()
	})
	<-taken
}

func TestSweepForgets(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	old := b.submit(t, request(b.keys, "old"))
	must(t, b.claim(t, old).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
	b.exec(t, "update trunkline.jobs set finished_at = now() - interval '25 hours'")
	ancient := b.submit(t, request(b.keys, "ancient"))
	must(t, b.claim(t, ancient).Succeed(t.Context(), "ok", tasks.Progress{}))
	b.exec(t, "update trunkline.jobs set finished_at = now() - interval '31 days' where id = $1", ancient.ID)

	report, err := b.Sweep(t.Context())
	must(t, err)
	if want := (tasks.SweepReport{Wiped: 1, Deleted: 1}); report != want {
		t.Fatalf("got %+v, want %+v", report, want)
	}
	if _, err := b.Retry(t.Context(), old.ID, tenant.All); err == nil {
		t.Fatal("a job without its secrets was retried")
	}
}

func TestRedisAwayLosesNothing(t *testing.T) {
	t.Parallel()
	private := pbxtest.NewRedis(t)
	b := newBundleOn(t, private.URL())
	must(t, private.Kill())
	job := b.submit(t, request(b.keys, "one"))
	if job.State != tasks.StateQueued {
		t.Fatalf("got %s, want the job committed without Redis", job.State)
	}
	must(t, private.RestartEmpty(t.Context()))
	b.exec(t, "update trunkline.jobs set dispatched_at = now() - interval '1 minute'")
	pbxtest.Eventually(t, "the sweep enqueues the job", func() bool {
		report, err := b.Sweep(t.Context())
		return err == nil && report.Redispatched == 1
	})
	queue, err := asynq.NewInspectorFromRedisClient(b.redis).ListPendingTasks(tasks.KindProvision.Queue())
	must(t, err)
	if len(queue) != 1 {
		t.Fatalf("got %d tasks, want 1", len(queue))
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	listening := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { listening <- b.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-listening)
	})
	job := b.submit(t, request(b.keys, "one"))

	got, err := b.Wait(t.Context(), job.ID, 0)
	must(t, err)
	if got.State != tasks.StateQueued {
		t.Fatalf("without waiting: got %s, want queued", got.State)
	}
	ended := make(chan tasks.Job, 1)
	go func() {
		job, err := b.Wait(t.Context(), job.ID, time.Minute)
		if err != nil {
			t.Error(err)
		}
		ended <- job
	}()
	must(t, b.claim(t, job).Succeed(t.Context(), "ok", tasks.Progress{}))
	// No message: the waiting call finds out by itself.
	if got := <-ended; got.State != tasks.StateSucceeded {
		t.Fatalf("got %s, want succeeded", got.State)
	}
}

func TestTaskHoldsNoSecret(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, request(b.keys, "one"))
	queue, err := asynq.NewInspectorFromRedisClient(b.redis).ListPendingTasks(tasks.KindProvision.Queue())
	must(t, err)
	if want := `{"job_id":"` + job.ID + `","dispatch":1}`; len(queue) != 1 || string(queue[0].Payload) != want {
		t.Fatalf("got %v, want one task with the payload %s", queue, want)
	}
}
