package api_test

import (
	"net/http"
	"net/url"
	"testing"

	"trunkline/internal/pbxtest"
)

// keyed is a provision request with an Idempotency-Key.
func (b *bundle) keyed(key string, form url.Values) call {
	return withHeader(b.asSuperadmin(call{path: provisionPath, form: form}), "Idempotency-Key", key)
}

func wanted(pairs ...string) url.Values {
	f := url.Values{"tenant_domain": {"global"}}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return f
}

// The result of a key is repeated while it is true, and no longer.
func TestKeyOfWhatWasChangedSinceIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	provision := func(pairs ...string) answer {
		return b.do(t, b.asSuperadmin(call{path: provisionPath, form: wanted(pairs...)})).want(t, http.StatusOK, "")
	}
	create := b.keyed("create", carrier("carrier", "tenant_domain", "global"))
	made := b.do(t, create).want(t, http.StatusOK, "")
	if again := b.do(t, create).want(t, http.StatusOK, ""); again.text(t, "job_id") != made.text(t, "job_id") {
		t.Errorf("got %s, want the first one's result", again.body)
	}
	suspended := provision("gateway_name", "carrier", "gateway_enabled", "false")
	b.do(t, create).want(t, http.StatusConflict, "key_superseded").says(t, suspended.text(t, "job_id"))
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'carrier' and enabled::text = 'true'"); n != 0 {
		t.Error("the refused request changed the gateway")
	}
	// Brought back to what it was, the result is true again.
	provision("gateway_name", "carrier", "gateway_enabled", "true")
	b.do(t, create).want(t, http.StatusOK, "")
	b.exec(t, "update v_gateways set gateway = 'renamed' where gateway = 'carrier'")
	b.do(t, create).want(t, http.StatusConflict, "key_superseded")
	b.exec(t, "update v_gateways set gateway = 'carrier', password = 'another' where gateway = 'renamed'")
	b.do(t, create).want(t, http.StatusConflict, "key_superseded")
	b.exec(t, "delete from v_gateways where gateway = 'carrier'")
	b.do(t, create).want(t, http.StatusConflict, "key_superseded").says(t, "FusionPBX")

	// So it is with a deletion.
	provision("gateway_name", "gone", "gateway_domain", "sip.carrier.example", "gateway_username", "a", "gateway_password", "b")
	remove := withHeader(b.asSuperadmin(call{method: http.MethodDelete, path: "/v1/gateways?gateway_name=gone&tenant_domain=global"}), "Idempotency-Key", "delete")
	b.do(t, remove).want(t, http.StatusOK, "")
	b.do(t, remove).want(t, http.StatusOK, "")
	provision("gateway_name", "gone", "gateway_domain", "sip.carrier.example", "gateway_username", "a", "gateway_password", "b")
	b.do(t, remove).want(t, http.StatusConflict, "key_superseded")
}

// An external_id names the gateway, whatever is asked of it, and whatever it is called.
func TestExternalIDNamesTheGateway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	ask := func(pairs ...string) answer {
		return b.do(t, b.asSuperadmin(call{path: provisionPath, form: wanted(pairs...)}))
	}
	made := ask("external_id", "service-101", "gateway_name", "carrier", "gateway_domain", "sip.carrier.example", "gateway_username", "a", "gateway_password", "b").
		want(t, http.StatusOK, "")
	same := func(got answer) {
		t.Helper()
		if got.want(t, http.StatusOK, "").text(t, "gateway_uuid") != made.text(t, "gateway_uuid") {
			t.Errorf("got %s, want the gateway %s", got.body, made.body)
		}
	}
	same(ask("external_id", "service-101", "gateway_name", "carrier", "gateway_password", "changed"))
	same(ask("external_id", "service-101", "gateway_enabled", "false"))
	// A name of its own renames it.
	renamed := ask("external_id", "service-101", "gateway_name", "renamed", "gateway_enabled", "true")
	same(renamed)
	if renamed.text(t, "gateway_name") != "renamed" || b.count(t, "select count(*) from v_gateways where gateway = 'carrier'") != 0 {
		t.Errorf("got %s, want it renamed", renamed.body)
	}
	same(ask("gateway_name", "renamed"))
	// It was renamed on FusionPBX's page.
	b.exec(t, "update v_gateways set gateway = 'page' where gateway = 'renamed'")
	same(ask("external_id", "service-101", "description", "found"))
	// A name that is taken, and an external_id that differs in case alone.
	ask("gateway_name", "taken", "gateway_domain", "sip.carrier.example", "gateway_username", "a", "gateway_password", "b").want(t, http.StatusOK, "")
	ask("external_id", "service-101", "gateway_name", "taken").want(t, http.StatusConflict, "conflict").says(t, "taken")
	ask("external_id", "SERVICE-101", "gateway_name", "other", "gateway_domain", "x.example", "gateway_username", "a", "gateway_password", "b").
		want(t, http.StatusConflict, "conflict").says(t, "external_id", "service-101")
	// Once the row is gone the external_id is free.
	b.exec(t, "delete from v_gateways where gateway = 'page'")
	ask("external_id", "service-101", "gateway_password", "b").want(t, http.StatusBadRequest, "missing_parameters").says(t, "gateway_name")
	again := ask("external_id", "service-101", "gateway_name", "page", "gateway_domain", "sip.carrier.example", "gateway_username", "a", "gateway_password", "b").
		want(t, http.StatusOK, "")
	if again.text(t, "gateway_uuid") == made.text(t, "gateway_uuid") {
		t.Error("the gateway that is gone came back")
	}
	deleted := b.do(t, b.asSuperadmin(call{method: http.MethodDelete, path: "/v1/gateways?external_id=service-101&tenant_domain=global"})).want(t, http.StatusOK, "")
	if deleted.text(t, "gateway_uuid") != again.text(t, "gateway_uuid") || b.count(t, "select count(*) from trunkline.external_ids") != 0 {
		t.Errorf("got %s", deleted.body)
	}
}

// Nothing of a gateway that is absent can call: suspending it is success, and enabling it is not.
func TestSuspendingWhatIsAbsent(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	ask := func(pairs ...string) answer {
		return b.do(t, b.asSuperadmin(call{path: provisionPath, form: wanted(pairs...)}))
	}
	if got := ask("gateway_name", "absent", "gateway_enabled", "false").want(t, http.StatusOK, ""); got.text(t, "gateway_uuid") != "" || got.text(t, "gateway_enabled") != "false" {
		t.Errorf("got %s", got.body)
	}
	ask("gateway_name", "absent", "gateway_enabled", "true").want(t, http.StatusNotFound, "not_found").says(t, "absent")
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'absent'"); n != 0 {
		t.Error("a gateway was made")
	}
	got := ask("gateway_name", "disabled", "gateway_domain", "sip.carrier.example", "gateway_username", "a", "gateway_password", "b", "gateway_enabled", "false").want(t, http.StatusOK, "")
	if b.count(t, "select count(*) from v_gateways where gateway_uuid = $1 and enabled::text = 'false'", got.text(t, "gateway_uuid")) != 1 {
		t.Errorf("got %s, want a disabled gateway", got.body)
	}
}

// What is accepted while a gateway is being made is about that gateway, though it is not there yet.
func TestRequestsAboutAGatewayToCome(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	held, release := b.switches[0].Hold("rescan")
	defer release()
	ask := func(pairs ...string) call {
		return b.asSuperadmin(call{path: provisionPath, form: wanted(append(pairs, "wait", "0")...)})
	}
	b.do(t, ask("gateway_name", "carrier", "gateway_domain", "sip.carrier.example", "gateway_username", "a", "gateway_password", "b")).want(t, http.StatusAccepted, "")
	<-held
	b.exec(t, "delete from v_gateways where gateway = 'carrier'") // as if its row were not written yet
	b.do(t, ask("gateway_name", "carrier", "gateway_password", "new")).want(t, http.StatusAccepted, "")
	b.do(t, b.asSuperadmin(call{method: http.MethodDelete, path: "/v1/gateways?gateway_name=carrier&tenant_domain=global&wait=0"})).want(t, http.StatusAccepted, "")
	release()
	pbxtest.Eventually(t, "all have ended", func() bool {
		return b.count(t, "select count(*) from trunkline.jobs where state in ('queued', 'running')") == 0
	})
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'carrier'"); n != 0 {
		t.Error("it was deleted last, and is there")
	}
}
