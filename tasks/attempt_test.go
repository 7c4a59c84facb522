package tasks_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/tasks"
)

// A worker that was given up for lost comes back and tries everything that an attempt can write.
func TestLostAttemptChangesNothing(t *testing.T) {
	t.Parallel()
	write := map[string]func(*testing.T, *bundle, *tasks.Attempt) error{
		"heartbeat": func(t *testing.T, _ *bundle, a *tasks.Attempt) error {
			_, err := a.Heartbeat(t.Context(), tasks.Progress{Done: 99})
			return err
		},
		"succeed": func(t *testing.T, _ *bundle, a *tasks.Attempt) error {
			return a.Succeed(t.Context(), "late", tasks.Progress{})
		},
		"fail": func(t *testing.T, _ *bundle, a *tasks.Attempt) error {
			return a.Fail(t.Context(), fault.Errorf(fault.ServerError, "late"))
		},
		"cancelled": func(t *testing.T, _ *bundle, a *tasks.Attempt) error { return a.Cancelled(t.Context(), "late") },
		"hand back": func(t *testing.T, _ *bundle, a *tasks.Attempt) error {
			_, err := a.HandBack(t.Context())
			return err
		},
		"secrets": func(t *testing.T, b *bundle, a *tasks.Attempt) error {
			batch := &pgx.Batch{}
			must(t, a.SaveSecrets(batch, "late"))
			return b.pool.SendBatch(t.Context(), batch).Close()
		},
		"fence": func(t *testing.T, b *bundle, a *tasks.Attempt) error {
			return pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error { return a.Fence(t.Context(), tx) })
		},
	}
	for name, tryToWrite := range write {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			job := b.submit(t, request(b.keys, "one"))
			lost := b.claim(t, job)
			again, err := lost.HandBack(t.Context())
			must(t, err)
			owner := b.claim(t, again)
			if err := tryToWrite(t, b, lost); !errors.Is(err, tasks.ErrFenced) {
				t.Fatalf("got %v, want ErrFenced", err)
			}
			got := b.get(t, job.ID)
			if got.State != tasks.StateRunning || got.Attempt != owner.Job.Attempt || got.Progress.Done == 99 {
				t.Fatalf("got %s, attempt %d, %+v; want it untouched", got.State, got.Attempt, got.Progress)
			}
			must(t, owner.Succeed(t.Context(), "done", tasks.Progress{}))
		})
	}
}

// A heartbeat that was on its way when the attempt parked the job changes nothing of what the job waits for.
func TestALateHeartbeat(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	a := b.claim(t, b.submit(t, b.export("one")))
	must(t, a.Sleep(t.Context(), time.Now().Add(time.Hour), "tried 1 times"))
	if _, err := a.Heartbeat(t.Context(), tasks.Progress{Note: "try 1"}); err != nil {
		t.Fatal(err)
	}
	if got := b.get(t, a.Job.ID); got.Progress.Note != "tried 1 times" {
		t.Errorf("it waits for %q", got.Progress.Note)
	}
}

// Attempts share a batch and a statement: each keeps its own secrets, and ends what waited for its own gateway. If one of
// them is given up for lost, none is written.
func TestAttemptsShareABatch(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	var waiting, later []*tasks.Attempt
	for _, gateway := range []string{"one", "two", "three"} {
		first := b.claim(t, b.submit(t, b.of(domainA, "first", gateway)))
		must(t, first.AwaitOutcome(t.Context(), "loaded", time.Now().Add(time.Hour), "waits"))
		waiting = append(waiting, first)
		later = append(later, b.claim(t, b.submit(t, b.of(domainA, "later", gateway))))
	}
	batch := &pgx.Batch{}
	var superseded []string
	for _, a := range later[:2] { // the third has written nothing yet
		a.Supersede(batch, nil, "by "+a.Job.ID, func(ids []string) { superseded = append(superseded, ids...) })
		must(t, a.SaveSecrets(batch, "of "+a.Job.ID))
	}
	if len(batch.QueuedQueries) != 2 {
		t.Errorf("%d statements are queued", len(batch.QueuedQueries))
	}
	must(t, b.pool.SendBatch(t.Context(), batch).Close())
	slices.Sort(superseded)
	if want := []string{waiting[0].Job.ID, waiting[1].Job.ID}; !slices.Equal(superseded, want) {
		t.Errorf("%v have ended, want %v", superseded, want)
	}
	for i := range 2 {
		if got := b.get(t, waiting[i].Job.ID); got.State != tasks.StateFailed || got.Error.Code != fault.Superseded || got.Error.Message != "by "+later[i].Job.ID {
			t.Errorf("job %d is %+v", i, got)
		}
		again, err := later[i].HandBack(t.Context())
		must(t, err)
		var secret string
		later[i] = b.claim(t, again)
		if must(t, later[i].Secrets(&secret)); secret != "of "+later[i].Job.ID {
			t.Errorf("job %d has %q sealed", i, secret)
		}
	}
	if got := b.get(t, waiting[2].Job.ID); got.State != tasks.StateRunning {
		t.Errorf("what nobody changed is %s", got.State)
	}

	lost := later[0]
	_, err := lost.HandBack(t.Context())
	must(t, err)
	batch = &pgx.Batch{}
	must(t, later[1].SaveSecrets(batch, "too late"))
	must(t, lost.SaveSecrets(batch, "too late"))
	err = pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error { return tx.SendBatch(t.Context(), batch).Close() })
	if !errors.Is(err, tasks.ErrFenced) {
		t.Errorf("got %v, want ErrFenced", err)
	}
	again, err := later[1].HandBack(t.Context())
	must(t, err)
	var secret string
	if must(t, b.claim(t, again).Secrets(&secret)); secret == "too late" {
		t.Error("the other's secrets were written")
	}
}

func TestOneTaskClaims(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	job := b.submit(t, request(b.keys, "one"))
	b.claim(t, job)
	for name, dispatch := range map[string]int{"the same task": job.Dispatch, "an older one": job.Dispatch - 1, "one to come": job.Dispatch + 1} {
		if _, err := b.Claim(t.Context(), job.ID, dispatch, "second"); !errors.Is(err, tasks.ErrNotClaimed) {
			t.Errorf("%s: got %v, want ErrNotClaimed", name, err)
		}
	}
}

func TestSecretsAreWiped(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end  func(*testing.T, *tasks.Attempt) error
		kept bool
	}{
		"success":   {func(t *testing.T, a *tasks.Attempt) error { return a.Succeed(t.Context(), "ok", tasks.Progress{}) }, false},
		"cancelled": {func(t *testing.T, a *tasks.Attempt) error { return a.Cancelled(t.Context(), "stopped") }, false},
		"failure, which can be retried": {func(t *testing.T, a *tasks.Attempt) error {
			return a.Fail(t.Context(), fault.Errorf(fault.ServerError, "broke"))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			job := b.submit(t, request(b.keys, "one"))
			must(t, tc.end(t, b.claim(t, job)))
			var kept bool
			must(t, b.pool.QueryRow(t.Context(), "select sealed is not null from trunkline.jobs where id = $1", job.ID).Scan(&kept))
			if kept != tc.kept {
				t.Fatalf("got secrets kept %t, want %t", kept, tc.kept)
			}
		})
	}
}

// Jobs that end at the same time are ended together, and each is fenced by itself.
func TestSuccessesAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const n = 8
	attempts, ended := make([]*tasks.Attempt, n), make([]error, n)
	var claims, ends sync.WaitGroup
	jobs := make([]tasks.Job, n)
	for i := range jobs {
		jobs[i] = b.submit(t, elsewhere(request(b.keys, fmt.Sprint(i))))
	}
	for i, job := range jobs {
		claims.Go(func() { attempts[i] = b.claim(t, job) })
	}
	claims.Wait()
	lost := attempts[0]
	again, err := lost.HandBack(t.Context())
	must(t, err)
	for i, a := range attempts {
		if a.Job.ID != jobs[i].ID || a.Job.State != tasks.StateRunning {
			t.Fatalf("claimed job %s, %s; want %s", a.Job.ID, a.Job.State, jobs[i].ID)
		}
		ends.Go(func() { ended[i] = a.Succeed(t.Context(), i, tasks.Progress{Note: fmt.Sprint(i)}) })
	}
	ends.Wait()
	if !errors.Is(ended[0], tasks.ErrFenced) {
		t.Errorf("got %v of the attempt that was given up for lost, want ErrFenced", ended[0])
	}
	for i, job := range jobs[1:] {
		got := b.get(t, job.ID)
		if want := fmt.Sprint(i + 1); ended[i+1] != nil || got.State != tasks.StateSucceeded || string(got.Result) != want || got.Progress.Note != want {
			t.Errorf("job %d: got %v, %s with %s and %q", i+1, ended[i+1], got.State, got.Result, got.Progress.Note)
		}
	}
	if got := b.get(t, again.ID); got.State != tasks.StateQueued {
		t.Errorf("the job of the lost attempt is %s", got.State)
	}
}

// What the database refuses of one job that ends keeps no other from its end.
func TestAResultThatIsRefusedFailsAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.exec(t, "alter table trunkline.jobs add constraint theirs check (result::text <> '\"unwanted\"')")
	results := []string{"one", "unwanted", "two"}
	ended := make([]error, len(results))
	jobs := make([]tasks.Job, len(results))
	var ends sync.WaitGroup
	for i, result := range results {
		jobs[i] = b.submit(t, elsewhere(request(b.keys, result)))
		a := b.claim(t, jobs[i])
		ends.Go(func() { ended[i] = a.Succeed(t.Context(), result, tasks.Progress{}) })
	}
	ends.Wait()
	for i, want := range []tasks.State{tasks.StateSucceeded, tasks.StateRunning, tasks.StateSucceeded} {
		if got := b.get(t, jobs[i].ID).State; got != want || (ended[i] == nil) != (want == tasks.StateSucceeded) {
			t.Errorf("the job with the result %q is %s, %v; want %s", results[i], got, ended[i], want)
		}
	}
}
