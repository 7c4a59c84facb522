package gateway_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
)

// doing asks the switches alone for something, of a gateway that is meant by its uuid.
func doing(do, uuid string) *gateway.Change {
	return &gateway.Change{Request: gateway.Request{Do: do, GatewayUUID: uuid}}
}

const orphan = "0a0b0c0d-0000-4000-8000-00000000000f"

// Whatever a switch has loaded, it has what the row says in the end; what is right is not killed.
func TestReconcile(t *testing.T) {
	t.Parallel()
	for _, files := range []bool{false, true} {
		for name, tc := range map[string]struct {
			drift  func(t *testing.T, b *bundle, uuid string)
			action string
			kills  int
			loaded string // under which profile, with which password; "": not at all
		}{
			"right": {
				drift:  func(*testing.T, *bundle, string) {},
				action: gateway.Unchanged, loaded: "external s3cret-pw",
			},
			"killed by hand": {
				drift: func(t *testing.T, b *bundle, uuid string) {
					_, err := b.Switches[0].KillGateway(t.Context(), "external", uuid)
					must(t, err)
				},
				action: gateway.Reconciled, loaded: "external s3cret-pw",
			},
			"disabled by hand": {
				drift: func(t *testing.T, b *bundle, uuid string) {
					b.exec(t, "update v_gateways set enabled = 'false' where gateway_uuid = $1", uuid)
				},
				action: gateway.Reconciled, kills: 2,
			},
			"deleted by hand": {
				drift: func(t *testing.T, b *bundle, uuid string) {
					b.exec(t, "delete from v_gateways where gateway_uuid = $1", uuid)
				},
				action: gateway.Reconciled, kills: 2,
			},
			"another password": {
				drift: func(t *testing.T, b *bundle, uuid string) {
					b.exec(t, "update v_gateways set password = 'another' where gateway_uuid = $1", uuid)
				},
				action: gateway.Reconciled, kills: 2, loaded: "external another",
			},
			"not known to be right": {
				drift: func(t *testing.T, b *bundle, uuid string) {
					b.exec(t, "delete from trunkline.loaded_gateways where gateway_uuid = $1", uuid)
				},
				action: gateway.Reconciled, kills: 2, loaded: "external s3cret-pw",
			},
			"under another profile": {
				drift: func(t *testing.T, b *bundle, uuid string) {
					b.exec(t, "update v_gateways set profile = 'internal' where gateway_uuid = $1", uuid)
				},
				action: gateway.Reconciled, kills: 2, loaded: "internal s3cret-pw",
			},
			"twice": {
				drift: func(t *testing.T, b *bundle, uuid string) {
					must(t, b.Simulated[0].AddGateway("internal", uuid, map[string]string{"username": "u", "password": "p"}))
				},
				action: gateway.Reconciled, kills: 3, loaded: "external s3cret-pw",
			},
		} {
			t.Run(strings.Join([]string{name, map[bool]string{true: "files", false: "database"}[files]}, ", "), func(t *testing.T) {
				t.Parallel()
				b := newBundle(t, setUp{files: files})
				made := b.one(t, change("", "carrier", carrier()))
				tc.drift(t, b, made.GatewayUUID)
				before, rows := b.commands("killgw"), b.rowStates(t)
				got := b.one(t, doing(gateway.Reconcile, made.GatewayUUID))
				if got.Action != tc.action || got.GatewayUUID != made.GatewayUUID {
					t.Errorf("got %+v, want %s", got, tc.action)
				}
				if name == "killed by hand" {
					before-- // the count has the one by hand
				}
				if kills := b.commands("killgw") - before; kills != tc.kills && !(name == "killed by hand" && kills == 1) {
					t.Errorf("%d kills, want %d", kills, tc.kills)
				}
				loaded := ""
				if g, there := b.Simulated[0].Loaded()[made.GatewayUUID]; there {
					loaded = state(g.Profile, g.Params["password"])
				}
				if loaded != tc.loaded {
					t.Errorf("the switch has %q, want %q", loaded, tc.loaded)
				}
				pbxtest.Eventually(t, "no copy is left", func() bool { n, _ := b.copies(t, made.GatewayUUID); return n <= 1 })
				if now := b.rowStates(t); len(now) != len(rows) || now["carrier"] != rows["carrier"] {
					t.Errorf("the rows are %v, were %v", now, rows)
				}
				if again := b.one(t, doing(gateway.Reconcile, made.GatewayUUID)); again.Action == gateway.Reconciled {
					t.Errorf("once more: %+v", again)
				}
			})
		}
	}
}

// What works is not killed if FreeSWITCH would not load its row in its place: that says why, and changes nothing.
func TestReconcileKillsNothingThatCannotComeBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		changed string // what somebody made of the row
		others  string // and of what it depends on
		code    fault.Code
		says    string
	}{
		"no username":          {changed: "username = ''", code: fault.InvalidGateway, says: "give it both, or set register to false"},
		"no password":          {changed: "password = null", code: fault.InvalidGateway, says: "give it both, or set register to false"},
		"profile that is not":  {changed: "profile = 'nowhere'", code: fault.ProfileUnavailable, says: "give the gateway an enabled profile"},
		"disabled profile":     {changed: "profile = 'internal'", others: "internal", code: fault.ProfileUnavailable, says: "give the gateway an enabled profile"},
		"its profile disabled": {changed: "password = 'another'", others: "external", code: fault.ProfileUnavailable, says: "or enable that one"},
		"no TLS":               {changed: "register_transport = 'TLS'", code: fault.InvalidGateway, says: "set tls to true"},
	} {
		for _, files := range []bool{false, true} {
			t.Run(strings.Join([]string{name, map[bool]string{true: "files", false: "database"}[files]}, ", "), func(t *testing.T) {
				t.Parallel()
				b := newBundle(t, setUp{switches: 2, files: files})
				b.withoutTLS(t, "external")
				made, other := b.one(t, change("", "carrier", carrier())), b.one(t, change("", "other", carrier("profile", "internal")))
				b.exec(t, "update v_gateways set "+tc.changed+" where gateway_uuid = $1", made.GatewayUUID)
				b.exec(t, "update v_sip_profiles set sip_profile_enabled = 'false' where sip_profile_name = $1", tc.others)
				b.exec(t, "update v_gateways set password = '' , enabled = 'false' where gateway_uuid = $1", other.GatewayUUID)
				before := b.commands("killgw")
				outcomes := b.apply(doing(gateway.Reconcile, made.GatewayUUID), doing(gateway.Reconcile, other.GatewayUUID))
				if f, is := errors.AsType[*fault.Error](outcomes[0].Err); !is || f.Code != tc.code || !strings.Contains(f.Message, tc.says) || f.Passes {
					t.Errorf("got %v, want %s that says %q", outcomes[0].Err, tc.code, tc.says)
				}
				if err := outcomes[1].Err; err != nil {
					t.Errorf("one that is disabled: %v", err)
				}
				for i, sw := range b.Simulated {
					if g := sw.Loaded()[made.GatewayUUID]; g.Profile != "external" || g.Params["password"] != "s3cret-pw" || g.Params["username"] != "account" {
						t.Errorf("switch %d has %+v", i, g)
					}
					if _, there := sw.Loaded()[other.GatewayUUID]; there {
						t.Errorf("switch %d still has the disabled one", i)
					}
				}
				if n := b.commands("killgw " + made.GatewayUUID); n != 0 || b.commands("killgw") == before {
					t.Errorf("it was killed %d times", n)
				}
			})
		}
	}
}

// A row that is changed while the switch is busy with others is judged as it stands then.
func TestReconcileOfARowThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	made := b.one(t, change("", "carrier", carrier()))
	b.exec(t, "update v_gateways set password = 'another' where gateway_uuid = $1", made.GatewayUUID)
	held, release := b.Simulated[0].Hold("rescan")
	defer release()
	var callers sync.WaitGroup
	callers.Go(func() { b.apply(change("", "first of all", carrier())) })
	<-held
	var got gateway.Outcome
	callers.Go(func() { got = b.apply(doing(gateway.Reconcile, made.GatewayUUID))[0] })
	pbxtest.Eventually(t, "it waits", func() bool { return b.applier.Waiting(0) == 1 })
	b.exec(t, "update v_gateways set password = '' where gateway_uuid = $1", made.GatewayUUID)
	release()
	callers.Wait()
	if f, is := errors.AsType[*fault.Error](got.Err); !is || f.Code != fault.InvalidGateway || !strings.Contains(f.Message, b.Switches[0].Addr()) {
		t.Errorf("got %v", got.Err)
	}
	if _, there := b.Simulated[0].Loaded()[made.GatewayUUID]; !there || b.commands("killgw "+made.GatewayUUID) != 0 {
		t.Error("it was killed")
	}
}

// What a switch was left loaded with, when it went away, is removed also if the row that was put back cannot be loaded.
// What other switches have stays.
func TestReconcileOfWhatWasLeftLoaded(t *testing.T) {
	t.Parallel()
	for _, files := range []bool{false, true} {
		t.Run(map[bool]string{true: "files", false: "database"}[files], func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{switches: 2, files: files})
			made := b.one(t, change("", "carrier", carrier()))
			b.exec(t, "update v_gateways set password = '' where gateway_uuid = $1", made.GatewayUUID)
			b.exec(t, "insert into trunkline.left_loaded (gateway_uuid, switch) values ($1, $2)", made.GatewayUUID, b.Switches[1].Addr())
			if f := b.failing(t, doing(gateway.Reconcile, made.GatewayUUID)); f.Code != fault.InvalidGateway || !strings.Contains(f.Message, "give it both") {
				t.Errorf("got %s: %s", f.Code, f.Message)
			}
			if _, there := b.Simulated[0].Loaded()[made.GatewayUUID]; !there {
				t.Error("the other switch has lost it")
			}
			if _, there := b.Simulated[1].Loaded()[made.GatewayUUID]; there {
				t.Error("the switch still has what it was left loaded with")
			}
			b.exec(t, "do $$ begin assert not exists (select from trunkline.left_loaded), 'it is not forgotten'; end $$")
		})
	}
}

// What no row names is killed by its uuid alone; what is not there is success.
func TestReconcileOrphans(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2})
	for i, profile := range []string{"external", "internal"} {
		must(t, b.Simulated[i].AddGateway(profile, orphan, map[string]string{"username": "u", "password": "p"}))
	}
	kept := len(b.Simulated[0].Loaded())
	absent := strings.Replace(orphan, "f", "e", 1)
	results := b.applied(t, doing(gateway.Reconcile, orphan), doing(gateway.Reconcile, absent))
	if results[0].Action != gateway.Reconciled || results[0].GatewayUUID != orphan || results[1].Action != gateway.Absent {
		t.Errorf("got %+v", results)
	}
	for i, sw := range b.Simulated {
		if _, there := sw.Loaded()[orphan]; there || i == 0 && len(sw.Loaded()) != kept-1 {
			t.Errorf("switch %d has %d loaded, the orphan %t", i, len(sw.Loaded()), there)
		}
	}
	for _, name := range []string{"_all_", "all", "", strings.ToUpper(orphan)} {
		if f := b.failing(t, doing(gateway.Reconcile, name)); f == nil {
			t.Errorf("%q was taken for a gateway", name)
		}
	}
	if n := b.commands("_all_"); n != 0 {
		t.Error("a switch was told _all_")
	}
}

// A gateway whose carrier refused it registers once that is mended, without being loaded anew.
func TestReregister(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2})
	refuse := fssim.Rejected403
	outcome := func(map[string]string) fssim.Outcome { return refuse }
	for _, sw := range b.Simulated {
		sw.SetOutcome(outcome)
	}
	made := b.one(t, change("", "carrier", carrier()))
	stateOn := func(n int) string { return b.Simulated[n].Loaded()[made.GatewayUUID].State }
	pbxtest.Eventually(t, "it is refused", func() bool { return stateOn(0) == "FAIL_WAIT" && stateOn(1) == "FAIL_WAIT" })
	for _, sw := range b.Simulated {
		sw.SetOutcome(nil)
	}
	before := b.saw()
	got := b.one(t, doing(gateway.Reregister, made.GatewayUUID))
	if got.Action != gateway.Reregistered || len(got.Switches) != 2 || got.GatewayState == gateway.StateNotLoaded || got.GatewayName != "carrier" {
		t.Errorf("got %+v", got)
	}
	pbxtest.Eventually(t, "it registers", func() bool { return stateOn(0) == "REGED" && stateOn(1) == "REGED" })
	if b.saw() != before {
		t.Errorf("the switch saw %+v, and before %+v", b.saw(), before)
	}
	if by := b.commands(" unregister " + made.GatewayUUID); by != 1 || b.commands(" register "+made.GatewayUUID) != 1 {
		t.Errorf("it was told %d times to unregister", by)
	}
}

// A worker that dies between the two leaves a gateway that is not registered; the next attempt registers it.
func TestReregisterThatLostItsWorker(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	made := b.one(t, change("", "carrier", carrier()))
	stateNow := func() string { return b.Simulated[0].Loaded()[made.GatewayUUID].State }
	pbxtest.Eventually(t, "it is registered", func() bool { return stateNow() == "REGED" })
	must(t, b.Switches[0].Unregister(t.Context(), "external", made.GatewayUUID)) // as far as the first one came
	pbxtest.Eventually(t, "it is unregistered", func() bool { return stateNow() == "DOWN" })
	b.one(t, doing(gateway.Reregister, made.GatewayUUID))
	pbxtest.Eventually(t, "it is registered again", func() bool { return stateNow() == "REGED" })
}

// What cannot register says why, and the switch is not told to.
func TestReregisterInVain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2})
	made := map[string]string{}
	for name, values := range map[string]map[string]string{
		"quiet": {"proxy": "192.0.2.1", "register": "false"}, "disabled": carrier("enabled", "false"), "away": carrier(), "turned": carrier(),
	} {
		made[name] = b.one(t, change("", name, values)).GatewayUUID
	}
	_, err := b.Switches[1].KillGateway(t.Context(), "external", made["away"])
	must(t, err)
	b.exec(t, "update v_gateways set register = 'true' where gateway_uuid = $1", made["quiet"])
	made["noreg"] = made["quiet"]
	for _, tc := range []struct {
		uuid string
		code fault.Code
		says string
	}{
		{made["noreg"], fault.Conflict, "reconcile"},
		{made["disabled"], fault.InvalidGateway, "enable it"},
		{made["away"], fault.GatewayNotLoaded, b.Switches[1].Addr()},
		{orphan, fault.NotFound, "no gateway"},
	} {
		if f := b.failing(t, doing(gateway.Reregister, tc.uuid)); f.Code != tc.code || !strings.Contains(f.Message, tc.says) {
			t.Errorf("got %s: %s, want %s that says %q", f.Code, f.Message, tc.code, tc.says)
		}
	}
	b.exec(t, "update v_gateways set register = 'false' where gateway_uuid = $1", made["quiet"])
	if f := b.failing(t, doing(gateway.Reregister, made["quiet"])); f.Code != fault.InvalidGateway || !strings.Contains(f.Message, "does not register") {
		t.Errorf("got %s: %s", f.Code, f.Message)
	}
	if n := b.commands("register " + made["away"]); n != 2 {
		t.Errorf("the switch that has it was told %d commands, want 2", n)
	}
	if n := b.commands("register " + made["disabled"]); n != 0 {
		t.Errorf("it was told to register a disabled one %d times", n)
	}
}
