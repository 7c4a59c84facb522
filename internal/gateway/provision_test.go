package gateway_test

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/pbxtest/testbed"
)

func TestProvisionOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version})
			domain := b.Sample.Domains[0].UUID
			sw := b.Simulated[0]

			created := b.one(t, change(domain, "carrier", carrier()))
			if created.Action != gateway.Created || created.GatewayEnabled != "true" || created.GatewayDomain != "sip.carrier.example" {
				t.Fatalf("created: got %+v", created)
			}
			got, ok := sw.Loaded()[created.GatewayUUID]
			if !ok || got.Params["password"] != "s3cret-pw" || got.Params["expire-seconds"] != "800" || got.Profile != "external" {
				t.Fatalf("the switch has %+v, %t", got, ok)
			}
			if n := sw.CountCommands("sofia profile external rescan"); n != 1 {
				t.Errorf("creating took %d rescans, want 1", n)
			}

			updated := b.one(t, change(domain, "carrier", carrier("password", "an0ther")))
			if updated.GatewayUUID != created.GatewayUUID || updated.Action != gateway.Updated {
				t.Fatalf("updated: got %+v, want the same gateway", updated)
			}
			if got := sw.Loaded()[created.GatewayUUID].Params["password"]; got != "an0ther" {
				t.Fatalf("the carrier would get the password %q", got)
			}

			kills := sw.CountCommands("sofia profile external killgw")
			shown := b.one(t, change(domain, "carrier", nil))
			if shown.Action != gateway.Unchanged || sw.CountCommands("sofia profile external killgw") != kills {
				t.Fatalf("asked for nothing new: got %+v, and the gateway was killed", shown)
			}

			disabled := b.one(t, change(domain, "carrier", map[string]string{"enabled": "false"}))
			if _, ok := sw.Loaded()[created.GatewayUUID]; ok || disabled.GatewayState != gateway.StateNotLoaded || disabled.GatewayEnabled != "false" {
				t.Fatalf("disabled: got %+v, loaded %t", disabled, ok)
			}
			again := b.one(t, change(domain, "carrier", map[string]string{"enabled": "false"}))
			if again.Action != gateway.Unchanged {
				t.Fatalf("disabled again: got %+v", again)
			}
			enabled := b.one(t, change(domain, "carrier", map[string]string{"enabled": "true", "register": "false"}))
			if enabled.GatewayState != "NOREG" || enabled.GatewayStatus != "UP" {
				t.Fatalf("enabled without registering: got %+v", enabled)
			}
		})
	}
}

func TestProvisionMovesBetweenProfiles(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	first := b.one(t, change("", "carrier", carrier()))
	b.one(t, change("", "carrier", map[string]string{"profile": "internal"}))
	if got := b.Simulated[0].Loaded()[first.GatewayUUID].Profile; got != "internal" {
		t.Fatalf("loaded under %q, want internal", got)
	}
}

// Each of these ends in an error that says what is wrong, and leaves rows and switches as they were.
func TestProvisionFailsAndPutsBack(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		switches int
		timeout  time.Duration
		newOnly  bool // it makes sense only where there is no such gateway yet
		arrange  func(*testing.T, *bundle)
		values   map[string]string // on top of carrier()
		code     string
		says     []string
	}{
		{name: "a password that FusionPBX distorts", values: map[string]string{"password": "pa$$w&d"}, code: fault.InvalidGateway, says: []string{"password", "$"}},
		{name: "a line break", values: map[string]string{"from_user": "a\nb"}, code: fault.InvalidGateway, says: []string{"from_user", "line break"}},
		{name: "a user that spoils the list", values: map[string]string{"username": "a&b"}, code: fault.InvalidGateway, says: []string{"username", "<"}},
		{name: "register without a username", values: map[string]string{"username": "", "register": "true"}, newOnly: true, code: fault.MissingParameters, says: []string{"gateway_username"}},
		{name: "a profile that does not exist", values: map[string]string{"profile": "nosuch"}, code: fault.ProfileUnavailable, says: []string{"nosuch"}},
		{name: "a hostname of no switch", values: map[string]string{"hostname": "elsewhere"}, code: fault.InvalidGateway, says: []string{"hostname", "elsewhere"}},
		{
			name: "two gateways of that name", newOnly: true, code: fault.Conflict, says: []string{" and "},
			arrange: func(t *testing.T, b *bundle) {
				for range 2 {
					_, err := b.Pool.Exec(t.Context(), `insert into v_gateways (gateway_uuid, gateway, profile, enabled) values (gen_random_uuid(), 'carrier', 'external', false)`)
					must(t, err)
				}
			},
		},
		{
			name: "a stopped profile", code: fault.ProfileUnavailable, says: []string{"external"},
			arrange: func(t *testing.T, b *bundle) { b.Simulated[0].StopProfile("external") },
		},
		{
			name: "broken XML, reported with +OK", code: fault.SwitchConfiguration, says: []string{"line 73", "as it was"},
			arrange: func(t *testing.T, b *bundle) { b.Simulated[0].BreakXML(73, "unexpected closing tag </gateways>") },
		},
		{
			name: "a profile without configuration", code: fault.ProfileUnavailable, says: []string{"external", "as it was"},
			arrange: func(t *testing.T, b *bundle) { b.Simulated[0].RemoveProfileConfig("external") },
		},
		{
			name: "FusionPBX's scripts missing on the switch", code: fault.ServerError, says: []string{"as it was"},
			arrange: func(t *testing.T, b *bundle) { b.Simulated[0].BreakLua(true) },
		},
		{
			name: "a switch that is down", code: fault.SwitchUnavailable, says: []string{"127.0.0.1:"},
			arrange: func(t *testing.T, b *bundle) { must(t, b.Simulated[0].Stop()) },
		},
		{
			name: "a second switch that is down", switches: 2, code: fault.SwitchUnavailable, says: []string{"127.0.0.1:"},
			arrange: func(t *testing.T, b *bundle) { must(t, b.Simulated[1].Stop()) },
		},
		{
			name: "a second switch that fails after the first one loaded", switches: 2, code: fault.SwitchConfiguration, says: []string{"line 9", "as it was"},
			arrange: func(t *testing.T, b *bundle) { b.Simulated[1].BreakXML(9, "unclosed tag") },
		},
		{
			name: "a switch that says nothing", timeout: 300 * time.Millisecond, code: fault.SwitchTimeout, says: []string{"127.0.0.1:"},
			arrange: func(t *testing.T, b *bundle) { b.Simulated[0].Hang(true) },
		},
		{
			name: "a switch that drops the gateway while it says Success", code: fault.GatewayNotLoaded, says: []string{"did not load", "as it was"},
			arrange: func(t *testing.T, b *bundle) {
				// Rescans are answered and do nothing: the only one for a new gateway, both for a changed one.
				b.Simulated[0].FaultOnce("rescan", rescanned)
				b.Simulated[0].FaultOnce("rescan", rescanned)
			},
		},
	} {
		for _, existing := range []bool{false, true} {
			if existing && tc.newOnly {
				continue
			}
			t.Run(fmt.Sprintf("%s, gateway there before %t", tc.name, existing), func(t *testing.T) {
				t.Parallel()
				b := newBundle(t, setUp{switches: tc.switches, timeout: tc.timeout})
				if existing {
					b.one(t, change("", "carrier", carrier("password", "before")))
				}
				if tc.arrange != nil {
					tc.arrange(t, b)
				}
				values := carrier()
				maps.Copy(values, tc.values)
				b.failsInVain(t, values, tc.code, tc.says)
			})
		}
	}
}

// A row as FusionPBX's page let somebody write it: it can be seen, changed and made harmless, since only what is
// asked for is judged.
func TestGatewayWithABadValueCanBeChangedAndSuspended(t *testing.T) {
	t.Parallel()
	for column, value := range map[string]string{
		"password": "pa$s", "username": "us&er", "realm": "sip:carrier.example", "proxy": "sip:carrier.example", "retry_seconds": "3", "context": "a$b", "contact_params": "&lt;",
	} {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{})
			row := carrierRow()
			row.Set(column, value)
			must(t, b.FusionPBX.InsertGateway(t.Context(), row, ""))
			if shown := b.one(t, change("", "carrier", nil)); shown.GatewayUUID != row.UUID || shown.GatewayState != gateway.StateNotLoaded {
				t.Errorf("shown: got %+v", shown)
			}
			if changed := b.one(t, change("", "carrier", map[string]string{"expire_seconds": "60"})); changed.GatewayState == gateway.StateNotLoaded {
				t.Errorf("changed: got %+v", changed)
			}
			if failure := b.failing(t, change("", "carrier", map[string]string{column: value})); failure.Code != fault.InvalidGateway || !strings.Contains(failure.Message, column) {
				t.Errorf("asked for: got %v, want it refused for its %s", failure, column)
			}
			if suspended := b.one(t, change("", "carrier", map[string]string{"enabled": "false"})); suspended.GatewayEnabled != "false" {
				t.Errorf("suspended: got %+v", suspended)
			}
			if resumed := b.one(t, change("", "carrier", map[string]string{"enabled": "true"})); resumed.GatewayState == gateway.StateNotLoaded {
				t.Errorf("resumed: got %+v", resumed)
			}
		})
	}
}

// A gateway of somebody else's with & in its user must not break anything.
func TestForeignGatewayDoesNotDisturb(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	must(t, b.Simulated[0].AddGateway("external", "foreign", map[string]string{"username": `a&b<c>"d`, "register": "false", "proxy": "x<y"}))
	created := b.one(t, change("", "carrier", carrier()))
	b.one(t, change("", "carrier", carrier("password", "changed")))
	if got := b.Simulated[0].Loaded()[created.GatewayUUID].Params["password"]; got != "changed" {
		t.Fatalf("the carrier would get the password %q", got)
	}
}

func TestOnlyUUIDsAreKilled(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	before := len(b.Simulated[0].Loaded())
	b.one(t, change("", "_all_", carrier()))
	b.one(t, change("", "_all_", carrier("password", "changed")))
	if got := len(b.Simulated[0].Loaded()); got != before+1 {
		t.Fatalf("%d gateways are loaded, want %d", got, before+1)
	}
}

func TestChangeByAnotherIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	created := b.one(t, change("", "carrier", carrier()))
	remove := b.Simulated[0].OnCommand("rescan", sync.OnceFunc(func() {
		// As FusionPBX's page would, in the middle of our job; and our job is about to fail.
		if _, err := b.Pool.Exec(t.Context(), "update v_gateways set description = 'theirs' where gateway_uuid = $1", created.GatewayUUID); err != nil {
			t.Error(err)
		}
		b.Simulated[0].BreakXML(5, "broken meanwhile")
	}))
	defer remove()
	if failure := b.failing(t, change("", "carrier", carrier("password", "new"))); !strings.Contains(failure.Message, "changed by somebody else") {
		t.Fatalf("got %v, want a failure that says so", failure)
	}
	if !strings.Contains(testbed.GatewayRows(t, b.Pool), "theirs") {
		t.Fatal("their change is gone")
	}
}

// failsInVain provisions the carrier, which must fail with that code and those words, and leave the rows and
// what the switches have loaded as they were.
func (b *bundle) failsInVain(t *testing.T, values map[string]string, code fault.Code, says []string) {
	t.Helper()
	rows, loaded := testbed.GatewayRows(t, b.Pool), b.settings()
	failure := b.failing(t, change("", "carrier", values))
	if failure.Code != code {
		t.Fatalf("got %+v, want it failed with %s", failure, code)
	}
	for _, words := range says {
		if !strings.Contains(failure.Message, words) {
			t.Errorf("the error does not say %q: %s", words, failure.Message)
		}
	}
	if got := testbed.GatewayRows(t, b.Pool); got != rows {
		t.Errorf("the rows changed:\n%s\nfrom\n%s", got, rows)
	}
	if got := b.settings(); !reflect.DeepEqual(got, loaded) {
		t.Errorf("the switches changed:\n%v\nfrom\n%v", got, loaded)
	}
}
