package tasks_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

const calledBack = "https://billing.example/hooks?token=Geheim77"

// takeEnded takes the jobs whose ends are to be told.
func (b *bundle) takeEnded(t *testing.T) (taken []tasks.CalledBack) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
		taken, err = b.TakeEnded(t.Context(), tx, 10)
		return err
	})
	must(t, err)
	return taken
}

// Whoever ends a job, in whatever way: its end is told, once.
func TestEveryEndIsToldOnce(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end   func(t *testing.T, b *bundle, job tasks.Job) error
		state tasks.State
	}{
		"succeeded": {func(t *testing.T, b *bundle, job tasks.Job) error {
			return b.claim(t, job).Succeed(t.Context(), struct{}{}, tasks.Progress{})
		}, tasks.StateSucceeded},
		"failed": {func(t *testing.T, b *bundle, job tasks.Job) error {
			return b.claim(t, job).Fail(t.Context(), fault.Errorf(fault.Timeout, "it took too long"))
		}, tasks.StateFailed},
		"cancelled while it ran": {func(t *testing.T, b *bundle, job tasks.Job) error {
			return b.claim(t, job).Cancelled(t.Context(), "cancelled")
		}, tasks.StateCancelled},
		"cancelled before that": {func(t *testing.T, b *bundle, job tasks.Job) error {
			_, err := b.Cancel(t.Context(), job.ID, tenant.All)
			return err
		}, tasks.StateCancelled},
		"by the sweep": {func(t *testing.T, b *bundle, job tasks.Job) error {
			b.claim(t, job)
			b.exec(t, "update trunkline.jobs set heartbeat_at = now() - interval '11 seconds', lost_workers = 2")
			_, err := b.Sweep(t.Context())
			return err
		}, tasks.StateFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			n := b.export("one")
			n.Callback = calledBack
			job := b.submit(t, n)
			if early := b.takeEnded(t); len(early) > 0 {
				t.Fatalf("it is told before its end: %+v", early)
			}
			must(t, tc.end(t, b, job))
			got := b.takeEnded(t)
			if len(got) != 1 || got[0].ID != job.ID || got[0].State != tc.state || got[0].URL != calledBack {
				t.Fatalf("got %+v", got)
			}
			if again := b.takeEnded(t); len(again) > 0 {
				t.Errorf("it is told twice: %+v", again)
			}
		})
	}
}

// What is rolled back is not taken, and a job that ends again is told again.
func TestEndsAreTakenWithTheirMessages(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	n := b.export("one")
	n.Callback = calledBack
	job := b.submit(t, n)
	fail := func() {
		must(t, b.claim(t, b.get(t, job.ID)).Fail(t.Context(), fault.Errorf(fault.Timeout, "it took too long")))
	}
	fail()
	tx, err := b.pool.Begin(t.Context())
	must(t, err)
	if taken, err := b.TakeEnded(t.Context(), tx, 10); err != nil || len(taken) != 1 {
		t.Fatalf("got %+v, %v", taken, err)
	}
	if others := b.takeEnded(t); len(others) > 0 {
		t.Errorf("two tell the same: %+v", others)
	}
	must(t, tx.Rollback(t.Context()))
	if got := b.takeEnded(t); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
	_, err = b.Retry(t.Context(), job.ID, tenant.All)
	must(t, err)
	b.Admit(t.Context())
	fail()
	if got := b.takeEnded(t); len(got) != 1 {
		t.Errorf("of its second end: got %+v", got)
	}
}

// A token may stand in the URL: it is in no row as it is.
func TestCallbacksAreSealed(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	n := request(b.keys, "a body")
	n.Callback = calledBack
	b.submit(t, n)
	var rows string
	err := b.pool.QueryRow(t.Context(), `
		select (select string_agg(jobs::text, ' ') from trunkline.jobs) || (select string_agg(callbacks::text || encode(sealed, 'escape'), ' ') from trunkline.callbacks)`).Scan(&rows)
	if err != nil || rows == "" || strings.Contains(rows, "Geheim77") {
		t.Errorf("%v: %s", err, rows)
	}
}
