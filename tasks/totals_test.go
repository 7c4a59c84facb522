package tasks_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// totals words what has ended: "kind state reason jobs rows bytes".
func (b *bundle) totals(t *testing.T) []string {
	t.Helper()
	ended, err := b.Ended(t.Context())
	must(t, err)
	var all []string
	for _, e := range ended {
		all = append(all, fmt.Sprintf("%s %s %q %d %d %d", e.Kind, e.State, e.Reason, e.Jobs, e.Rows, e.Bytes))
		if e.Seconds < 0 {
			t.Errorf("%+v", e)
		}
	}
	return all
}

func (b *bundle) wantTotals(t *testing.T, want ...string) {
	t.Helper()
	if got := b.totals(t); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// sized is a result that counts.
type sized struct{ Rows, Bytes int64 }

func (s sized) Size() (rows, bytes int64) { return s.Rows, s.Bytes }

var exportOf3 = sized{Rows: 3, Bytes: 700}

// export is an export job's request.
func (b *bundle) export(body string) tasks.NewJob {
	n := request(b.keys, body)
	n.Kind, n.Subject, n.OrderKeys, n.Params, n.Secrets = tasks.KindExport, "export", nil, struct{}{}, nil
	return n
}

func TestEveryEndIsCounted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(*testing.T, *bundle, tasks.Job)
		want []string
	}{
		"success": {func(t *testing.T, b *bundle, job tasks.Job) {
			must(t, b.claim(t, job).Succeed(t.Context(), "ok", tasks.Progress{}))
		}, []string{`provision succeeded "" 1 0 0`}},
		"failure": {func(t *testing.T, b *bundle, job tasks.Job) {
			must(t, b.claim(t, job).Fail(t.Context(), fault.Errorf(fault.Conflict, "two of them")))
		}, []string{`provision failed "conflict" 1 0 0`}},
		"cancelled while it ran": {func(t *testing.T, b *bundle, job tasks.Job) {
			must(t, b.claim(t, job).Cancelled(t.Context(), "stopped"))
		}, []string{`provision cancelled "cancelled" 1 0 0`}},
		"cancelled before it began": {func(t *testing.T, b *bundle, job tasks.Job) {
			_, err := b.Cancel(t.Context(), job.ID, tenant.All)
			must(t, err)
		}, []string{`provision cancelled "cancelled" 1 0 0`}},
		"only asked to stop": {func(t *testing.T, b *bundle, job tasks.Job) {
			b.claim(t, job)
			_, err := b.Cancel(t.Context(), job.ID, tenant.All)
			must(t, err)
		}, nil},
		"handed back": {func(t *testing.T, b *bundle, job tasks.Job) {
			_, err := b.claim(t, job).HandBack(t.Context())
			must(t, err)
		}, nil},
		"too many workers lost": {func(t *testing.T, b *bundle, job tasks.Job) {
			b.claim(t, job)
			b.exec(t, "update trunkline.jobs set heartbeat_at = now() - interval '11 seconds', lost_workers = 2")
			_, err := b.Sweep(t.Context())
			must(t, err)
		}, []string{`provision failed "worker_lost" 1 0 0`}},
		"retried, and ended again": {func(t *testing.T, b *bundle, job tasks.Job) {
			must(t, b.claim(t, job).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
			again, err := b.Retry(t.Context(), job.ID, tenant.All)
			must(t, err)
			must(t, b.claim(t, again).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
		}, []string{`provision failed "server_error" 2 0 0`}},
		"an export in a worker": {func(t *testing.T, b *bundle, _ tasks.Job) {
			must(t, b.claim(t, b.submit(t, b.export("one"))).Succeed(t.Context(), exportOf3, tasks.Progress{}))
			must(t, b.claim(t, b.submit(t, b.export("two"))).Succeed(t.Context(), exportOf3, tasks.Progress{}))
		}, []string{`export succeeded "" 2 6 1400`}},
		"an export in the front end": {func(t *testing.T, b *bundle, _ tasks.Job) {
			job, err := b.Record(t.Context(), uuid.NewString(), b.export("one"), exportOf3)
			must(t, err)
			if want := (tasks.Progress{Done: 3, Total: 3, Unit: "rows"}); job.Progress != want {
				t.Errorf("its progress is %+v, want %+v", job.Progress, want)
			}
		}, []string{`export succeeded "" 1 3 700`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			tc.end(t, b, b.submit(t, elsewhere(request(b.keys, "one"))))
			b.wantTotals(t, tc.want...)
		})
	}
}

// Jobs that end at once, each by several who all want to end it: each job is counted once.
func TestRacingEndsCountOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const jobs = 12
	var wg sync.WaitGroup
	for i := range jobs {
		attempt := b.claim(t, b.submit(t, elsewhere(request(b.keys, fmt.Sprint(i)))))
		for range 3 {
			wg.Go(func() {
				err := attempt.Fail(t.Context(), fault.Errorf(fault.Timeout, "too long"))
				if err != nil && !errors.Is(err, tasks.ErrFenced) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	b.wantTotals(t, fmt.Sprintf(`provision failed "timeout" %d 0 0`, jobs))
}

func TestTotalsOutliveTheRows(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	must(t, b.claim(t, b.submit(t, b.export("one"))).Succeed(t.Context(), exportOf3, tasks.Progress{}))
	b.exec(t, "update trunkline.jobs set finished_at = now() - interval '31 days'")
	report, err := b.Sweep(t.Context())
	must(t, err)
	if report.Deleted != 1 {
		t.Fatalf("got %+v, want one row deleted", report)
	}
	b.wantTotals(t, `export succeeded "" 1 3 700`)
}

func TestUnfinished(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	want := func(when string, provision, export tasks.Unfinished) {
		t.Helper()
		got, err := b.Unfinished(t.Context())
		must(t, err)
		for i, want := range []tasks.Unfinished{provision, export} {
			if got[i].Kind != want.Kind || got[i].Queued != want.Queued || got[i].Running != want.Running || got[i].Oldest.Truncate(time.Hour) != want.Oldest {
				t.Errorf("%s: got %+v, want %+v", when, got[i], want)
			}
		}
	}
	none := tasks.Unfinished{Kind: tasks.KindExport}
	want("at first", tasks.Unfinished{Kind: tasks.KindProvision}, none)
	running := b.submit(t, request(b.keys, "one"))
	b.submit(t, request(b.keys, "two"))
	b.submit(t, request(b.keys, "three"))
	attempt := b.claim(t, running)
	b.exec(t, "update trunkline.jobs set queued_at = now() - interval '2 hours', created_at = now() - interval '2 hours'")
	want("two wait", tasks.Unfinished{Kind: tasks.KindProvision, Queued: 2, Running: 1, Oldest: 2 * time.Hour}, none)
	// An old job that is retried has not been waiting since it was made.
	b.exec(t, "delete from trunkline.jobs where state = 'queued'")
	must(t, attempt.Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
	_, err := b.Retry(t.Context(), running.ID, tenant.All)
	must(t, err)
	want("retried", tasks.Unfinished{Kind: tasks.KindProvision, Queued: 1}, none)
}

func TestQueueTasks(t *testing.T) {
	t.Parallel()
	private := pbxtest.NewRedis(t)
	b := newBundleOn(t, private.URL())
	got, err := b.QueueTasks(t.Context())
	must(t, err)
	if want := []tasks.QueueTasks{{Queue: tasks.KindProvision.Queue()}, {Queue: tasks.KindExport.Queue()}, {Queue: tasks.KindBulk.Queue()}, {Queue: tasks.KindDeliver.Queue()}}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	b.submit(t, request(b.keys, "one"))
	if got, err = b.QueueTasks(t.Context()); err != nil || got[0].Pending != 1 || got[1].Pending != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	must(t, private.Kill())
	if got, err = b.QueueTasks(t.Context()); err == nil {
		t.Errorf("got %+v without a Redis", got)
	}
}
