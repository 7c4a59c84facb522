package worker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"trunkline/internal/cdr"
	"trunkline/internal/pbxtest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// Redis is away for longer than asynq lets a worker keep a task, while that worker runs the job. asynq
// gives the task to another worker, which leaves the job alone: it ends once, where it began.
func TestRedisAwayForLongerThanALease(t *testing.T) {
	t.Parallel()
	private := pbxtest.NewRedis(t)
	b := newBundle(t, setUp{redisURL: private.URL(), cdrs: 500})
	// The job stands at this lock. The server must not take it away because its holder is idle.
	held, err := b.pool.Begin(t.Context())
	must(t, err)
	defer held.Rollback(t.Context())
	_, err = held.Exec(t.Context(), "set local idle_in_transaction_session_timeout = 0; lock table v_xml_cdr in access exclusive mode")
	must(t, err)
	job, err := b.Submit(t.Context(), b.cdrs("", "CSV"))
	must(t, err)
	b.becomes(t, job, tasks.StateRunning)

	rdb := b.options.Redis
	taskID := fmt.Sprintf("%s:%d", job.ID, job.Dispatch)
	const leases = "asynq:{export}:lease"
	lease := func() time.Time {
		score, err := rdb.ZScore(t.Context(), leases, taskID).Result()
		must(t, err)
		return time.Unix(int64(score), 0)
	}
	until := lease()
	must(t, private.Kill())
	pbxtest.Eventually(t, "the lease has run out", func() bool { return time.Now().After(until.Add(time.Second)) })
	must(t, private.Restart(t.Context()))
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	pbxtest.Eventually(t, "asynq has given up the task in this worker", func() bool {
		servers, err := inspector.Servers()
		return err == nil && givenUp(servers, tasks.KindExport.Queue())
	})
	if got := lease(); !got.Equal(until) {
		t.Fatalf("the lease was extended from %v to %v: asynq never lost it", until, got)
	}
	// A task's recovery waits half a minute more, for clocks that differ.
	must(t, rdb.ZAddXX(t.Context(), leases, redis.Z{Member: taskID, Score: float64(until.Add(-time.Hour).Unix())}).Err())
	b.start(t) // another worker: the first thing that it does is to look for such tasks
	pbxtest.Eventually(t, "the task was run again and is done with", func() bool {
		_, err := inspector.GetTaskInfo(tasks.KindExport.Queue(), taskID)
		return errors.Is(err, asynq.ErrTaskNotFound) && strings.Contains(b.log.String(), `"late task ignored" job=`+job.ID)
	})
	report, err := b.Sweep(t.Context())
	if err != nil || report.Redispatched != 0 {
		t.Errorf("the sweep: %+v, %v; want nothing to be lost", report, err)
	}
	job = b.becomes(t, job, tasks.StateRunning)

	must(t, held.Rollback(t.Context()))
	job = b.ended(t, job)
	if job.State != tasks.StateSucceeded || job.Attempt != 1 {
		t.Fatalf("got %s %v at attempt %d, want it to succeed at the first", job.State, job.Error, job.Attempt)
	}
	var result cdr.Result
	must(t, json.Unmarshal(job.Result, &result))
	files, err := filepath.Glob(filepath.Join(b.dir, "*"))
	must(t, err)
	if len(files) != 3 || result.TotalRecords != 500 {
		t.Errorf("got %d rows and the files %v, want 500 and one file with its checksum and its manifest", result.TotalRecords, files)
	}
	if _, err := os.Stat(filepath.Join(b.dir, result.File)); err != nil {
		t.Error(err)
	}
}

// becomes waits until the job is in that state.
func (b *bundle) becomes(t *testing.T, job tasks.Job, state tasks.State) (now tasks.Job) {
	t.Helper()
	pbxtest.Eventually(t, "the job is "+string(state), func() bool {
		var err error
		now, err = b.Get(t.Context(), job.ID, tenant.All)
		must(t, err)
		return now.State == state
	})
	return now
}

// givenUp says whether asynq's server of the queue is there and holds no task.
func givenUp(servers []*asynq.ServerInfo, queue string) bool {
	for _, server := range servers {
		if server.Queues[queue] > 0 {
			return len(server.ActiveWorkers) == 0
		}
	}
	return false
}

// A newer build's job in a queue that this one serves says what is wrong with it.
func TestJobOfAKindToCome(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	n := b.gateway("", "any", carrier())
	n.Kind = "to_come"
	job, err := b.Submit(t.Context(), n)
	must(t, err)
	_, err = b.pool.Exec(t.Context(), "update trunkline.jobs set admitted_at = now()") // as the newer build does
	must(t, err)
	payload, err := json.Marshal(tasks.Task{JobID: job.ID, Dispatch: job.Dispatch})
	must(t, err)
	_, err = asynq.NewClientFromRedisClient(b.options.Redis).EnqueueContext(t.Context(), asynq.NewTask("to_come", payload),
		asynq.Queue(tasks.KindProvision.Queue()))
	must(t, err)
	job = b.ended(t, job)
	if job.State != tasks.StateFailed || !strings.Contains(job.Error.Message, `does not know jobs of kind "to_come"`) || strings.Contains(job.Error.Message, "time-out") {
		t.Errorf("it %s: %v", job.State, job.Error)
	}
}
