package api_test

import (
	"fmt"
	"net/http"
	"testing"
)

// What is done with many is judged for each as by itself, and is of the caller's own.
func TestActionsOnGateways(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own, other := b.sample.Domains[1].Name, b.sample.Domains[2].Name
	make := func(domain, name string) string {
		return b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(name, "tenant_domain", domain, "register", "false")})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	}
	first, second, theirs := make(own, "many one"), make(own, "many two"), make(other, "many of theirs")
	act := func(as func(call) call, pairs ...string) answer {
		return b.do(t, as(call{path: gatewaysPath + "/actions", form: form(pairs...)}))
	}
	enabled := func() string {
		var text string
		must(t, b.pool.QueryRow(t.Context(), `select string_agg(gateway, ',' order by gateway) from v_gateways where gateway like 'many %' and enabled::text = 'true'`).Scan(&text))
		return text
	}
	act(b.asAdmin, "action", "disable").want(t, http.StatusBadRequest, "missing_parameters").says(t, "all=true")
	act(b.asAdmin, "action", "explode", "all", "true").want(t, http.StatusBadRequest, "invalid_request").says(t, "re-register")
	act(b.asAdmin, "action", "disable", "ids", theirs).want(t, http.StatusNotFound, "not_found")
	act(b.asAdmin, "action", "disable", "ids", first, "all", "true").want(t, http.StatusBadRequest, "invalid_request")
	act(b.asAdmin, "action", "disable", "text", "nothing like it").want(t, http.StatusNotFound, "not_found")
	act(b.asAdmin, "action", "disable", "text", "many", "dry_run", "true").want(t, http.StatusOK, "").says(t, `"succeeded"`)
	if got := enabled(); got != "many of theirs,many one,many two" {
		t.Errorf("a dry run leaves %s", got)
	}
	act(b.asAdmin, "action", "disable", "text", "MANY", "status", "UP").want(t, http.StatusOK, "").says(t, `"succeeded"`)
	if got := enabled(); got != "many of theirs" {
		t.Errorf("enabled: %s", got)
	}
	for _, id := range []string{first, second} {
		if _, loaded := b.switches[0].Loaded()[id]; loaded {
			t.Errorf("the switch still has %s", id)
		}
	}
	// One that cannot be keeps the others from nothing.
	act(b.asSuperadmin, "action", "enable", "ids", first).want(t, http.StatusOK, "")
	partial := act(b.asSuperadmin, "action", "re-register", "ids", first+","+theirs)
	if n := b.count(t, "select count(*) from trunkline.items where state = 'failed'"); n != 2 {
		t.Errorf("%d items failed, want two that do not register: %s", n, partial.body)
	}
	act(b.asSuperadmin, "action", "delete", "ids", fmt.Sprintf("%s,%s,%s", first, second, theirs)).want(t, http.StatusOK, "")
	if n := b.count(t, "select count(*) from v_gateways where gateway like 'many %'"); n != 0 {
		t.Errorf("%d are left", n)
	}
	if n := b.recorded(t, "gateway.delete", "3 gateways"); n != 1 {
		t.Errorf("the audit has it %d times", n)
	}
}
