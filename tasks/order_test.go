package tasks_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// started says which of the jobs may run now, by their bodies.
func (b *bundle) started(t *testing.T, jobs map[string]tasks.Job) (names []string) {
	t.Helper()
	for name, job := range jobs {
		var admitted bool
		must(t, b.pool.QueryRow(t.Context(), "select admitted_at is not null and state = 'queued' from trunkline.jobs where id = $1", job.ID).Scan(&admitted))
		if admitted {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (b *bundle) wantStarted(t *testing.T, jobs map[string]tasks.Job, want ...string) {
	t.Helper()
	if got := b.started(t, jobs); !slices.Equal(got, want) {
		t.Fatalf("may run: %v, want %v", got, want)
	}
}

// serve has one worker with so many slots in each queue, and admits what may run then.
func (b *bundle) serve(t *testing.T, slots int, shared bool) {
	t.Helper()
	must(t, b.Serve(t.Context(), tasks.Serving{ID: alice, Name: "test", Shared: shared}))
	b.exec(t, "update trunkline.workers set slots = $1", slots)
	b.Admit(t.Context())
}

// of is the request of a domain for a gateway.
func (b *bundle) of(domain, body string, keys ...string) tasks.NewJob {
	n := request(b.keys, body)
	n.DomainUUID, n.OrderKeys = domain, keys
	return n
}

// keyedJob is a job by its body, and what it takes its turn at.
type keyedJob struct {
	name string
	keys []string
}

func (b *bundle) submitAll(t *testing.T, all []keyedJob) map[string]tasks.Job {
	t.Helper()
	jobs := map[string]tasks.Job{}
	for _, j := range all {
		jobs[j.name] = b.submit(t, b.of(domainA, j.name, j.keys...))
	}
	return jobs
}

// succeed runs the job to its end as a worker does.
func (b *bundle) succeed(t *testing.T, job tasks.Job) {
	t.Helper()
	must(t, b.claim(t, job).Succeed(t.Context(), "ok", tasks.Progress{}))
	b.Finished(t.Context(), job.ID)
}

func TestJobsOfOneGatewayTakeTurns(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	jobs := map[string]tasks.Job{}
	for _, name := range []string{"1", "2", "3"} {
		jobs[name] = b.submit(t, b.of(domainA, name, "carrier"))
	}
	jobs["other"] = b.submit(t, b.of(domainA, "other", "other"))
	b.wantStarted(t, jobs, "1", "other")
	if _, err := b.Claim(t.Context(), jobs["2"].ID, jobs["2"].Dispatch, "early"); !errors.Is(err, tasks.ErrNotClaimed) {
		t.Fatalf("a job before its turn: got %v, want ErrNotClaimed", err)
	}
	b.succeed(t, jobs["1"])
	b.wantStarted(t, jobs, "2", "other")
	_, err := b.Cancel(t.Context(), jobs["2"].ID, tenant.All)
	must(t, err)
	b.wantStarted(t, jobs, "3", "other")
}

// A retry comes after what was accepted before it; what is put back for another worker keeps its place.
func TestRetryTakesANewTurn(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	jobs := map[string]tasks.Job{"1": b.submit(t, b.of(domainA, "1", "carrier")), "2": b.submit(t, b.of(domainA, "2", "carrier"))}
	_, err := b.claim(t, jobs["1"]).HandBack(t.Context())
	must(t, err)
	b.Admit(t.Context())
	b.wantStarted(t, jobs, "1")
	jobs["1"] = b.get(t, jobs["1"].ID)
	must(t, b.claim(t, jobs["1"]).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
	jobs["1"], err = b.Retry(t.Context(), jobs["1"].ID, tenant.All)
	must(t, err)
	b.wantStarted(t, jobs, "2")
	b.succeed(t, jobs["2"])
	b.wantStarted(t, jobs, "1")
}

// A job of several gateways waits for the earlier ones of each, and the later ones of each for it.
func TestJobOfSeveralGatewaysTakesATurnAtEach(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	jobs := b.submitAll(t, []keyedJob{{"a", []string{"a"}}, {"b", []string{"b"}}, {"a to b", []string{"b", "a"}}, {"b again", []string{"b"}}})
	b.wantStarted(t, jobs, "a", "b")
	b.succeed(t, jobs["b"])
	b.wantStarted(t, jobs, "a")
	b.succeed(t, jobs["a"])
	b.wantStarted(t, jobs, "a to b")
	b.succeed(t, jobs["a to b"])
	b.wantStarted(t, jobs, "b again")
}

// What is accepted about a gateway by different names, while it is being renamed, takes effect in that order too.
func TestOrderHoldsThroughRenames(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	jobs := b.submitAll(t, []keyedJob{{"1: a to b", []string{"a", "b"}}, {"2: b to c", []string{"b", "c"}}, {"3: by uuid, while it is a", []string{"a", "uuid"}}, {"other", []string{"d"}}})
	b.wantStarted(t, jobs, "1: a to b", "other")
	b.succeed(t, jobs["1: a to b"])
	b.wantStarted(t, jobs, "2: b to c", "other")
	b.succeed(t, jobs["2: b to c"])
	b.wantStarted(t, jobs, "3: by uuid, while it is a", "other")
}

// A retry by one name stands before what is accepted later by the name that the gateway has got meanwhile.
func TestRetryHoldsItsTurnThroughRenames(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	failed := b.submit(t, b.of(domainA, "by uuid", "a", "uuid"))
	must(t, b.claim(t, failed).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
	jobs := b.submitAll(t, []keyedJob{{"1: a to b", []string{"a", "b"}}})
	again, err := b.Retry(t.Context(), failed.ID, tenant.All)
	must(t, err)
	jobs["2: by uuid"] = again
	b.succeed(t, jobs["1: a to b"])
	jobs["3: by the name b"] = b.submit(t, b.of(domainA, "3: by the name b", "b"))
	b.wantStarted(t, jobs, "2: by uuid")
	b.succeed(t, again)
	b.wantStarted(t, jobs, "3: by the name b")
}

// Suspend, unsuspend, suspend: the third asks for what the first did, and is not the first.
func TestOnlyTheNewestJobOfAGatewayIsAttachedTo(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	first := b.submit(t, b.of(domainA, "suspend", "carrier"))
	if again := b.submit(t, b.of(domainA, "suspend", "carrier")); again.ID != first.ID {
		t.Fatal("the same request sent again made another job")
	}
	unsuspend := b.submit(t, b.of(domainA, "unsuspend", "carrier"))
	third := b.submit(t, b.of(domainA, "suspend", "carrier"))
	if third.ID == first.ID || third.ID == unsuspend.ID {
		t.Fatal("the third request attached to a job with another one behind it")
	}
}

// With four slots no domain gets the last one, and those that wait are chosen from those that hold the fewest,
// what is urgent first.
func TestNoDomainHoldsEverySlot(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.serve(t, 4, true)
	jobs := map[string]tasks.Job{}
	for i := range 6 {
		name := fmt.Sprintf("a%d", i)
		n := b.of(domainA, name, name)
		n.Urgent = i == 5
		jobs[name] = b.submit(t, n)
	}
	b.wantStarted(t, jobs, "a0", "a1", "a2")
	for i := range 2 {
		name := fmt.Sprintf("b%d", i)
		jobs[name] = b.submit(t, b.of(domainB, name, name))
	}
	b.wantStarted(t, jobs, "a0", "a1", "a2", "b0")
	for name, want := range map[string]string{"a0": "none", "b0": "none", "b1": "0", "a5": "1", "a3": "2", "a4": "3"} {
		ahead, err := b.Ahead(t.Context(), jobs[name])
		must(t, err)
		got := "none"
		if ahead != nil {
			got = fmt.Sprint(*ahead)
		}
		if got != want {
			t.Errorf("before %s come %s jobs, want %s", name, got, want)
		}
	}
	b.succeed(t, jobs["a0"])
	b.wantStarted(t, jobs, "a1", "a2", "b0", "b1")
	b.succeed(t, jobs["b0"])
	b.wantStarted(t, jobs, "a1", "a2", "a5", "b1")
	b.serve(t, 16, false)
	b.wantStarted(t, jobs, "a1", "a2", "a3", "a4", "a5", "b1")
}

// Servers that others run decide how long a delivery takes.
func TestADomainHoldsAQuarterOfTheDeliveries(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.serve(t, 12, true)
	jobs := map[string]tasks.Job{}
	deliver := func(domain, name string) {
		n := b.of(domain, name, name)
		n.Kind = tasks.KindDeliver
		jobs[name] = b.submit(t, n)
	}
	for i := range 5 {
		deliver(domainA, fmt.Sprintf("a%d", i))
	}
	b.wantStarted(t, jobs, "a0", "a1", "a2")
	deliver(domainB, "b0")
	b.wantStarted(t, jobs, "a0", "a1", "a2", "b0")
	b.serve(t, 12, false)
	b.wantStarted(t, jobs, "a0", "a1", "a2", "a3", "a4", "b0")
}

// However many deliveries some domains have waiting: one that has had no slot gets the next, and asks nobody for it who has no
// more than it would have then.
func TestADeliveryIsNextWhoseDomainHadNone(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.serve(t, 2, true) // one for each domain
	jobs := map[string]tasks.Job{}
	deliver := func(domain, name string) {
		n := b.of(domain, name, name)
		n.Kind = tasks.KindDeliver
		jobs[name] = b.submit(t, n)
	}
	wait := func(name string, want bool) {
		t.Helper()
		if got, err := b.OthersWait(t.Context(), jobs[name]); err != nil || got != want {
			t.Errorf("others wait for the slot of %s: %v, %v", name, got, err)
		}
	}
	for i := range 3 {
		deliver(domainA, fmt.Sprintf("a%d", i))
		deliver(domainB, fmt.Sprintf("b%d", i))
	}
	b.wantStarted(t, jobs, "a0", "b0")
	wait("a0", false) // all that wait are beyond their domains' shares
	wait("b0", false)
	deliver("", "c0")
	deliver("", "c1")
	wait("a0", true)
	wait("b0", true)
	b.succeed(t, jobs["a0"])
	b.wantStarted(t, jobs, "b0", "c0")
	wait("c0", true) // it is the turn of the first domain again
	b.succeed(t, jobs["b0"])
	b.wantStarted(t, jobs, "a1", "c0")
	b.exec(t, "insert into trunkline.paused_queues (queue, paused_by, reason) values ('deliver', 'test', 'test')")
	wait("c0", false) // nobody would start
}

// What another process should have admitted when it ended its job, the sweep admits.
func TestSweepAdmitsWhatWasMissed(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	jobs := map[string]tasks.Job{"1": b.submit(t, b.of(domainA, "1", "carrier")), "2": b.submit(t, b.of(domainA, "2", "carrier"))}
	must(t, b.claim(t, jobs["1"]).Succeed(t.Context(), "ok", tasks.Progress{}))
	b.wantStarted(t, jobs)
	report, err := b.Sweep(t.Context())
	must(t, err)
	if report != (tasks.SweepReport{Admitted: 1}) {
		t.Errorf("got %+v, want one job admitted", report)
	}
	b.wantStarted(t, jobs, "2")
}

// A domain has only so many jobs wait; what is urgent, what attaches and what is another domain's is taken all the
// same, and there is room again when one has its turn.
func TestADomainsWaitingJobsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	settings := testbed.JobSettings
	settings.QueuedJobs = 2
	client := tasks.NewClient(b.pool, b.keys, b.redis, settings, slog.New(slog.DiscardHandler))
	create := func(n tasks.NewJob) error {
		_, err := client.Submit(t.Context(), n)
		return err
	}
	var jobs []tasks.Job
	for _, body := range []string{"1", "2", "3"} {
		jobs = append(jobs, b.submit(t, b.of(domainA, body, "carrier")))
	}
	for name, err := range map[string]error{
		"another job": create(b.of(domainA, "4", "carrier")), "one elsewhere": create(b.of(domainA, "5", "other")),
	} {
		if !fault.Is(err, fault.RateLimited) || !strings.Contains(err.Error(), "TRUNKLINE_QUEUED_JOBS") {
			t.Errorf("%s: got %v, want a refusal that names the setting", name, err)
		}
	}
	urgent := b.of(domainA, "suspend", "third")
	urgent.Urgent = true
	for name, n := range map[string]tasks.NewJob{
		"urgent": urgent, "the same again": b.of(domainA, "3", "carrier"), "another domain's": b.of(domainB, "6", "b"), "no domain's": b.of("", "7", "none"),
	} {
		if err := create(n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	stop := b.of(domainA, "stop", "fourth")
	stop.Urgent = true
	stopping := b.submit(t, stop)
	must(t, b.claim(t, stopping).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
	if _, err := client.Retry(t.Context(), stopping.ID, tenant.All); err != nil {
		t.Errorf("a retry of what is urgent: %v", err)
	}
	must(t, b.claim(t, jobs[0]).Fail(t.Context(), fault.Errorf(fault.ServerError, "broke")))
	if _, err := client.Retry(t.Context(), jobs[0].ID, tenant.All); !fault.Is(err, fault.RateLimited) {
		t.Errorf("a retry: got %v", err)
	}
	b.Finished(t.Context(), jobs[0].ID)
	must(t, create(b.of(domainA, "8", "carrier")))
}

// What is sent again after its cancellation was asked for is meant: it does not share in that.
func TestAJobThatIsBeingCancelledIsNotAttachedTo(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	first := b.submit(t, b.of(domainA, "suspend", "carrier"))
	b.claim(t, first)
	_, err := b.Cancel(t.Context(), first.ID, tenant.All)
	must(t, err)
	if again := b.submit(t, b.of(domainA, "suspend", "carrier")); again.ID == first.ID {
		t.Fatal("the request attached to a job that is being cancelled")
	}
}
