package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// One gateway is found, shown, suspended and ended by the commands.
func TestGatewayCommands(t *testing.T) {
	t.Parallel()
	p := newSamplePBX(t, 0)
	base, _ := p.serve(t, "serve")
	p.open(t)
	env := p.caller(t, base, "--scope", "read,provision", "--all-domains")
	ran := gatewaysAs(t, env)
	domain := p.sample.Domains[0].Name
	uuid, _ := asked(t, env, "/app/gateways/provision.php", url.Values{
		"gateway_name": {"carrier-x"}, "gateway_domain": {"sip.carrier.example"}, "gateway_username": {"account"}, "gateway_password": {"a-carrier-password"},
		"tenant_domain": {domain}, "external_id": {"service-101"}, "wait": {"60"},
	})["gateway_uuid"].(string)
	if !p.loaded(uuid) {
		t.Fatalf("gateway %q is not loaded", uuid)
	}
	ran(0, "list", "--text", "carrier-x").wants(t, 0, uuid, domain, "sip.carrier.example", "service-101", "external")
	var listed []struct {
		UUID string `json:"gateway_uuid"`
	}
	must(t, json.Unmarshal([]byte(ran(0, "list", "-o", "json", "--external-id", "service-101").out), &listed))
	if len(listed) != 1 || listed[0].UUID != uuid {
		t.Errorf("listed %+v", listed)
	}
	if got := ran(0, "list", "--enabled", "false", "--text", "carrier-x", "-o", "csv"); strings.Count(got.out, "\n") != 1 {
		t.Errorf("disabled: %s", got)
	}
	ran(0, "list", "--limit", "1").wants(t, 0, "others are left out")
	ran(1, "list", "--state", "ASLEEP").wants(t, 1, "state", "REGED")
	for _, args := range [][]string{{uuid}, {"--external-id", "service-101", "--domain", domain}} {
		ran(0, append([]string{"get"}, args...)...).wants(t, 0, "gateway_name", "carrier-x", "service-101", "SWITCH", p.sw.Addr())
	}

	ran(1, "disable", uuid).wants(t, 1, "--yes", "--dry-run")
	for range 2 { // what is done already is done
		ran(0, "disable", uuid, "--yes").wants(t, 0, uuid, "disabled")
	}
	if p.loaded(uuid) {
		t.Error("it is loaded")
	}
	// Several, by a filter, are one job.
	ran(0, "enable", "--text", "carrier-x", "--dry-run").wants(t, 0, "1 in all, 1 change", "carrier-x")
	ran(0, "enable", "--text", "carrier-x", "--yes").wants(t, 0, "1 in all, 1 updated")
	if !p.loaded(uuid) {
		t.Error("it is not loaded")
	}
	for range 2 {
		ran(0, "delete", uuid, "--yes").wants(t, 0, "deleted")
	}
	ran(1, "get", uuid).wants(t, 1, "not_found")
	if n := p.rows(t, "select count(*) from v_gateways where gateway = 'carrier-x'"); n != 0 || p.loaded(uuid) {
		t.Errorf("%d rows are left", n)
	}
}
