package worker_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/internal/audit"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/tasks"
)

// A switch that goes away while it loads a new gateway keeps it, although its row was put back: once it is back a job
// removes it, once, and the audit says so.
func TestSwitchThatWentAwayInTheMiddle(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true, switches: 2, timeout: time.Second})
	b.options.Settings.ProvisionTimeout = 2 * time.Second
	b.options.Audit = audit.New(b.pool, b.options.Log)
	stop := b.start(t)
	sw := b.switches[1]
	before := len(sw.Loaded())
	remove := sw.OnCommand("xmlstatus gateway ", func() {
		if sw.CountCommands("sofia profile external rescan") > 0 { // it is loaded, and not seen to be
			_ = sw.Stop()
		}
	})
	rows := b.count(t, "select count(*) from v_gateways")
	job, err := b.Submit(t.Context(), b.gateway(b.sample.Domains[0].UUID, "new", carrier()))
	must(t, err)
	pbxtest.Eventually(t, "it has failed", func() bool {
		_, err := b.Sweep(t.Context()) // it is tried again for as long as it may
		must(t, err)
		return b.count(t, "select count(*) from trunkline.jobs where id = $1 and state = 'failed'", job.ID) == 1
	})
	remove()
	if n := b.count(t, "select count(*) from v_gateways"); n != rows {
		t.Errorf("%d rows, want the %d of before", n, rows)
	}
	if len(sw.Loaded()) != before+1 || len(b.switches[0].Loaded()) != before {
		t.Fatalf("the switches have %d and %d loaded, want %d and %d", len(b.switches[0].Loaded()), len(sw.Loaded()), before, before+1)
	}
	if n := b.count(t, "select count(*) from trunkline.left_loaded where switch = $1", sw.Addr()); n != 1 || b.count(t, "select count(*) from trunkline.left_loaded") != 1 {
		t.Fatalf("%d are remembered", n)
	}
	stop() // the worker that knew it is gone
	must(t, sw.Restart())
	b.start(t)
	pbxtest.Eventually(t, "the gateway is gone", func() bool { return len(sw.Loaded()) == before })
	pbxtest.Eventually(t, "it is forgotten", func() bool { return b.count(t, "select count(*) from trunkline.left_loaded") == 0 })
	const jobs = "select count(*) from trunkline.jobs where created_by_name = 'trunkline' and params->>'do' = 'reconcile'"
	pbxtest.Eventually(t, "its job has succeeded", func() bool { return b.count(t, jobs+" and state = 'succeeded'") == 1 })
	if n := b.count(t, jobs); n != 1 {
		t.Errorf("%d jobs, want one", n)
	}
	if n := b.count(t, "select count(*) from trunkline.audit where action = 'gateway.reconcile' and who = 'trunkline' and domain_uuid = $1 and strpos(subject, $2) > 0",
		b.sample.Domains[0].UUID, sw.Addr()); n != 1 {
		t.Errorf("the audit has it %d times", n)
	}
}

// A switch that went away before the access list was put back goes by what it read meanwhile: once it is back a job has
// it read the list again.
func TestAccessListOfSwitchThatWentAway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{stopped: true, switches: 2, timeout: time.Second})
	b.options.Settings.ProvisionTimeout = 2 * time.Second
	_, err := b.pool.Exec(t.Context(), "insert into v_access_controls (access_control_uuid, access_control_name, access_control_default) values (gen_random_uuid(), 'providers', 'deny')")
	must(t, err)
	_, err = b.pool.Exec(t.Context(), `insert into v_access_control_nodes (access_control_node_uuid, access_control_uuid, node_type, node_cidr)
		select gen_random_uuid(), access_control_uuid, 'allow', '198.51.100.7' from v_access_controls where access_control_name = 'providers'`)
	must(t, err)
	stop := b.start(t)
	sw := b.switches[1]
	remove := sw.OnCommand("sofia profile external rescan", func() { _ = sw.Stop() })
	asked := b.gateway("", "new", nil)
	asked.Params = gateway.Request{Name: "new", Values: map[string]string{"proxy": "192.0.2.1", "register": "false"}, CIDRs: &[]string{"192.0.2.0/24"}}
	job, err := b.Submit(t.Context(), asked)
	must(t, err)
	pbxtest.Eventually(t, "it has failed", func() bool {
		_, err := b.Sweep(t.Context()) // it is tried again for as long as it may
		must(t, err)
		return b.count(t, "select count(*) from trunkline.jobs where id = $1 and state = 'failed'", job.ID) == 1
	})
	remove()
	const byHand, named = "198.51.100.7", "192.0.2.0/24"
	if first, second := b.switches[0].Allowed("providers"), sw.Allowed("providers"); slices.Contains(first, named) || !slices.Contains(second, named) {
		t.Fatalf("the switches allow %v and %v", first, second)
	}
	stop() // the worker that knew it is gone
	must(t, sw.Restart())
	b.start(t)
	pbxtest.Eventually(t, "it is forgotten", func() bool { return b.count(t, "select count(*) from trunkline.left_loaded") == 0 })
	if allowed := sw.Allowed("providers"); !slices.Equal(allowed, []string{byHand}) {
		t.Errorf("the switch allows %v, want what stands in the list alone", allowed)
	}
}

// A gateway registers again by a job, and what its carrier answered before is not held against it.
func TestReregisterWaits(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.refuse(true)
	job := b.run(t, b.registering("carrier"))
	if job.State != tasks.StateFailed {
		t.Fatalf("it %s", job.State)
	}
	b.refuse(false)
	again := b.gateway("", "carrier", nil)
	again.Params = gateway.Request{Name: "carrier", Do: gateway.Reregister, WaitFor: gateway.WaitForRegistered}
	got := b.run(t, again)
	if got.State != tasks.StateSucceeded || !strings.Contains(string(got.Result), `"reregistered"`) || !strings.Contains(string(got.Result), `"REGED"`) {
		t.Errorf("it %s: %s %v", got.State, got.Result, got.Error)
	}
}

func (b *bundle) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	must(t, b.pool.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

var outcomes = map[bool]func(map[string]string) fssim.Outcome{
	true: func(map[string]string) fssim.Outcome { return fssim.Rejected403 },
}

// refuse has the carriers refuse registrations, or accept them.
func (b *bundle) refuse(refuse bool) {
	for _, sw := range b.switches {
		sw.SetOutcome(outcomes[refuse])
	}
}
