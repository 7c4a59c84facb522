package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/fssim"
	"trunkline/internal/pbxtest/sample"
)

const listPath = "/app/gateways/provision_list.php"

// gateways is the list as the call gets it, by name.
func (b *bundle) gateways(t *testing.T, c call) map[string]map[string]any {
	t.Helper()
	c.path = listPath
	got := b.do(t, c).want(t, http.StatusOK, "")
	fields := got.decode(t)
	if fields["status"] != "success" || fields["message"] != "Gateways retrieved successfully" {
		t.Fatalf("got %s", got.body)
	}
	byName := map[string]map[string]any{}
	for _, g := range fields["gateways"].([]any) {
		byName[g.(map[string]any)["gateway_name"].(string)] = g.(map[string]any)
	}
	return byName
}

func names(list map[string]map[string]any) string {
	var all []string
	for name := range list {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestListOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, noWorker: true})
			// Another system's gateway, whose user breaks the list's XML, must not break ours.
			must(t, b.switches[0].AddGateway("external", "foreign", map[string]string{"username": "a&b<c", "password": "x", "proxy": "other.example", "register": "true"}))
			pbxtest.Eventually(t, "the registering ones are up", func() bool {
				list := b.gateways(t, b.asSuperadmin(call{}))
				return list["carrier-1"]["gateway_status"] == "UP" && list["carrier-4"]["gateway_status"] == "UP"
			})
			list := b.gateways(t, b.asSuperadmin(call{method: http.MethodPost}))
			for _, g := range b.sample.Gateways {
				got := list[g.Name]
				tenant := "global"
				for _, d := range b.sample.Domains {
					if d.UUID == g.DomainUUID {
						tenant = d.Name
					}
				}
				want := map[string]any{"gateway_uuid": g.UUID, "gateway_domain": "sip" + strings.TrimPrefix(g.Name, "carrier-") + ".carrier.example",
					"gateway_enabled": "true", "gateway_status": "UP", "gateway_state": "NOREG", "profile": g.Profile, "tenant_domain": tenant}
				if g.Register {
					want["gateway_state"] = "REGED"
				}
				if !g.Enabled {
					want["gateway_enabled"], want["gateway_status"], want["gateway_state"] = "false", "DOWN", "NOT_LOADED"
				}
				for field, value := range want {
					if got[field] != value {
						t.Errorf("%s: %s is %v, want %v", g.Name, field, got[field], value)
					}
				}
				for field := range got {
					if strings.Contains(field, "password") {
						t.Errorf("%s has %s", g.Name, field)
					}
				}
			}
			if len(list) != len(b.sample.Gateways) {
				t.Errorf("got %s", names(list))
			}
			before := b.switches[0].CountCommands("sofia")
			b.gateways(t, b.asSuperadmin(call{}))
			if asked := b.switches[0].CountCommands("sofia") - before; asked != 1 {
				t.Errorf("the switch was asked %d times for one list", asked)
			}
		})
	}
}

// Each switch tells since when a gateway is up, how the last ping went, and when the next attempt is.
func TestListShowsWhatTheSwitchesTell(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.switches[0].SetOutcome(func(params map[string]string) fssim.Outcome {
		if params["ping"] != "" {
			return fssim.Registered
		}
		return fssim.Rejected403
	})
	b.exec(t, "update v_gateways set gateway_uuid = '00000000-0000-4000-8000-00000000000b' where gateway = 'carrier-3'")
	must(t, b.switches[0].AddGateway("external", "00000000-0000-4000-8000-00000000000b", map[string]string{"username": "a", "password": "x", "proxy": "other.example", "register": "true"}))
	at := func(name string) map[string]any {
		return b.gateways(t, b.asSuperadmin(call{}))[name]["switches"].([]any)[0].(map[string]any)
	}
	pbxtest.Eventually(t, "the carrier has refused", func() bool { return at("carrier-3")["retry_in"] != nil })
	b.exec(t, `insert into trunkline.gateway_answers (gateway_uuid, switch, code, phrase, since)
		values ('00000000-0000-4000-8000-00000000000b', $1, 403, 'Forbidden', now())`, b.switches[0].Addr())
	if got, _ := at("carrier-3")["carrier_answer"].(map[string]any); got["code"] != 403.0 || got["phrase"] != "Forbidden" || got["since"] == nil {
		t.Errorf("the carrier's answer: got %v", at("carrier-3"))
	}
	if got := at("carrier-3"); got["since"] != nil || got["ping_ms"] != nil {
		t.Errorf("one that is refused: got %v", got)
	}
	pbxtest.Eventually(t, "the one that is pinged is up", func() bool { return at("carrier-5")["status"] == "UP" })
	pinged := at("carrier-5")
	since, err := time.Parse(time.RFC3339, fmt.Sprint(pinged["since"]))
	if err != nil || time.Since(since) > time.Hour || pinged["ping_ms"] == nil || pinged["retry_in"] != nil {
		t.Errorf("one that is pinged: got %v", pinged)
	}
}

func TestListTenants(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for name, c := range map[string]struct {
		call call
		want string
	}{
		"superadmin":              {b.asSuperadmin(call{}), "carrier-1 carrier-2 carrier-3 carrier-4 carrier-5"},
		"superadmin, one domain":  {b.asSuperadmin(call{form: form("tenant_domain", b.sample.Domains[0].Name)}), "carrier-1"},
		"superadmin, global":      {b.asSuperadmin(call{form: form("tenant_domain", "Global")}), "carrier-4"},
		"admin":                   {b.asAdmin(call{}), "carrier-2 carrier-5"},
		"admin, naming its own":   {b.asAdmin(call{form: form("tenant_domain", b.sample.AdminDomain)}), "carrier-2 carrier-5"},
		"superadmin, domain_uuid": {b.asSuperadmin(call{form: form("domain_uuid", b.sample.Domains[2].UUID)}), "carrier-3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := names(b.gateways(t, c.call)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	b.do(t, b.asAdmin(call{path: listPath, form: form("tenant_domain", "global")})).want(t, http.StatusForbidden, "forbidden")
	b.do(t, b.asSuperadmin(call{path: listPath, form: form("tenant_domain", "nobody.example")})).want(t, http.StatusNotFound, "not_found")
}

func TestListWithSeveralSwitches(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, noWorker: true})
	b.exec(t, "update v_gateways set hostname = 'pbx-1' where gateway = 'carrier-1'")
	b.exec(t, "update v_gateways set hostname = 'nowhere' where gateway = 'carrier-2'")
	b.switches[1].StopProfile("external")
	pbxtest.Eventually(t, "the one on the first switch is up", func() bool {
		return b.gateways(t, b.asSuperadmin(call{}))["carrier-1"]["gateway_status"] == "UP"
	})
	list := b.gateways(t, b.asSuperadmin(call{}))
	for name, want := range map[string]struct {
		status, state string
		switches      int
	}{
		"carrier-1": {"UP", "REGED", 1},        // meant for the first alone
		"carrier-2": {"DOWN", "NOT_LOADED", 0}, // meant for none of them
		"carrier-4": {"DOWN", "NOT_LOADED", 2}, // up on the first, gone from the second
	} {
		got := list[name]
		if got["gateway_status"] != want.status || got["gateway_state"] != want.state || len(got["switches"].([]any)) != want.switches {
			t.Errorf("%s: got %v, want %+v", name, got, want)
		}
	}
}

func TestListWithASwitchDown(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{switches: 2, noWorker: true})
	must(t, b.switches[1].Stop())
	b.exec(t, "update v_gateways set hostname = 'pbx-1' where gateway = 'carrier-1'")
	wants := func(away *fssim.Switch, states map[string]string) {
		t.Helper()
		got := b.do(t, b.asSuperadmin(call{path: listPath})).want(t, http.StatusOK, "").decode(t)
		if warnings := fmt.Sprint(got["warnings"]); !strings.Contains(warnings, away.Addr()) {
			t.Errorf("the warnings do not name switch %s: %s", away.Addr(), warnings)
		}
		for _, g := range got["gateways"].([]any) {
			g := g.(map[string]any)
			if want, asked := states[g["gateway_name"].(string)]; asked && g["gateway_status"] != want {
				t.Errorf("%s: got %v, want it %s", g["gateway_name"], g, want)
			}
		}
	}
	pbxtest.Eventually(t, "what is meant for the first switch alone is up", func() bool {
		return b.gateways(t, b.asSuperadmin(call{}))["carrier-1"]["gateway_status"] == "UP"
	})
	// carrier-3 is disabled, so that the first switch, which answers, shows it down.
	wants(b.switches[1], map[string]string{"carrier-1": "UP", "carrier-2": "UNKNOWN", "carrier-3": "DOWN"})
	must(t, b.switches[1].Restart())
	pbxtest.Eventually(t, "both answer again", func() bool {
		return !strings.Contains(b.do(t, b.asSuperadmin(call{path: listPath})).body, "warnings")
	})
	b.switches[0].Hang(true)
	began := time.Now()
	wants(b.switches[0], map[string]string{"carrier-1": "UNKNOWN"})
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
	b.switches[0].Hang(false)
}
