package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

func TestRepeatedRequestAttaches(t *testing.T) {
	t.Parallel()
	end := map[string]func(*testing.T, *bundle, tasks.Job){
		"queued":  func(*testing.T, *bundle, tasks.Job) {},
		"running": func(t *testing.T, b *bundle, job tasks.Job) { b.claim(t, job) },
		"succeeded": func(t *testing.T, b *bundle, job tasks.Job) {
			must(t, b.claim(t, job).Succeed(t.Context(), map[string]string{"gateway_uuid": "g"}, tasks.Progress{}))
		},
		"failed": func(t *testing.T, b *bundle, job tasks.Job) {
			must(t, b.claim(t, job).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
		},
		"cancelled": func(t *testing.T, b *bundle, job tasks.Job) {
			_, err := b.Cancel(t.Context(), job.ID, tenant.All)
			must(t, err)
		},
	}
	for _, tc := range []struct {
		name     string
		key      string
		external string
		first    string // how the first job stands when the request is repeated
		body     string // of the second request; the first one's is "one"
		want     string // same, requeued, new or refused
	}{
		{name: "key, queued", key: "k", first: "queued", body: "one", want: "same"},
		{name: "key, running", key: "k", first: "running", body: "one", want: "same"},
		{name: "key, succeeded", key: "k", first: "succeeded", body: "one", want: "same"},
		{name: "key, failed", key: "k", first: "failed", body: "one", want: "requeued"},
		{name: "key, cancelled", key: "k", first: "cancelled", body: "one", want: "requeued"},
		{name: "key, other body in flight", key: "k", first: "queued", body: "two", want: "refused"},
		{name: "key, other body done", key: "k", first: "succeeded", body: "two", want: "refused"},
		{name: "external_id, succeeded", external: "77", first: "succeeded", body: "one", want: "new"},
		{name: "external_id, in flight", external: "77", first: "queued", body: "one", want: "same"},
		{name: "external_id, other body", external: "77", first: "succeeded", body: "two", want: "new"},
		{name: "no key, in flight", first: "queued", body: "one", want: "same"},
		{name: "no key, running", first: "running", body: "one", want: "same"},
		{name: "no key, other body", first: "queued", body: "two", want: "new"},
		{name: "no key, done", first: "succeeded", body: "one", want: "new"},
		{name: "no key, failed", first: "failed", body: "one", want: "new"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			first := request(b.keys, "one")
			first.IdempotencyKey, first.ExternalID = tc.key, tc.external
			job := b.submit(t, first)
			end[tc.first](t, b, job)
			before := b.get(t, job.ID)

			second := request(b.keys, tc.body)
			second.IdempotencyKey, second.ExternalID = tc.key, tc.external
			_, found, err := b.Earlier(t.Context(), second)
			if refused := errors.Is(err, tasks.ErrKeyReused); refused != (tc.want == "refused") {
				t.Errorf("looking for the earlier job: %v", err)
			}
			if found != (tc.key != "" && tc.want == "same") {
				t.Errorf("got an earlier job %t", found)
			}
			got, err := b.Submit(t.Context(), second)

			if tc.want == "refused" {
				if !errors.Is(err, tasks.ErrKeyReused) {
					t.Fatalf("got %v, want ErrKeyReused", err)
				}
				return
			}
			must(t, err)
			if same := got.ID == job.ID; same != (tc.want != "new") {
				t.Fatalf("got job %s for the first one's %s, want %s", got.ID, job.ID, tc.want)
			}
			if tc.want == "same" && (got.State != before.State || got.Dispatch != before.Dispatch) {
				t.Fatalf("got %s/%d, want it left as %s/%d", got.State, got.Dispatch, before.State, before.Dispatch)
			}
			if tc.want == "requeued" && (got.State != tasks.StateQueued || got.Dispatch <= before.Dispatch || got.Error != nil) {
				t.Fatalf("got %s, dispatch %d, error %v; want it queued under a new dispatch", got.State, got.Dispatch, got.Error)
			}
		})
	}
}

func TestRequestsAtOnceMakeOneJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const callers = 16
	ids := make([]string, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			n := request(b.keys, "one")
			n.IdempotencyKey = "k"
			job, err := b.Submit(t.Context(), n)
			if err != nil {
				t.Error(err)
			}
			ids[i] = job.ID
		})
	}
	group.Wait()
	if got := len(slices.Compact(slices.Sorted(slices.Values(ids)))); got != 1 {
		t.Fatalf("got %d jobs of %d equal requests, want 1", got, callers)
	}
}

// acceptTogether asks for jobs of domain A, which are accepted together, in this order: somebody else holds the domain until
// all wait behind a first request.
func (b *bundle) acceptTogether(t *testing.T, all []tasks.NewJob) (jobs []tasks.Job, accepted []bool, errs []error) {
	t.Helper()
	tx, err := b.pool.Begin(t.Context())
	must(t, err)
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	_, err = tx.Exec(t.Context(), "select pg_advisory_xact_lock($1)", postgres.LockKey("jobs of domain "+domainA))
	must(t, err)
	jobs, accepted, errs = make([]tasks.Job, len(all)), make([]bool, len(all)), make([]error, len(all))
	var callers sync.WaitGroup
	callers.Go(func() {
		if _, _, err := b.Create(t.Context(), b.of(domainA, "first", "first")); err != nil {
			t.Error(err)
		}
	})
	pbxtest.Eventually(t, "the first one waits for the domain", func() (waits bool) {
		must(t, tx.QueryRow(t.Context(), `
			select exists (select from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database()))`).Scan(&waits))
		return waits
	})
	for i, n := range all {
		callers.Go(func() { jobs[i], accepted[i], errs[i] = b.Create(t.Context(), n) })
		pbxtest.Eventually(t, "it waits behind the others", func() bool { return b.WaitingToBeAccepted(domainA) == i+1 })
	}
	must(t, tx.Rollback(t.Context()))
	callers.Wait()
	return jobs, accepted, errs
}

// Requests of one domain that come at the same time are accepted together, and each gets its own answer: those for one
// gateway attach or take their turns, and what is refused, by the database too, is refused alone.
func TestRequestsAtOnceAreAcceptedTogether(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	about := func(subject, body, key string) tasks.NewJob {
		n := b.of(domainA, body, subject)
		n.Subject, n.IdempotencyKey = subject, key
		return n
	}
	before := b.submit(t, about("before", "one", "used"))
	all := []tasks.NewJob{
		about("1", "same", ""), about("2", "same", ""), about("1", "same", ""), about("2", "other", ""), about("2", "same", ""),
		about("3", "another", "used"), about("before", "one", "used"), about("unwanted", "one", ""),
	}
	b.exec(t, "alter table trunkline.jobs add constraint theirs check (subject <> 'unwanted')")
	jobs, accepted, errs := b.acceptTogether(t, all)
	if want := []bool{true, true, false, true, true, false, false, false}; !slices.Equal(accepted, want) {
		t.Errorf("accepted are %v, want %v", accepted, want)
	}
	for i, err := range errs {
		switch {
		case i == 5 && !errors.Is(err, tasks.ErrKeyReused), i == 7 && err == nil, i != 5 && i != 7 && err != nil:
			t.Errorf("request %d: got %v", i, err)
		}
	}
	if jobs[2].ID != jobs[0].ID || jobs[6].ID != before.ID {
		t.Errorf("a repeated request has job %s, want %s, and one by its key %s, want %s", jobs[2].ID, jobs[0].ID, jobs[6].ID, before.ID)
	}
	b.Admit(t.Context())
	b.wantStarted(t, map[string]tasks.Job{"1": jobs[0], "2": jobs[1], "2 other": jobs[3], "2 again": jobs[4]}, "1", "2")
}

// Together, too, no more are accepted than a domain may have wait.
func TestRoomIsCountedTogether(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	settings := testbed.JobSettings
	settings.QueuedJobs = 3
	client := tasks.NewClient(b.pool, b.keys, b.redis, settings, slog.New(slog.DiscardHandler))
	var accepted, full atomic.Int64
	var callers sync.WaitGroup
	for i := range 20 {
		n := b.of(domainA, "one", fmt.Sprint(i))
		n.Subject = fmt.Sprint(i)
		callers.Go(func() {
			switch _, is, err := client.Create(t.Context(), n); {
			case is:
				accepted.Add(1)
			case fault.Is(err, fault.RateLimited):
				full.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	callers.Wait()
	if accepted.Load() != 3 || full.Load() != 17 {
		t.Errorf("%d were accepted and %d refused, want 3 and 17", accepted.Load(), full.Load())
	}
}

func TestOtherDomainsAreHidden(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	ours := b.submit(t, request(b.keys, "ours"))
	global := request(b.keys, "global")
	global.DomainUUID = ""
	globalJob := b.submit(t, global)
	for _, tc := range []struct {
		name    string
		domains tenant.Domains
		see     []string
	}{
		{"everything", tenant.All, []string{ours.ID, globalJob.ID}},
		{"its own domain", tenant.Only(tenant.Domain{UUID: domainA}), []string{ours.ID}},
		{"another domain", tenant.Only(tenant.Domain{UUID: domainB}), nil},
		{"no domain", tenant.Domains{}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			jobs, _, err := b.List(t.Context(), tasks.Filter{Domains: tc.domains, Limit: 10})
			must(t, err)
			var got []string
			for _, job := range jobs {
				got = append(got, job.ID)
			}
			slices.Reverse(got)
			if !slices.Equal(got, tc.see) {
				t.Errorf("the list shows %v, want %v", got, tc.see)
			}
			for _, id := range []string{ours.ID, globalJob.ID} {
				_, getErr := b.Get(t.Context(), id, tc.domains)
				_, cancelErr := b.Cancel(t.Context(), id, tc.domains)
				_, retryErr := b.Retry(t.Context(), id, tc.domains)
				visible := slices.Contains(tc.see, id)
				for doing, err := range map[string]error{"get": getErr, "cancel": cancelErr, "retry": retryErr} {
					if hidden := errors.Is(err, tasks.ErrNotFound); hidden == visible {
						t.Errorf("%s %s: got %v, visible should be %t", doing, id, err, visible)
					}
				}
			}
		})
	}
}

func TestListPages(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	var want []string
	for i := range 7 {
		want = append(want, b.submit(t, request(b.keys, string(rune('a'+i)))).ID)
	}
	slices.Reverse(want)
	var got []string
	after := ""
	for {
		jobs, next, err := b.List(t.Context(), tasks.Filter{Domains: tenant.All, Kind: tasks.KindProvision, After: after, Limit: 3})
		must(t, err)
		for _, job := range jobs {
			got = append(got, job.ID)
		}
		if after = next; next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// Whoever cancels a job whose worker is ending it, which may take long, is told so and does not wait for it.
func TestCancelWhileAJobEnds(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, elsewhere(request(b.keys, "ending")))
	attempt := b.claim(t, job)
	must(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		if err := attempt.Fence(t.Context(), tx); err != nil {
			return err
		}
		if _, err := b.Cancel(t.Context(), job.ID, tenant.All); !fault.Is(err, fault.Unavailable) || !fault.Passes(err) {
			t.Errorf("got %v", err)
		}
		return nil
	}))
	if got, err := b.Cancel(t.Context(), job.ID, tenant.All); err != nil || !got.CancelRequested {
		t.Errorf("once it goes on: requested %t, %v", got.CancelRequested, err)
	}
}

func TestCancelAndRetry(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	all := tenant.All

	queued := b.submit(t, elsewhere(request(b.keys, "queued")))
	got, err := b.Cancel(t.Context(), queued.ID, all)
	must(t, err)
	if got.State != tasks.StateCancelled || got.Error == nil || got.Error.Code != fault.Cancelled {
		t.Fatalf("a queued job: got %s %v, want cancelled", got.State, got.Error)
	}
	if _, err := b.Claim(t.Context(), queued.ID, queued.Dispatch, "late"); !errors.Is(err, tasks.ErrNotClaimed) {
		t.Fatalf("its task: got %v, want ErrNotClaimed", err)
	}
	if _, err := b.Cancel(t.Context(), queued.ID, all); !errors.Is(err, tasks.ErrState) {
		t.Fatalf("cancelling again: got %v, want ErrState", err)
	}
	if _, err := b.Retry(t.Context(), queued.ID, all); !errors.Is(err, tasks.ErrState) {
		t.Fatalf("retrying without its secrets: got %v, want ErrState", err)
	}

	running := b.submit(t, elsewhere(request(b.keys, "running")))
	attempt := b.claim(t, running)
	got, err = b.Cancel(t.Context(), running.ID, all)
	must(t, err)
	if got.State != tasks.StateRunning || !got.CancelRequested {
		t.Fatalf("a running job: got %s, requested %t; want it asked to stop", got.State, got.CancelRequested)
	}
	cancelled, err := attempt.Heartbeat(t.Context(), tasks.Progress{})
	if err != nil || !cancelled {
		t.Fatalf("its heartbeat: got %t, %v; want the request", cancelled, err)
	}

	failed := b.submit(t, elsewhere(request(b.keys, "failed")))
	must(t, b.claim(t, failed).Fail(t.Context(), fault.Errorf(fault.SwitchUnavailable, "down")))
	retried, err := b.Retry(t.Context(), failed.ID, all)
	must(t, err)
	var sealed secrets
	must(t, b.claim(t, retried).Secrets(&sealed))
	if sealed.Password != "hunter2-failed" {
		t.Fatal("the retried job has lost its password")
	}
}

var must = pbxtest.Must
