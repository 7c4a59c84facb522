package gateway_test

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
)

// stick has the first switch mark the gateway for deletion, so often, and never drop it.
func (b *bundle) stick(uuid string, times int) {
	for range times {
		b.Simulated[0].FaultOnce("killgw "+uuid, func(conn net.Conn) { answer(conn, "+OK gateway marked for deletion.\n") })
		b.Simulated[0].FaultOnce("killgw "+uuid, func(conn net.Conn) { answer(conn, "-ERR no such gateway.\n") })
	}
}

// While a gateway that was suspended or deleted goes, the switch serves others: here one that never goes.
func TestSuspensionDoesNotHoldTheSwitch(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]*gateway.Change{"suspended": change("", "stuck", map[string]string{"enabled": "false"}), "deleted": deletion("stuck")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{limits: gateway.ShortKills(gateway.Limits{RoundChanges: 100, RoundKills: 10})})
			stuck := b.one(t, change("", "stuck", carrier()))
			b.one(t, change("", "other", carrier()))
			b.stick(stuck.GatewayUUID, 2)
			held, release := b.Simulated[0].Hold("killgw " + stuck.GatewayUUID)
			defer release()
			ended := make(chan gateway.Outcome, 1)
			go func() { ended <- b.apply(leave)[0] }()
			<-held
			release()
			others := b.newApplier(t, gateway.Limits{RoundChanges: 100, RoundKills: 10}) // another worker's
			for i, c := range []*gateway.Change{change("", "new", carrier()), change("", "other", map[string]string{"password": "changed"}), deletion("other")} {
				by := b.applier
				if i == 0 {
					by = others
				}
				if o := by.Apply(t.Context(), []*gateway.Change{c}, &journal{})[0]; o.Err != nil {
					t.Error(o.Err)
				}
			}
			select {
			case o := <-ended:
				t.Errorf("it ended before the others, with %v", o.Err)
			default:
			}
			if o := <-ended; !fault.Is(o.Err, fault.SwitchTimeout) {
				t.Errorf("one that does not go: got %v", o.Err)
			}
		})
	}
}

// Nobody waits for the kill of another gateway in the round.
func TestNewGatewayDoesNotWaitForAKill(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	changed := b.one(t, change("", "changed", carrier()))
	killed, kill := b.Simulated[0].Hold("killgw " + changed.GatewayUUID)
	defer kill()
	scanned, scan := b.Simulated[0].Hold("rescan")
	defer scan()
	ends := map[string]chan gateway.Outcome{}
	begin := func(c *gateway.Change) {
		ended := make(chan gateway.Outcome, 1)
		ends[c.Name] = ended
		go func() { ended <- b.apply(c)[0] }()
	}
	begin(change("", "first of all", carrier()))
	<-scanned
	begin(change("", "changed", map[string]string{"password": "changed"}))
	begin(change("", "new", carrier()))
	pbxtest.Eventually(t, "both wait", func() bool { return b.applier.Waiting(0) == 2 })
	scan()
	<-killed // and held
	if o := <-ends["new"]; o.Err != nil || o.Result().GatewayState == gateway.StateNotLoaded {
		t.Errorf("the new one: got %+v", o)
	}
	kill()
	if o := <-ends["changed"]; o.Err != nil {
		t.Error(o.Err)
	}
}

// Those that change what is loaded share a round, and so one wait for what they kill.
func TestChangedAtOnceShareTheKill(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	changes := carriers(10, "line", map[string]string{"password": "changed"})
	b.applied(t, carriers(10, "line", carrier())...)
	before := b.saw()
	ended := make(chan error, len(changes))
	for _, c := range changes {
		go func() { ended <- b.apply(c)[0].Err }()
	}
	for range changes {
		must(t, <-ended)
	}
	after := b.saw()
	if kills, rescans := after.kills-before.kills, after.external-before.external; kills != 20 || rescans > 4 {
		t.Errorf("%d kills and %d rescans, want 20 and those of two rounds at most", kills, rescans)
	}
	if got := b.loadedStates(b.labels(t), b.Simulated[0]); slices.Contains([]string{got["line-0"], got["line-9"]}, "external s3cret-pw") {
		t.Error(fmt.Sprint(got))
	}
}
