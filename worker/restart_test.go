package worker_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/scheduler"
	"trunkline/tasks"
)

// sweeping has a sweep run several times a second, as a scheduler does.
func (b *bundle) sweeping(t *testing.T) {
	t.Helper()
	s := &scheduler.Sweeper{Tasks: b.Client, Interval: 100 * time.Millisecond, Log: b.options.Log}
	pbxtest.Start(t, func(ctx context.Context) error { return s.Run(ctx) })
}

// asleep waits until the job is parked, and returns what it says that it waits for.
func (b *bundle) asleep(t *testing.T, job tasks.Job) (note string) {
	t.Helper()
	b.parked(t, job)
	job, err := b.Get(t.Context(), job.ID, tenant.All)
	must(t, err)
	if job.State != tasks.StateRunning {
		t.Fatalf("it is %s, want it to run", job.State)
	}
	return job.Progress.Note
}

// Gateways asked for while the switch restarts are there once it is back, and meanwhile they say what is waited for.
func TestSwitchThatRestartsIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.sweeping(t)
	must(t, b.switches[0].Stop())
	var jobs []tasks.Job
	for i := range 20 {
		job, err := b.Submit(t.Context(), b.gateway("", fmt.Sprint("carrier", i), carrier()))
		must(t, err)
		jobs = append(jobs, job)
	}
	if note := b.asleep(t, jobs[0]); !strings.Contains(note, b.switches[0].Addr()) {
		t.Errorf("the job's note is %q, want it to name the switch", note)
	}
	must(t, b.switches[0].Restart())
	for _, job := range jobs {
		if job = b.ended(t, job); job.State != tasks.StateSucceeded {
			t.Errorf("it %s: %v", job.State, job.Error)
		}
	}
}

// A module that is not loaded yet passes too.
func TestSwitchWithoutItsModulesIsWaitedFor(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.sweeping(t)
	const unknown = "-ERR sofia Command not found!\n"
	b.switches[0].FaultOnce("sofia xmlstatus profile", func(c net.Conn) {
		fmt.Fprintf(c, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(unknown), unknown)
	})
	job, err := b.Submit(t.Context(), b.gateway("", "carrier", carrier()))
	must(t, err)
	if job = b.ended(t, job); job.State != tasks.StateSucceeded || job.Attempt != 2 {
		t.Errorf("it %s in attempt %d: %v", job.State, job.Attempt, job.Error)
	}
}

func TestSwitchThatStaysAwayFailsTheJobInTime(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true})
	b.options.Settings.ProvisionTimeout = 3 * time.Second
	b.start(t)
	b.sweeping(t)
	rows := testbed.GatewayRows(t, b.pool)
	must(t, b.switches[0].Stop())
	job := b.run(t, b.gateway("", "carrier", carrier()))
	if job.State != tasks.StateFailed || job.Error.Code != fault.SwitchUnavailable {
		t.Errorf("it %s: %v", job.State, job.Error)
	}
	if got := testbed.GatewayRows(t, b.pool); got != rows {
		t.Errorf("the rows changed:\n%s", got)
	}
}

// A suspension and a deletion are written at once, and pending until the switch is seen without the gateway.
func TestGatewayIsStoppedWhileASwitchIsAway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true, switches: 2})
	b.options.Settings.ProvisionTimeout = 5 * time.Second
	b.start(t)
	b.sweeping(t)
	suspended := b.provisioned(t, b.gateway("", "suspended", carrier()))
	deleted := b.provisioned(t, b.gateway("", "deleted", carrier()))
	must(t, b.switches[1].Stop())
	suspension, err := b.Submit(t.Context(), b.gateway("", "suspended", map[string]string{"enabled": "false"}))
	must(t, err)
	deletion := b.gateway("", "deleted", nil)
	deletion.Params = gateway.Request{Name: "deleted", Delete: true, Values: map[string]string{}}
	gone, err := b.Submit(t.Context(), deletion)
	must(t, err)
	b.asleep(t, suspension)
	b.asleep(t, gone)
	var enabled, left int
	must(t, b.pool.QueryRow(t.Context(), `select count(*) filter (where gateway_uuid = $1 and enabled::text = 'true'), count(*) filter (where gateway_uuid = $2)
		from v_gateways`, suspended.GatewayUUID, deleted.GatewayUUID).Scan(&enabled, &left))
	if enabled != 0 || left != 0 {
		t.Errorf("the rows are not written: %d enabled, %d not deleted", enabled, left)
	}
	for _, uuid := range []string{suspended.GatewayUUID, deleted.GatewayUUID} {
		if _, loaded := b.switches[0].Loaded()[uuid]; loaded {
			t.Errorf("the switch that answers still has %s", uuid)
		}
	}
	must(t, b.switches[1].Restart())
	for _, job := range []tasks.Job{suspension, gone} {
		if job = b.ended(t, job); job.State != tasks.StateSucceeded {
			t.Errorf("it %s: %v", job.State, job.Error)
		}
	}
}

// A switch that answers nothing in the job's time is waited for too, with the row written.
func TestGatewayIsStoppedWhileASwitchHangs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{timeout: 20 * time.Second, stopped: true})
	b.options.Settings.ProvisionTimeout = 3 * time.Second
	b.start(t)
	b.sweeping(t)
	made := b.provisioned(t, b.gateway("", "carrier", carrier()))
	held, release := b.switches[0].Hold("killgw")
	defer release()
	job, err := b.Submit(t.Context(), b.gateway("", "carrier", map[string]string{"enabled": "false"}))
	must(t, err)
	<-held
	b.asleep(t, job)
	if !strings.Contains(testbed.GatewayRows(t, b.pool), made.GatewayUUID) {
		t.Error("the row is gone")
	}
	release()
	if job = b.ended(t, job); job.State != tasks.StateSucceeded {
		t.Errorf("it %s: %v", job.State, job.Error)
	}
	if _, loaded := b.switches[0].Loaded()[made.GatewayUUID]; loaded {
		t.Error("the gateway is loaded still")
	}
}
