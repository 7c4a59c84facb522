package gateway_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// providers makes FusionPBX's access list, with one network that a person wrote.
func (b *bundle) providers(t *testing.T) {
	t.Helper()
	list := uuid.NewString()
	b.exec(t, "insert into v_access_controls (access_control_uuid, access_control_name, access_control_default) values ($1, 'providers', 'deny')", list)
	b.exec(t, "insert into v_access_control_nodes (access_control_node_uuid, access_control_uuid, node_type, node_cidr, node_description) values (gen_random_uuid(), $1, 'allow', '198.51.100.7', 'by hand')", list)
}

// from has the change name its carrier's networks.
func from(c *gateway.Change, cidrs ...string) *gateway.Change {
	named := *c
	named.CIDRs = &cidrs
	return &named
}

// allowed fails unless every switch, and the database, allow just what a person wrote and these.
func (b *bundle) allowed(t *testing.T, when string, want ...string) {
	t.Helper()
	want = slices.Sorted(slices.Values(append(want, "198.51.100.7")))
	for i, sw := range b.Simulated {
		if got := slices.Sorted(slices.Values(sw.Allowed("providers"))); !slices.Equal(got, want) {
			t.Errorf("%s: switch %d allows %v, want %v", when, i, got, want)
		}
	}
	rows, err := b.Pool.Query(t.Context(), "select node_cidr from v_access_control_nodes where node_type = 'allow' order by node_cidr collate \"C\"")
	must(t, err)
	var got []string
	for rows.Next() {
		var cidr string
		must(t, rows.Scan(&cidr))
		got = append(got, cidr)
	}
	must(t, rows.Err())
	if !slices.Equal(got, want) {
		t.Errorf("%s: the database allows %v, want %v", when, got, want)
	}
}

// The list allows what enabled gateways name; what others wrote stays, and what two share until the last has gone.
func TestProviders(t *testing.T) {
	t.Parallel()
	for _, version := range []sample.Version{sample.V53, sample.V54, sample.V55, sample.V56} {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, switches: 2})
			b.providers(t)
			const shared, own = "192.0.2.0/24", "2001:db8::/32"
			quiet := map[string]string{"proxy": "192.0.2.1", "register": "false"}
			made := b.one(t, from(change("", "one", quiet), shared, own, "198.51.100.7/32"))
			b.allowed(t, "made", shared, own)
			var description string
			must(t, b.Pool.QueryRow(t.Context(), "select node_description from v_access_control_nodes where node_cidr = $1", own).Scan(&description))
			if !strings.Contains(description, "one") || !strings.Contains(description, made.GatewayUUID) {
				t.Errorf("the node says %q", description)
			}
			b.one(t, from(change("", "two", quiet), shared))
			b.one(t, deletion("one"))
			b.allowed(t, "the first deleted", shared)
			b.one(t, change("", "two", map[string]string{"enabled": "false"}))
			b.allowed(t, "the second disabled")
			b.one(t, change("", "two", map[string]string{"enabled": "true"}))
			b.allowed(t, "enabled again", shared)
			if got := b.one(t, from(change("", "two", nil), own)); got.Action != gateway.Updated {
				t.Errorf("got %+v", got)
			}
			b.allowed(t, "another network", own)
			before := b.commands("reloadacl")
			if got := b.one(t, change("", "two", map[string]string{"description": "new"})); b.commands("reloadacl") != before || got.Action != gateway.Updated {
				t.Errorf("a description: %+v, and the lists were read again", got)
			}
			b.exec(t, "update v_access_control_nodes set node_cidr = '203.0.113.0/24' where node_cidr = $1", own)
			b.one(t, from(change("", "two", nil)))
			b.allowed(t, "a person changed the node", "203.0.113.0/24")
		})
	}
}

// Without the list, or if a switch does not read it, everything is as it was.
func TestProvidersInVain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2})
	quiet := map[string]string{"proxy": "192.0.2.1", "register": "false"}
	const network = "192.0.2.0/24"
	if f := b.failing(t, from(change("", "none", quiet), network)); f.Code != fault.InvalidGateway || !strings.Contains(f.Message, "Access Controls") {
		t.Errorf("got %s: %s", f.Code, f.Message)
	}
	b.providers(t)
	b.one(t, from(change("", "stands", quiet), network))
	rows := b.rowStates(t)
	for name, fails := range map[string]func(){
		"reloadacl": func() {
			b.Simulated[1].FaultOnce("reloadacl", func(c net.Conn) { answer(c, "-ERR no\n") })
		},
		"the rescan": func() {
			b.Simulated[1].FaultOnce("profile external rescan", func(c net.Conn) { answer(c, "-ERR no\n") })
		},
	} {
		fails()
		b.failing(t, from(change("", "new", quiet), "203.0.113.0/24"))
		b.allowed(t, name, network)
		fails()
		b.failing(t, from(change("", "stands", map[string]string{"proxy": "192.0.2.2"}), "203.0.113.0/24"))
		b.allowed(t, name+", changed", network)
		if now := b.rowStates(t); len(now) != len(rows) {
			t.Errorf("%s: the rows are %v, were %v", name, now, rows)
		}
	}
	b.one(t, deletion("stands"))
	b.allowed(t, "deleted")
}

// A switch that is away while the list is put back reads it when the gateway is reconciled, and is remembered until it has.
func TestProvidersOfSwitchThatWentAway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, timeout: time.Second})
	b.providers(t)
	sw := b.Simulated[1]
	remove := sw.OnCommand("profile external rescan", func() { _ = sw.Stop() })
	quiet := map[string]string{"proxy": "192.0.2.1", "register": "false"}
	if f := b.failing(t, from(change("", "new", quiet), "192.0.2.0/24")); !strings.Contains(f.Message, "a job has it read the list again") {
		t.Errorf("it says %q", f.Message)
	}
	remove()
	if !slices.Contains(sw.Allowed("providers"), "192.0.2.0/24") {
		t.Fatal("the switch went away too early")
	}
	must(t, sw.Restart())
	pbxtest.Eventually(t, "the switch is back", func() bool {
		status, err := b.Switches[1].Status(t.Context())
		return err == nil && status.Ready
	})
	var left string
	must(t, b.Pool.QueryRow(t.Context(), "select gateway_uuid::text from trunkline.left_loaded where providers and switch = $1", sw.Addr()).Scan(&left))
	reconcile := &gateway.Change{Request: gateway.Request{GatewayUUID: left, Do: gateway.Reconcile}}
	remembered := func(want int) {
		t.Helper()
		var n int
		must(t, b.Pool.QueryRow(t.Context(), "select count(*) from trunkline.left_loaded").Scan(&n))
		if n != want {
			t.Errorf("%d are remembered, want %d", n, want)
		}
	}
	sw.FaultOnce("reloadacl", func(c net.Conn) { answer(c, "-ERR no\n") })
	if f := b.failing(t, reconcile); !strings.Contains(f.Message, "reloadacl") {
		t.Errorf("it says %q", f.Message)
	}
	remembered(1)
	b.one(t, reconcile)
	remembered(0)
	b.allowed(t, "back")
}

// A worker that dies after the rows were written leaves it to the next attempt to have the switches read the list.
func TestProvidersOfALostWorker(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.providers(t)
	c := from(change("", "carrier", map[string]string{"proxy": "192.0.2.1", "register": "false"}), "192.0.2.0/24")
	ctx, cancel := context.WithCancelCause(t.Context())
	j := &journal{b: b, name: "lost", after: func() { cancel(errKilled) }}
	b.applier.Apply(ctx, []*gateway.Change{c}, j)
	if n := b.commands("reloadacl"); n != 0 {
		t.Errorf("the first attempt came as far as the switch")
	}
	o := b.applier.Apply(t.Context(), []*gateway.Change{c}, &journal{b: b, name: "lost"})[0]
	must(t, o.Err)
	b.allowed(t, "the second attempt", "192.0.2.0/24")
}
