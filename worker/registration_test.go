package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// registering is a request that waits for the registration.
func (b *bundle) registering(name string, more ...string) tasks.NewJob {
	n := b.gateway("", name, carrier(more...))
	params := n.Params.(gateway.Request)
	params.WaitFor = gateway.WaitForRegistered
	n.Params = params
	return n
}

// parked waits until the job holds no slot any more.
func (b *bundle) parked(t *testing.T, job tasks.Job) {
	t.Helper()
	pbxtest.Eventually(t, "the job is parked", func() bool {
		var parked bool
		must(t, b.pool.QueryRow(t.Context(), "select parked_at is not null and admitted_at is null from trunkline.jobs where id = $1", job.ID).Scan(&parked))
		return parked
	})
}

// More jobs than there are slots wait for a carrier that never answers; another gateway is made all the same, and each
// of them can be suspended, which ends the waiting.
func TestWaitingForARegistrationHoldsNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.switches[0].SetOutcome(func(map[string]string) fssim.Outcome { return fssim.Silent })
	var waiting []tasks.Job
	var last tasks.NewJob
	for i := range b.options.Settings.ProvisionConcurrency + 4 {
		last = b.registering(fmt.Sprint("silent", i))
		job, err := b.Submit(t.Context(), last)
		must(t, err)
		waiting = append(waiting, job)
	}
	for _, job := range waiting {
		b.parked(t, job)
	}
	b.provisioned(t, b.gateway("", "another", carrier()))
	suspended := b.run(t, b.gateway("", "silent0", map[string]string{"enabled": "false"}))
	if suspended.State != tasks.StateSucceeded {
		t.Fatalf("the suspension %s: %v", suspended.State, suspended.Error)
	}
	if got := b.ended(t, waiting[0]); got.State != tasks.StateFailed || got.Error.Code != fault.Superseded || !strings.Contains(got.Error.Message, suspended.ID) {
		t.Errorf("the job that it supersedes %s: %v", got.State, got.Error)
	}
	_, err := b.Cancel(t.Context(), waiting[1].ID, tenant.All)
	must(t, err)
	if got := b.ended(t, waiting[1]); got.State != tasks.StateCancelled {
		t.Errorf("a cancelled one %s: %v", got.State, got.Error)
	}
	job, err := b.Submit(t.Context(), last)
	must(t, err)
	if job.ID != waiting[len(waiting)-1].ID {
		t.Error("the same request did not attach to the job that waits")
	}
}

func TestWhatTheCarrierSaysEndsTheWaiting(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		outcome fssim.Outcome
		timeout time.Duration
		code    string
		says    string
	}{
		{name: "refused at once", outcome: fssim.Rejected403, timeout: time.Minute, code: fault.RegistrationFailed, says: "403 Forbidden"},
		{name: "out of order until the end", outcome: fssim.Rejected503, timeout: 4 * time.Second, code: fault.RegistrationFailed, says: "503 Service Unavailable"},
		{name: "silent until the end", outcome: fssim.Silent, timeout: 3 * time.Second, code: fault.Timeout, says: "does not answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{stopped: true})
			b.options.Settings.ProvisionTimeout = tc.timeout
			b.start(t)
			// What a carrier answers before anybody listens is heard when the switch asks it again.
			pbxtest.Eventually(t, "the switch is listened to", b.switches[0].Listened)
			b.switches[0].SetOutcome(func(map[string]string) fssim.Outcome { return tc.outcome })
			job := b.run(t, b.registering("carrier"))
			if job.State != tasks.StateFailed || job.Error.Code != tc.code || !strings.Contains(job.Error.Message, tc.says) || strings.Contains(job.Error.Message, "TRUNKLINE_") {
				t.Fatalf("it %s: %+v, want %s that says %q", job.State, job.Error, tc.code, tc.says)
			}
			if tc.outcome == fssim.Rejected403 {
				shown := b.provisioned(t, b.gateway("", "carrier", nil)).Switches
				if len(shown) != 1 || shown[0].CarrierAnswer == nil || shown[0].CarrierAnswer.Code != 403 {
					t.Errorf("shown, it says %+v, want the carrier's 403", shown)
				}
			}
			if got := len(b.switches[0].Loaded()); got == 0 {
				t.Error("the gateway is loaded no more")
			}
		})
	}
}
