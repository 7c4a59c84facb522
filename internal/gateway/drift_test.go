package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
)

// drift compares all rows with all switches.
func (b *bundle) drift(t *testing.T) *gateway.DriftReport {
	t.Helper()
	report, err := b.driftOf(time.Hour).Compare(t.Context())
	must(t, err)
	return report
}

func (b *bundle) driftOf(failWait time.Duration) gateway.Drift {
	return gateway.Drift{
		PBX: b.PBX, Keys: b.Tasks.Keys(), Orphans: true, FailWait: failWait,
		Rows: func(ctx context.Context) ([]fusionpbx.Gateway, error) { return b.FusionPBX.Gateways(ctx, true, "") },
	}
}

// kinds are the kinds of what was found, each with the gateway's name.
func kinds(report *gateway.DriftReport) (found []string) {
	for _, f := range report.Findings {
		found = append(found, f.Kind+" "+f.GatewayName)
	}
	return found
}

// Each way to differ is found, and reconcile repairs those of which the report says so.
func TestDrift(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files bool
		drift func(t *testing.T, b *bundle, uuid string)
		want  []string
		says  string
		stays bool // reconcile does not repair it
	}{
		"none": {drift: func(*testing.T, *bundle, string) {}},
		"killed": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				_, err := b.Switches[0].KillGateway(t.Context(), "external", uuid)
				must(t, err)
				_, err = b.Switches[0].WaitGone(t.Context(), []string{uuid})
				must(t, err)
			},
			want: []string{"not_loaded carrier"},
		},
		"no profile": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				_, err := b.Switches[0].KillGateway(t.Context(), "external", uuid)
				must(t, err)
				_, err = b.Switches[0].WaitGone(t.Context(), []string{uuid})
				must(t, err)
				b.exec(t, "update v_gateways set profile = 'nowhere' where gateway_uuid = $1", uuid)
				must(t, b.Switches[0].DeleteSofiaCache(t.Context()))
			},
			want: []string{"not_loaded carrier"}, says: "no enabled SIP profile", stays: true,
		},
		"profile disabled since": {
			drift: func(t *testing.T, b *bundle, _ string) {
				b.exec(t, "update v_sip_profiles set sip_profile_enabled = 'false' where sip_profile_name = 'external'")
			},
			want: []string{"not_loadable carrier", "not_loadable carrier-1", "not_loadable carrier-2", "not_loadable carrier-4", "not_loadable carrier-5"}, says: "would not come back", stays: true,
		},
		"disabled": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set enabled = 'false' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_has carrier", "disabled_loaded carrier"},
		},
		"deleted": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "delete from v_gateways where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_has UUID", "orphan UUID"},
		},
		"another's": {
			drift: func(t *testing.T, b *bundle, _ string) {
				must(t, b.Simulated[0].AddGateway("external", "theirs", map[string]string{"username": "u", "password": "p"}))
			},
			want: []string{"orphan theirs"}, stays: true,
		},
		"another switch's": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set hostname = 'elsewhere' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_has carrier", "other_switch carrier"},
		},
		"profile": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set profile = 'internal' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "other_profile carrier"},
		},
		"twice": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				must(t, b.Simulated[0].AddGateway("internal", uuid, map[string]string{"username": "u", "password": "p"}))
			},
			want: []string{"loaded_twice carrier"},
		},
		"username": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set username = 'another', description = 'x' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "settings_differ carrier"}, says: "username",
		},
		"password": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set password = 'n3w-s3cret' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "settings_outdated carrier"}, says: "password",
		},
		"another username and no password": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set username = 'another', password = '' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "settings_differ carrier"}, says: "give it both, or set register to false", stays: true,
		},
		"no password": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set password = null where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "settings_outdated carrier"}, says: "lacks a username or a password", stays: true,
		},
		"a profile that is not": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set profile = 'nowhere' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "other_profile carrier"}, says: "give the gateway an enabled profile", stays: true,
		},
		"a disabled profile": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_sip_profiles set sip_profile_enabled = 'false' where sip_profile_name = 'internal'")
				b.exec(t, "update v_gateways set profile = 'internal' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "other_profile carrier"}, says: "no enabled SIP profile", stays: true,
		},
		"a profile without TLS": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.withoutTLS(t, "external")
				b.exec(t, "update v_gateways set register_transport = 'tls' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "settings_outdated carrier"}, says: "set tls to true", stays: true,
		},
		"twice and no username": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				must(t, b.Simulated[0].AddGateway("internal", uuid, map[string]string{"username": "u", "password": "p"}))
				b.exec(t, "update v_gateways set username = '' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_differs carrier", "loaded_twice carrier"}, says: "give it both", stays: true,
		},
		"disabled and no password": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set enabled = 'false', password = '', profile = 'nowhere' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_has carrier", "disabled_loaded carrier"},
		},
		"file gone and no password": {
			files: true,
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set password = '' where gateway_uuid = $1", uuid)
			},
			want: []string{"file_differs carrier", "settings_outdated carrier"}, says: "give it both", stays: true,
		},
		"cache lacks": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set enabled = 'false' where gateway_uuid = $1", uuid)
				must(t, b.Switches[0].DeleteSofiaCache(t.Context()))
				must(t, b.Switches[0].Rescan(t.Context(), "external"))
				b.exec(t, "update v_gateways set enabled = 'true' where gateway_uuid = $1", uuid)
			},
			want: []string{"cache_lacks carrier"},
		},
		"refused for long": {
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.Simulated[0].SetOutcome(func(map[string]string) fssim.Outcome { return fssim.Rejected403 })
				must(t, b.Switches[0].Register(t.Context(), "external", uuid))
				eventually(t, func() bool { return b.Simulated[0].Loaded()[uuid].State == "FAIL_WAIT" })
				b.exec(t, `insert into trunkline.gateway_answers values ($1, $2, 403, 'Forbidden', now() - interval '2 hours')`, uuid, b.Switches[0].Addr())
			},
			want: []string{"fail_wait carrier"}, says: "403 Forbidden", stays: true,
		},
		"file gone": {
			files: true,
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "update v_gateways set password = 'n3w-s3cret' where gateway_uuid = $1", uuid)
			},
			want: []string{"file_differs carrier", "settings_outdated carrier"},
		},
		"file of none": {
			files: true,
			drift: func(t *testing.T, b *bundle, uuid string) {
				b.exec(t, "delete from v_gateways where gateway_uuid = $1", uuid)
			},
			want: []string{"file_has UUID", "orphan UUID"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{files: tc.files})
			uuid := b.one(t, change("", "carrier", carrier())).GatewayUUID
			if tc.files { // the sample has rows, and no files
				b.exec(t, "update v_gateways set enabled = 'false' where gateway_uuid <> $1", uuid)
				for _, g := range b.Sample.Gateways {
					b.one(t, doing(gateway.Reconcile, g.UUID))
				}
			}
			if found := b.drift(t); len(found.Findings) != 0 {
				t.Fatalf("at first: %+v", found)
			}
			tc.drift(t, b, uuid)
			report := b.drift(t)
			got := kinds(report)
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], uuid, "UUID")
			}
			if !slices.Equal(slices.Sorted(slices.Values(got)), tc.want) {
				t.Fatalf("got %+v, want %v", report.Findings, tc.want)
			}
			text := fmt.Sprintf("%+v", report)
			if !strings.Contains(text, tc.says) || strings.Contains(text, "s3cret") {
				t.Errorf("it says %s, want %q and no password", text, tc.says)
			}
			for _, f := range report.Findings {
				if f.Repair == tc.stays || f.Remedy == "" || f.What == "" {
					t.Errorf("got %+v, want repair %t", f, !tc.stays)
				}
				if f.Repair {
					b.one(t, doing(gateway.Reconcile, f.GatewayUUID))
				}
			}
			if left := b.drift(t); !tc.stays && len(left.Findings) != 0 {
				t.Errorf("reconciled, there is still %+v", left.Findings)
			}
		})
	}
}

// What could not be put right is tried again, the more rarely the longer that lasts.
func TestLeftLoadedIsTriedMoreRarely(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for name, tc := range map[string]struct {
		since, tried string
		due          bool
	}{
		"new":                    {"10 seconds", "", true},
		"just tried":             {"30 seconds", "10 seconds", false},
		"a minute ago":           {"90 seconds", "61 seconds", true},
		"of hours, minutes ago":  {"3 hours", "5 minutes", false},
		"of hours, an hour ago":  {"3 hours", "61 minutes", true},
		"of weeks, half an hour": {"14 days", "30 minutes", false},
		"of weeks, an hour":      {"14 days", "61 minutes", true},
	} {
		b.exec(t, "delete from trunkline.left_loaded")
		b.exec(t, `insert into trunkline.left_loaded (gateway_uuid, switch, since, tried_at, loaded, providers)
			values (gen_random_uuid(), $1, now() - $2::interval, now() - nullif($3, '')::interval, false, true)`, b.Switches[0].Addr(), tc.since, tc.tried)
		found, err := gateway.FindLeftLoaded(t.Context(), b.PBX, time.Minute, time.Hour, 10)
		must(t, err)
		if (len(found) == 1) != tc.due || len(found) == 1 && found[0].Loaded {
			t.Errorf("%s: got %+v", name, found)
		}
	}
}

// A report is three questions to each switch, whatever the number; one that does not answer is named.
func TestDriftIsCheap(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, timeout: 2 * time.Second})
	b.applied(t, carriers(300, "line", carrier())...)
	b.exec(t, "delete from trunkline.loaded_gateways where switch = $1 and gateway_uuid in (select gateway_uuid from v_gateways where gateway in ('line-1', 'line-2'))", b.Switches[0].Addr())
	must(t, b.Simulated[1].Stop())
	before := len(b.Simulated[0].Commands())
	counted := b.count(t)
	report := b.drift(t)
	if len(report.Findings) != 0 || len(report.Switches) != 2 {
		t.Fatalf("got %+v", report)
	}
	sample := len(b.Sample.Gateways)
	if one := report.Switches[0]; one.Error != "" || !one.Cached || one.SettingsKnown != 298 || one.SettingsUnknown > sample+2 || one.SettingsUnknown < 2 {
		t.Errorf("the first switch: %+v", one)
	}
	if two := report.Switches[1]; !strings.Contains(two.Error, b.Switches[1].Addr()) {
		t.Errorf("the one that is away: %+v", two)
	}
	asked := map[string]int{}
	for _, c := range b.Simulated[0].Commands()[before:] {
		if words := strings.Fields(c.Line); words[0] == "api" {
			asked[strings.Join(words[:2], " ")]++
		}
	}
	if want := map[string]int{"api sofia": 1, "api hostname": 1, "api switchname": 1, "api lua": 1}; !maps.Equal(asked, want) {
		t.Errorf("the switch was asked %v, want %v", asked, want)
	}
	if n := counted.trips.Load(); n > 8 {
		t.Errorf("%d statements", n)
	}
}

// Nothing is known of a switch whose answer is cut off or too long, and nothing is missing for it.
func TestDriftOfHalfAnAnswer(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.one(t, change("", "carrier", carrier()))
	b.PBX.Switches[0] = freeswitch.New(b.Simulated[0].Addr(), fssim.Password, freeswitch.Options{MaxReply: 3000})
	t.Cleanup(func() { _ = b.PBX.Switches[0].Close() })
	if report := b.drift(t); len(report.Findings) != 0 || report.Switches[0].Error == "" {
		t.Errorf("got %+v", report)
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	pbxtest.Eventually(t, "it holds", holds)
}
