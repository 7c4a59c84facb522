package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// A carrier that calls by its address is let in by a parameter of its gateway, and whoever sees one domain alone lets
// nobody in.
func TestProviderCIDRs(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.exec(t, "insert into v_access_controls (access_control_uuid, access_control_name, access_control_default) values (gen_random_uuid(), 'providers', 'deny')")
	trunk := func(cidrs string) call {
		return call{path: provisionPath, form: form("gateway_name", "trunk", "gateway_domain", "192.0.2.1", "register", "false", "provider_cidrs", cidrs)}
	}
	b.do(t, b.asAdmin(trunk("192.0.2.0/24"))).want(t, http.StatusForbidden, "forbidden")
	for _, cidrs := range []string{"0.0.0.0/0", "carrier.example", "192.0.2.0/33"} {
		b.do(t, b.asSuperadmin(trunk(cidrs))).want(t, http.StatusBadRequest, "invalid_request").says(t, "provider_cidrs")
	}
	b.do(t, b.asSuperadmin(trunk("192.0.2.77/24, 2001:db8::1"))).want(t, http.StatusOK, "")
	if got := b.switches[0].Allowed("providers"); !slices.Equal(got, []string{"192.0.2.0/24", "2001:db8::1/128"}) {
		t.Errorf("the switch allows %v", got)
	}
	if got := b.do(t, b.asSuperadmin(trunk(""))).want(t, http.StatusOK, ""); got.text(t, "action") != "updated" {
		t.Errorf("got %s", got.body)
	}
	if got := b.switches[0].Allowed("providers"); len(got) != 0 {
		t.Errorf("the switch still allows %s", strings.Join(got, ", "))
	}
}
