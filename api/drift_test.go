package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// driftFound are the findings of an answer, each its kind and the gateway's name.
func driftFound(t *testing.T, got answer) string {
	t.Helper()
	var found []string
	for _, f := range got.want(t, http.StatusOK, "").decode(t)["findings"].([]any) {
		one := f.(map[string]any)
		found = append(found, one["kind"].(string)+" "+one["gateway_name"].(string))
	}
	return strings.Join(found, ", ")
}

// Who sees one domain sees what differs of its gateways, and nothing of another's or nobody's.
func TestDriftIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own, other := b.sample.Domains[1].Name, b.sample.Domains[0].Name // the admin's, and another
	made := map[string]string{}
	for name, domain := range map[string]string{"mine": own, "theirs": other, "deleted": other, "everybody": "global"} {
		made[name] = b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(name, "tenant_domain", domain)})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	}
	b.exec(t, "update v_gateways set password = 'n3w-s3cret' where gateway in ('mine', 'theirs', 'everybody')")
	b.exec(t, "delete from v_gateways where gateway = 'deleted'")
	must(t, b.switches[0].AddGateway("external", "strange", map[string]string{"username": "u", "password": "p"}))
	const path = "/v1/gateways/drift"
	outdated := func(name string) string { return "cache_differs " + name + ", settings_outdated " + name }
	gone := made["deleted"]
	for _, tc := range []struct {
		call
		want string
	}{
		{b.asAdmin(call{path: path}), outdated("mine")},
		{b.asAdmin(call{path: path + "?kind=orphan"}), ""},
		{b.asSuperadmin(call{path: path + "?tenant_domain=" + other}), outdated("theirs")},
		{b.asSuperadmin(call{path: path + "?tenant_domain=global&kind=settings_outdated"}), "settings_outdated everybody"},
	} {
		got := b.do(t, tc.call)
		if found := driftFound(t, got); found != tc.want {
			t.Errorf("%s: got %s, want %s", tc.path, found, tc.want)
		}
		_, counted := got.decode(t)["switches"].([]any)[0].(map[string]any)["loaded"]
		if all := strings.Contains(tc.path, "tenant_domain"); counted != all {
			t.Errorf("%s: how many gateways the switch has is told: %t: %s", tc.path, counted, got.body)
		}
		for _, hidden := range []string{gone, "strange", "n3w-s3cret", gatewayPassword} {
			if strings.Contains(got.body, hidden) {
				t.Errorf("%s: %q is in %s", tc.path, hidden, got.body)
			}
		}
	}
	all := driftFound(t, b.do(t, b.asSuperadmin(call{path: path})))
	for _, part := range []string{outdated("mine"), outdated("theirs"), outdated("everybody"), "orphan " + gone, "cache_has " + gone, "orphan strange"} {
		if !strings.Contains(all, part) {
			t.Errorf("%q is not in %s", part, all)
		}
	}
	first := b.do(t, b.asSuperadmin(call{path: path + "?limit=1"})).want(t, http.StatusOK, "")
	if m := first.decode(t); len(m["findings"].([]any)) != 1 || m["total"].(float64) < 8 {
		t.Errorf("got %s", first.body)
	}
	b.do(t, b.asAdmin(call{path: path + "?tenant_domain=" + other})).want(t, http.StatusForbidden, "forbidden")
	b.do(t, b.asAdmin(call{path: path + "?limit=0"})).want(t, http.StatusBadRequest, "")
	b.do(t, b.asAdmin(call{path: path + "?kind=nonsense"})).want(t, http.StatusBadRequest, "")
}

// A job reconciles the gateways that are named; nobody names another tenant's, and all that has no row is the
// superadmin's alone.
func TestReconcileIsAsked(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	const path = "/v1/gateways/reconcile"
	own, other, global := b.sample.Gateways[0], b.sample.Gateways[1], ""
	b.exec(t, "update v_gateways set domain_uuid = $1 where gateway_uuid = $2", b.sample.Domains[1].UUID, own.UUID)
	b.exec(t, "update v_gateways set domain_uuid = $1 where gateway_uuid = $2", b.sample.Domains[0].UUID, other.UUID)
	b.exec(t, "update v_gateways set domain_uuid = null where gateway_uuid = $1", b.sample.Gateways[2].UUID)
	global = b.sample.Gateways[2].UUID
	const gone = "0a0b0c0d-0000-4000-8000-00000000000f"
	for _, ids := range []string{other.UUID, global, gone, own.UUID + "," + other.UUID} {
		got := b.do(t, b.asAdmin(call{path: path, form: form("ids", ids)})).want(t, http.StatusNotFound, "not_found")
		if strings.Contains(got.body, "sample") {
			t.Errorf("got %s", got.body)
		}
	}
	for ids, code := range map[string]string{"": "missing_parameters", "_all_": "invalid_request", own.UUID + ",all": "invalid_request"} {
		b.do(t, b.asSuperadmin(call{path: path, form: form("ids", ids)})).want(t, http.StatusBadRequest, code)
	}
	mine := b.do(t, b.asAdmin(call{path: path, form: form("ids", strings.ToUpper(own.UUID)+", "+own.UUID, "wait", "0")})).want(t, http.StatusAccepted, "")
	all := b.do(t, b.asSuperadmin(call{path: path, form: form("ids", own.UUID+","+other.UUID+","+global+","+gone, "wait", "0")})).want(t, http.StatusAccepted, "")
	for job, items := range map[string]int{mine.text(t, "job_id"): 1, all.text(t, "job_id"): 4} {
		if n := b.count(t, "select count(*) from trunkline.items where job_id = $1 and params->>'do' = 'reconcile' and state = 'queued'", job); n != items {
			t.Errorf("%d items, want %d", n, items)
		}
	}
	b.do(t, b.asAdmin(call{path: "/v1/jobs/" + mine.text(t, "job_id")})).want(t, http.StatusOK, "")
	b.do(t, b.asAdmin(call{path: "/v1/jobs/" + all.text(t, "job_id")})).want(t, http.StatusNotFound, "")
	if b.recorded(t, "gateway.reconcile", "4 gateways") != 1 {
		t.Error("the audit does not have it")
	}
}
