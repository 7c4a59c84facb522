package worker_test

import (
	"strings"
	"sync"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/testbed"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// known is the request of the gateway that has the external_id.
func (b *bundle) known(externalID, name string, values map[string]string) tasks.NewJob {
	n := b.gateway("", name, values)
	params := n.Params.(gateway.Request)
	params.ExternalID = externalID
	n.Params = params
	return n
}

func (b *bundle) externalIDs(t *testing.T) (n int) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), "select count(*) from trunkline.external_ids").Scan(&n))
	return n
}

// A suspension or a deletion that waits for a switch is cancelled: the row is as it was, and still known by its
// external_id.
func TestCancelledWhileASwitchIsAwayIsPutBack(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.sweeping(t)
	made := b.provisioned(t, b.known("svc", "carrier", carrier()))
	must(t, b.switches[0].Stop())
	deletion := b.known("svc", "carrier", nil)
	params := deletion.Params.(gateway.Request)
	params.Delete, params.GatewayUUID = true, made.GatewayUUID
	deletion.Params = params
	for name, n := range map[string]tasks.NewJob{
		"suspension": b.known("svc", "carrier", map[string]string{"enabled": "false"}), "deletion": deletion,
	} {
		job, err := b.Submit(t.Context(), n)
		must(t, err)
		b.asleep(t, job)
		_, err = b.Cancel(t.Context(), job.ID, tenant.All)
		must(t, err)
		if job = b.ended(t, job); job.State != tasks.StateCancelled || !strings.Contains(job.Error.Message, "as it was before") {
			t.Errorf("%s: it %s: %v", name, job.State, job.Error)
		}
		row, err := b.db.GatewayByUUID(t.Context(), made.GatewayUUID)
		if err != nil || !row.Enabled() || row.Get("username") != "account" {
			t.Errorf("%s: the row is not as it was: %v %v", name, row, err)
		}
		if got := b.externalIDs(t); got != 1 {
			t.Errorf("%s: %d external_ids, want 1", name, got)
		}
	}
}

// What was put back is not known by the external_id of the request that failed.
func TestFailedRequestNamesNothing(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.provisioned(t, b.gateway("", "carrier", carrier()))
	b.switches[0].BreakXML(3, "broken")
	if job := b.run(t, b.known("svc", "carrier", carrier("username", "other"))); job.State != tasks.StateFailed {
		t.Fatalf("it %s", job.State)
	}
	if got := b.externalIDs(t); got != 0 {
		t.Errorf("%d external_ids, want none", got)
	}
}

// What is put back by a later attempt than the one that named it is not known by that name either.
func TestCancelledRequestNamesNothing(t *testing.T) {
	t.Parallel()
	suspended := map[string]string{"enabled": "false"}
	for name, asked := range map[string]func(b *bundle) tasks.NewJob{
		"one that stood": func(b *bundle) tasks.NewJob { return b.known("svc", "carrier", suspended) },
		"many, some new": func(b *bundle) tasks.NewJob {
			return b.many(gateway.Bulk{Mode: gateway.ModeAll, Action: "import"}, b.known("svc", "carrier", suspended), b.known("new", "new", carrier()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			b.sweeping(t)
			b.provisioned(t, b.gateway("", "carrier", carrier()))
			rows := testbed.GatewayRows(t, b.pool)
			stop := sync.OnceFunc(func() { _ = b.switches[0].Stop() })
			for _, command := range []string{"killgw", "rescan"} { // the rows are written
				defer b.switches[0].OnCommand(command, stop)()
			}
			job, err := b.Submit(t.Context(), asked(b))
			must(t, err)
			b.asleep(t, job)
			if b.externalIDs(t) == 0 {
				t.Error("the gateways are not named while the job goes on")
			}
			_, err = b.Cancel(t.Context(), job.ID, tenant.All)
			must(t, err)
			if job = b.ended(t, job); job.State != tasks.StateCancelled {
				t.Errorf("it %s: %v", job.State, job.Error)
			}
			if got := b.externalIDs(t); got != 0 || testbed.GatewayRows(t, b.pool) != rows {
				t.Errorf("%d external_ids, want none; the rows are\n%s\nand were\n%s", got, testbed.GatewayRows(t, b.pool), rows)
			}
		})
	}
}

// A request by an external_id alone, whose gateway an earlier one deletes, makes none without a name.
func TestExternalIDOfADeletedGatewayMakesNone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	job := b.run(t, b.known("svc", "", carrier()))
	if job.State != tasks.StateFailed || job.Error.Code != fault.MissingParameters || !strings.Contains(job.Error.Message, "gateway_name") {
		t.Errorf("it %s: %v", job.State, job.Error)
	}
}

// Jobs of a kind to come are waited for by workers that know it.
func TestJobsOfAKindToComeAreNotEnded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.switches[0].SetOutcome(func(map[string]string) fssim.Outcome { return fssim.Silent })
	other, err := b.Submit(t.Context(), b.registering("other"))
	must(t, err)
	b.parked(t, other)
	_, err = b.pool.Exec(t.Context(), "update trunkline.jobs set kind = 'to come', outcome = '{}' where id = $1", other.ID)
	must(t, err)
	b.switches[0].SetOutcome(func(map[string]string) fssim.Outcome { return fssim.Registered })
	if job := b.run(t, b.registering("carrier")); job.State != tasks.StateSucceeded {
		t.Fatalf("it %s: %v", job.State, job.Error)
	}
	var state string
	pbxtest.Must(t, b.pool.QueryRow(t.Context(), "select state from trunkline.jobs where id = $1", other.ID).Scan(&state))
	if state != "running" {
		t.Errorf("the other is %s", state)
	}
}
