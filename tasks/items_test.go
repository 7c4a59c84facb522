package tasks_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// many is a request for a job of many; each key is an item's, and what begins with ! was refused.
func (b *bundle) many(body string, keys ...string) tasks.NewJob {
	n := request(b.keys, body)
	n.Kind, n.Subject, n.OrderKeys, n.Secrets, n.Domains = tasks.KindBulk, "bulk", nil, nil, []string{domainA}
	for _, key := range keys {
		item := tasks.NewItem{Params: map[string]string{"name": key}, Secrets: secrets{"hunter2-" + key}, OrderKeys: []string{key}}
		if key[0] == '!' {
			item.OrderKeys, item.Fault = nil, fault.Errorf(fault.InvalidRequest, "proxy: is not a host")
		}
		n.Items = append(n.Items, item)
	}
	return n
}

// states are those of the job's items, in their order.
func (b *bundle) states(t *testing.T, job tasks.Job) (states []tasks.ItemState) {
	t.Helper()
	items, _, err := b.Items(t.Context(), job, tasks.ItemFilter{Limit: 100})
	must(t, err)
	for _, item := range items {
		states = append(states, item.State)
	}
	return states
}

func (b *bundle) wantStates(t *testing.T, job tasks.Job, want ...tasks.ItemState) {
	t.Helper()
	if got := b.states(t, job); !slices.Equal(got, want) {
		t.Errorf("the items are %v, want %v", got, want)
	}
}

// todoOf are the items that the attempt has yet to end.
func todoOf(t *testing.T, a *tasks.Attempt) (todo []*tasks.Todo) {
	t.Helper()
	must(t, a.EachTodo(t.Context(), func(item *tasks.Todo) error {
		todo = append(todo, item)
		return nil
	}))
	return todo
}

// sealed is how many of the job's items have secrets.
func (b *bundle) sealed(t *testing.T, job tasks.Job) (n int) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), "select count(sealed) from trunkline.items where job_id = $1", job.ID).Scan(&n))
	return n
}

const (
	queued    = tasks.ItemQueued
	succeeded = tasks.ItemSucceeded
	failed    = tasks.ItemFailed
	skipped   = tasks.ItemSkipped
)

var notHost = fault.Errorf(fault.InvalidGateway, "proxy: is not a host")

func TestItemsAreKeptAsGiven(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, b.many("one", "a", "!b", "c"))
	if job.Items != 3 || !slices.Equal(job.Domains, []string{domainA}) {
		t.Errorf("got %+v", job)
	}
	b.wantStates(t, job, queued, failed, queued)
	page, next, err := b.Items(t.Context(), job, tasks.ItemFilter{State: queued, Limit: 1})
	if err != nil || len(page) != 1 || next != 1 || string(page[0].Params) != `{"name":"a"}` {
		t.Errorf("got %+v, %d, %v", page, next, err)
	}
	page, next, err = b.Items(t.Context(), job, tasks.ItemFilter{After: next, Limit: 2})
	if err != nil || len(page) != 2 || next != 0 || page[0].Error == nil || page[0].Error.Code != fault.InvalidRequest {
		t.Errorf("got %+v, %d, %v", page, next, err)
	}
	todo := todoOf(t, b.claim(t, job))
	var got secrets
	if len(todo) != 2 || todo[1].Number != 3 || todo[1].Secrets(&got) != nil || got.Password != "hunter2-c" {
		t.Errorf("got %d items, %+v", len(todo), got)
	}
}

// A job of many waits for whatever was accepted before at one of its keys, and what comes later waits for its item
// alone.
func TestItemsTakeTheirTurns(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	jobs := b.submitAll(t, []keyedJob{{"before b", []string{"b"}}, {"beside", []string{"x"}}})
	jobs["many"] = b.submit(t, b.many("many", "a", "b", "c"))
	jobs["after a"] = b.submit(t, b.of(domainA, "after a", "a"))
	jobs["after c"] = b.submit(t, b.of(domainA, "after c", "c"))
	jobs["more"] = b.submit(t, b.many("more", "c", "d"))
	b.wantStarted(t, jobs, "before b", "beside")
	b.succeed(t, jobs["before b"])
	b.wantStarted(t, jobs, "beside", "many")
	attempt := b.claim(t, b.get(t, jobs["many"].ID))
	must(t, attempt.EndItems(t.Context(), []tasks.ItemEnd{{Number: 1, Result: "done"}}))
	b.Admit(t.Context())
	b.wantStarted(t, jobs, "after a", "beside")
	must(t, attempt.EndItems(t.Context(), []tasks.ItemEnd{{Number: 2, Result: "done"}, {Number: 3, Result: "done"}}))
	b.Admit(t.Context())
	b.wantStarted(t, jobs, "after a", "after c", "beside")
	must(t, attempt.Succeed(t.Context(), "all", tasks.Progress{}))
	b.Admit(t.Context())
	b.wantStarted(t, jobs, "after a", "after c", "beside") // "more" waits for "after c"
	b.succeed(t, jobs["after c"])
	b.wantStarted(t, jobs, "after a", "beside", "more")
}

// Whoever shares a key with an item takes over that item's keys, and not those of the whole job.
func TestItemsKeysAreTakenOverOneByOne(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	n := b.many("many", "a", "b")
	n.Items[0].OrderKeys = []string{"a", "uuid a"}
	b.submit(t, n)
	if job := b.submit(t, b.of(domainA, "by name", "a")); !slices.Equal(sorted(job.OrderKeys), []string{"a", "uuid a"}) {
		t.Errorf("a job takes its turn at %v", job.OrderKeys)
	}
	// An item is about a gateway that is being renamed: it waits at both names.
	b.submit(t, b.of(domainA, "rename", "old", "new"))
	job := b.submit(t, b.many("renamed", "old", "z"))
	var keys int
	must(t, b.pool.QueryRow(t.Context(), "select count(*) from trunkline.turns where job_id = $1 and item = 1 and key in ('old', 'new')", job.ID).Scan(&keys))
	if keys != 2 {
		t.Errorf("the item has %d of 2 keys", keys)
	}
}

func sorted(keys []string) []string { return slices.Sorted(slices.Values(keys)) }

// A job of many and jobs of one are accepted in one order, however they meet: none runs beside another at a key.
func TestJobsOfManyAndOfOneAreAcceptedInOneOrder(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const rounds = 10
	accepted := make(chan error)
	for i := range rounds {
		go func() {
			_, err := b.Submit(t.Context(), b.of(domainA, fmt.Sprint("one ", i), "a"))
			accepted <- err
		}()
		go func() {
			_, err := b.Submit(t.Context(), b.many(fmt.Sprint("many ", i), "a", fmt.Sprint("other ", i)))
			accepted <- err
		}()
	}
	for range 2 * rounds {
		must(t, <-accepted)
	}
	for left := 2 * rounds; left > 0; left-- {
		var id string
		var running int
		must(t, b.pool.QueryRow(t.Context(), `select count(*), min(id::text) from trunkline.jobs where admitted_at is not null and finished_at is null`).Scan(&running, &id))
		if running != 1 {
			t.Fatalf("%d jobs of one key may run at once, with %d to go", running, left)
		}
		var first string
		must(t, b.pool.QueryRow(t.Context(), "select job_id::text from trunkline.turns where key = 'a' order by turn limit 1").Scan(&first))
		if first != id {
			t.Fatalf("job %s runs before job %s, which was accepted before it", id, first)
		}
		b.succeed(t, b.get(t, id))
	}
}

// What a job's end makes of its items, and what a retry takes up.
func TestItemsEndWithTheirJob(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end     func(*tasks.Attempt, *testing.T) error
		states  []tasks.ItemState
		sealed  int
		retried []tasks.ItemState // nil: it cannot be
	}{
		"partial": {func(a *tasks.Attempt, t *testing.T) error { return a.Partial(t.Context(), "some", tasks.Progress{}) },
			[]tasks.ItemState{succeeded, failed, skipped, failed}, 2, []tasks.ItemState{succeeded, queued, queued, failed}},
		"failed": {func(a *tasks.Attempt, t *testing.T) error { return a.Fail(t.Context(), notHost) },
			[]tasks.ItemState{succeeded, failed, skipped, failed}, 2, []tasks.ItemState{succeeded, queued, queued, failed}},
		"cancelled": {func(a *tasks.Attempt, t *testing.T) error { return a.Cancelled(t.Context(), "stopped") },
			[]tasks.ItemState{succeeded, failed, skipped, failed}, 0, nil},
		"succeeded": {func(a *tasks.Attempt, t *testing.T) error { return a.Succeed(t.Context(), "all", tasks.Progress{}) },
			[]tasks.ItemState{succeeded, failed, skipped, failed}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			job := b.submit(t, b.many(name, "a", "b", "c", "!d"))
			attempt := b.claim(t, job)
			must(t, attempt.EndItems(t.Context(), []tasks.ItemEnd{{Number: 1, Outcome: "created", Result: "done"}, {Number: 2, Error: notHost}}))
			must(t, c.end(attempt, t))
			b.wantStates(t, job, c.states...)
			if got := b.sealed(t, job); got != c.sealed {
				t.Errorf("%d items keep their secrets, want %d", got, c.sealed)
			}
			retried, err := b.Retry(t.Context(), job.ID, tenant.All)
			if c.retried == nil {
				if !errors.Is(err, tasks.ErrState) {
					t.Errorf("a retry: got %v", err)
				}
				return
			}
			must(t, err)
			b.wantStates(t, job, c.retried...)
			todo := todoOf(t, b.claim(t, retried))
			var got secrets
			if len(todo) != 2 || todo[0].Number != 2 || todo[0].Secrets(&got) != nil || got.Password != "hunter2-b" {
				t.Errorf("a retry has %d items, %+v", len(todo), got)
			}
		})
	}
}

// A retry takes a turn of its own for what it takes up, and for nothing else.
func TestRetryOfManyTakesNewTurns(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, b.many("many", "a", "b"))
	attempt := b.claim(t, job)
	must(t, attempt.EndItems(t.Context(), []tasks.ItemEnd{{Number: 1, Result: "done"}, {Number: 2, Error: notHost}}))
	must(t, attempt.Partial(t.Context(), "some", tasks.Progress{}))
	jobs := map[string]tasks.Job{"later": b.submit(t, b.of(domainA, "later", "b"))}
	retried, err := b.Retry(t.Context(), job.ID, tenant.All)
	must(t, err)
	jobs["retried"], jobs["other"] = retried, b.submit(t, b.of(domainA, "other", "a"))
	b.wantStarted(t, jobs, "later", "other")
	b.succeed(t, jobs["later"])
	b.wantStarted(t, jobs, "other", "retried")
}

// The wiping of old secrets and the deletion of old jobs take the items with them.
func TestItemsAreForgottenWithTheirJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, b.many("many", "a", "b"))
	must(t, b.claim(t, job).Fail(t.Context(), notHost))
	b.exec(t, "update trunkline.jobs set finished_at = now() - interval '2 days'")
	_, err := b.Sweep(t.Context())
	must(t, err)
	if got := b.sealed(t, job); got != 0 {
		t.Errorf("%d items keep their secrets", got)
	}
	if _, err := b.Retry(t.Context(), job.ID, tenant.All); !errors.Is(err, tasks.ErrState) {
		t.Errorf("a retry without secrets: got %v", err)
	}
	b.exec(t, "delete from trunkline.jobs")
	var left int
	must(t, b.pool.QueryRow(t.Context(), "select (select count(*) from trunkline.items) + (select count(*) from trunkline.turns)").Scan(&left))
	if left != 0 {
		t.Errorf("%d items and turns are left", left)
	}
}

// An attempt that was given up for lost changes no item.
func TestItemsAreFenced(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, b.many("many", "a", "b"))
	late := b.claim(t, job)
	again, err := late.HandBack(t.Context())
	must(t, err)
	b.claim(t, again)
	if err := late.EndItems(t.Context(), []tasks.ItemEnd{{Number: 1, Result: "late"}}); !errors.Is(err, tasks.ErrFenced) {
		t.Errorf("ending: got %v", err)
	}
	err = pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
		return late.SaveItemSecrets(t.Context(), tx, map[int]any{1: secrets{"late"}})
	})
	if !errors.Is(err, tasks.ErrFenced) {
		t.Errorf("saving: got %v", err)
	}
	b.wantStates(t, job, queued, queued)
}

// What is sealed into more items than one statement writes is each one's own, and those that have ended keep theirs.
func TestSecretsOfMoreItemsThanAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	keys := make([]string, 1234)
	for i := range keys {
		keys[i] = fmt.Sprint(i + 1)
	}
	attempt := b.claim(t, b.submit(t, b.many("many", keys...)))
	must(t, attempt.EndItems(t.Context(), []tasks.ItemEnd{{Number: 700, Error: notHost}}))
	saved := map[int]any{}
	for n := 2; n <= len(keys); n++ {
		saved[n] = secrets{"saved-" + keys[n-1]}
	}
	must(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error { return attempt.SaveItemSecrets(t.Context(), tx, saved) }))
	todo := todoOf(t, attempt)
	if len(todo) != len(keys)-1 {
		t.Errorf("%d items are to be done, want %d", len(todo), len(keys)-1)
	}
	for _, item := range todo {
		var got secrets
		must(t, item.Secrets(&got))
		want := "saved-" + fmt.Sprint(item.Number)
		if item.Number == 1 {
			want = "hunter2-1"
		}
		if got.Password != want {
			t.Fatalf("item %d: got %q, want %q", item.Number, got.Password, want)
		}
	}
	failure := errors.New("no more")
	if err := attempt.EachTodo(t.Context(), func(*tasks.Todo) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v, want %v", err, failure)
	}
}

// One of ten thousand items has the job wait, and keeps nobody else from starting.
// A job is admitted within its time beside the many turns of another, also by a connection that made its plans
// when there was none.
func TestAdmissionBesideManyTurns(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.exec(t, "vacuum analyze trunkline.turns")
	b.Admit(t.Context())
	keys := make([]string, 25_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("gateway-%d", i)
	}
	b.submit(t, b.many("all", keys...))
	free := b.submit(t, b.of(domainA, "free", "another"))
	b.wantStarted(t, map[string]tasks.Job{"free": free}, "free")
	waits := b.submit(t, b.of(domainA, "waits", keys[7]))
	b.wantStarted(t, map[string]tasks.Job{"free": free, "waits": waits}, "free")
}

func TestOneOfManyItemsIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	keys := make([]string, 25_000)
	for i := range keys {
		keys[i] = fmt.Sprint("gateway ", i)
	}
	jobs := map[string]tasks.Job{"first": b.submit(t, b.of(domainA, "first", keys[5000]))}
	jobs["many"] = b.submit(t, b.many("many", keys...))
	jobs["beside"] = b.submit(t, b.of(domainA, "beside", "beside"))
	b.wantStarted(t, jobs, "beside", "first")
	b.succeed(t, jobs["first"])
	b.wantStarted(t, jobs, "beside", "many")
}

// A repeated request for many attaches to the first one's job, unless something was accepted about one of its items
// since: then it comes after that.
func TestRepeatedManyComesAfterWhatWasAcceptedSince(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	first := b.submit(t, b.many("same", "a", "b"))
	if again := b.submit(t, b.many("same", "a", "b")); again.ID != first.ID {
		t.Error("a repeated request made another job")
	}
	b.submit(t, b.of(domainA, "between", "b"))
	if again := b.submit(t, b.many("same", "a", "b")); again.ID == first.ID {
		t.Error("a repeated request attached to a job that comes before another of its items' gateways")
	}
}

// A domain's bulk jobs that wait have only so many rows together; the first is let in whatever its size, and so is
// another domain's.
func TestADomainsWaitingItemsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	settings := testbed.JobSettings
	settings.QueuedItems = 3
	client := tasks.NewClient(b.pool, b.keys, b.redis, settings, slog.New(slog.DiscardHandler))
	b.submit(t, b.of(domainA, "first", "a")) // all of them wait for it
	create := func(n tasks.NewJob) error {
		_, err := client.Submit(t.Context(), n)
		return err
	}
	must(t, create(b.many("large", "a", "b", "c", "d")))
	if err := create(b.many("one more", "a")); !fault.Is(err, fault.RateLimited) || !strings.Contains(err.Error(), "TRUNKLINE_QUEUED_ITEMS") {
		t.Errorf("got %v, want a refusal that names the setting", err)
	}
	other := b.many("another domain's", "z")
	other.DomainUUID, other.Domains = domainB, []string{domainB}
	must(t, create(other))
	must(t, create(b.of(domainA, "single", "s")))
}
