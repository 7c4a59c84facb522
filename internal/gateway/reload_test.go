package gateway_test

import (
	"sync"
	"testing"

	"trunkline/internal/gateway"
)

func TestMoveBesideOthersLeavesOneCopy(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	mover := b.one(t, change("", "mover", carrier()))
	for _, o := range b.atOnce(t,
		change("", "first", carrier("profile", "internal")),
		change("", "mover", map[string]string{"profile": "internal"}),
		change("", "second", carrier("profile", "internal")),
		change("", "third", carrier()),
	) {
		if o.Err != nil {
			t.Error(o.Err)
		}
	}
	if n, profile := b.copies(t, mover.GatewayUUID); n != 1 || profile != "internal" {
		t.Fatalf("the switch has %d copies, the last one under %s; want one under internal", n, profile)
	}
}

func TestMoveRemovesACopyThatSomebodyElseMade(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	mover := b.one(t, change("", "mover", carrier()))
	remove := b.Simulated[0].OnCommand("lua", sync.OnceFunc(func() {
		// As FusionPBX's page would: it rescans without a kill, once the row is written.
		if err := b.Simulated[0].LoadProfiles(t.Context()); err != nil {
			t.Error(err)
		}
	}))
	defer remove()
	b.one(t, change("", "mover", map[string]string{"profile": "internal"}))
	if n, profile := b.copies(t, mover.GatewayUUID); n != 1 || profile != "internal" {
		t.Fatalf("the switch has %d copies, the last one under %s; want one under internal", n, profile)
	}
}

// The row has the new password, and no switch ever loaded it: somebody changed it by hand, or a worker
// was lost at the wrong moment.
func TestPasswordThatWasNeverLoadedIsLoaded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier("password", "before")))
	_, err := b.Pool.Exec(t.Context(), "update v_gateways set password = 'after' where gateway_uuid = $1", created.GatewayUUID)
	must(t, err)
	b.one(t, change("", "carrier", carrier("password", "after")))
	if got := b.Simulated[0].Loaded()[created.GatewayUUID].Params["password"]; got != "after" {
		t.Fatalf("the carrier would get the password %q", got)
	}

	// The same of a gateway that FusionPBX's page made.
	foreign := b.Sample.Gateways[0]
	_, err = b.Pool.Exec(t.Context(), "update v_gateways set password = 'by-hand' where gateway_uuid = $1", foreign.UUID)
	must(t, err)
	b.one(t, change(foreign.DomainUUID, foreign.Name, map[string]string{"password": "by-hand"}))
	if got := b.Simulated[0].Loaded()[foreign.UUID].Params["password"]; got != "by-hand" {
		t.Fatalf("the carrier would get the password %q", got)
	}
	kills := b.Simulated[0].CountCommands("sofia profile external killgw")
	b.one(t, change(foreign.DomainUUID, foreign.Name, map[string]string{"password": "by-hand"}))
	if got := b.Simulated[0].CountCommands("sofia profile external killgw"); got != kills {
		t.Fatal("the same request again killed the gateway again")
	}
}

func TestSuspendWorksWithoutItsProfile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier()))
	b.Simulated[0].StopProfile("external")
	_, err := b.Pool.Exec(t.Context(), "update v_sip_profiles set sip_profile_enabled = false where sip_profile_name = 'external'")
	must(t, err)
	suspended := b.one(t, change("", "carrier", map[string]string{"enabled": "false"}))
	if suspended.GatewayUUID != created.GatewayUUID || suspended.GatewayState != gateway.StateNotLoaded {
		t.Fatalf("got %+v", suspended)
	}
}
