package tasks_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"trunkline/internal/pbxtest"
	"trunkline/tasks"
)

func TestAliveForAsLongAsTheMarkLasts(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	if err := tasks.Alive(t.Context(), b.redis, tasks.RoleScheduler); err == nil {
		t.Fatal("a scheduler is alive that never was")
	}
	must(t, b.MarkAlive(t.Context(), tasks.RoleScheduler, time.Hour))
	must(t, tasks.Alive(t.Context(), b.redis, tasks.RoleScheduler))
	must(t, b.MarkAlive(t.Context(), tasks.RoleScheduler, 100*time.Millisecond))
	pbxtest.Eventually(t, "the mark is past its time", func() bool {
		return tasks.Alive(t.Context(), b.redis, tasks.RoleScheduler) != nil
	})
}

// A process that is gone, and one of another host, say nothing of this host.
func TestAliveIsOfAProcessHere(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	host, err := os.Hostname()
	must(t, err)
	const gone = 1 << 30 // beyond the highest pid
	until := float64(time.Now().Add(time.Hour).UnixMilli())
	must(t, b.redis.ZAdd(t.Context(), "trunkline:alive:scheduler:"+host, redis.Z{Score: until, Member: gone}).Err())
	must(t, b.redis.ZAdd(t.Context(), "trunkline:alive:scheduler:elsewhere", redis.Z{Score: until, Member: os.Getpid()}).Err())
	if err := tasks.Alive(t.Context(), b.redis, tasks.RoleScheduler); err == nil {
		t.Fatal("alive by a process that is not here")
	}
	must(t, b.redis.ZAdd(t.Context(), "trunkline:alive:scheduler:"+host, redis.Z{Score: until, Member: os.Getpid()}).Err())
	must(t, tasks.Alive(t.Context(), b.redis, tasks.RoleScheduler))
}

// A process whose sweeps go well and whose queues are not served is no worker.
func TestAliveWorkerTakesJobs(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	must(t, b.MarkAlive(t.Context(), tasks.RoleWorker, time.Hour))
	err := tasks.Alive(t.Context(), b.redis, tasks.RoleWorker)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), "provision, export") {
		t.Fatalf("got %v", err)
	}
}
