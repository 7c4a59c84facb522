package api_test

import (
	"net/http"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/scheduler"
)

func TestDeleteGateway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{version: sample.V54})
	own := b.sample.Domains[0].Name
	create := b.asSuperadmin(call{path: provisionPath, form: carrier("doomed", "tenant_domain", own, "external_id", "4711")})
	first := b.do(t, create).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	b.exec(t, `create table v_dialplan_details (dialplan_uuid uuid, dialplan_detail_data text)`)
	b.exec(t, `insert into v_dialplan_details select gen_random_uuid(), 'sofia/gateway/' || $1 || '/$1' from generate_series(1, 2)`, first)

	byName := b.asSuperadmin(call{method: http.MethodDelete, path: "/v1/gateways?gateway_name=doomed&tenant_domain=" + own})
	got := b.do(t, byName).want(t, http.StatusOK, "")
	if got.text(t, "action") != "deleted" || got.text(t, "gateway_uuid") != first {
		t.Errorf("got %s", got.body)
	}
	if n := b.count(t, "select count(*) from v_gateways where gateway_uuid = $1", first); n != 0 {
		t.Error("the row is still there")
	}
	if _, loaded := b.switches[0].Loaded()[first]; loaded {
		t.Error("the switch still has it")
	}
	if again := b.do(t, byName).want(t, http.StatusOK, ""); again.text(t, "action") != "absent" {
		t.Errorf("got %s", again.body)
	}
	// The request that made it makes it again, though it has a key and was answered before.
	second := b.do(t, create).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	if second == first {
		t.Error("the old result was given for a gateway that is gone")
	}
	byUUID := call{method: http.MethodDelete, path: "/v1/gateways/" + second}
	if got := b.do(t, b.asSuperadmin(byUUID)).want(t, http.StatusOK, ""); got.text(t, "action") != "deleted" {
		t.Errorf("got %s", got.body)
	}
}

// A gateway that is made between the look at what is there and the one at what is to come is there.
func TestGatewayThatIsMadeMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	domain := b.sample.Domains[0]
	for name, tc := range map[string]struct {
		call
		action string
	}{
		"deleted": {call{method: http.MethodDelete, path: "/v1/gateways?gateway_name=deleted&tenant_domain=" + domain.Name}, "deleted"},
		"changed": {call{path: provisionPath, form: form("gateway_name", "changed", "tenant_domain", domain.Name, "description", "new")}, "updated"},
	} {
		tx, err := b.pool.Begin(t.Context())
		must(t, err)
		_, err = tx.Exec(t.Context(), "lock table trunkline.turns in access exclusive mode")
		must(t, err)
		answered := make(chan answer)
		go func() { answered <- b.do(t, b.asSuperadmin(tc.call)) }()
		pbxtest.Eventually(t, "it looks for what is to come", func() bool {
			return b.count(t, "select count(*) from pg_locks where not granted and relation = 'trunkline.turns'::regclass") > 0
		})
		b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, profile, enabled) values (gen_random_uuid(), $1, $2, 'external', 'false')`, domain.UUID, name)
		must(t, tx.Commit(t.Context()))
		if got := <-answered; got.want(t, http.StatusOK, "").text(t, "action") != tc.action {
			t.Errorf("got %s", got.body)
		}
	}
}

func TestDeleteGatewayIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	other := b.sample.Domains[2].Name
	theirs := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("theirs", "tenant_domain", other)})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	remove := func(path string) call { return call{method: http.MethodDelete, path: path} }
	b.do(t, b.asAdmin(remove("/v1/gateways"))).want(t, http.StatusBadRequest, "missing_parameters").says(t, "gateway_name")
	b.do(t, b.asAdmin(remove("/v1/gateways/not-a-uuid"))).want(t, http.StatusBadRequest, "invalid_request")
	b.do(t, b.asAdmin(remove("/v1/gateways?gateway_name=theirs&tenant_domain="+other))).want(t, http.StatusForbidden, "forbidden")
	// Another tenant's is as if it were not there.
	if got := b.do(t, b.asAdmin(remove("/v1/gateways/"+theirs))).want(t, http.StatusOK, ""); got.text(t, "action") != "absent" {
		t.Errorf("got %s", got.body)
	}
	b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, profile, enabled)
		select gen_random_uuid(), domain_uuid, gateway, profile, enabled from v_gateways where gateway_uuid = $1`, theirs)
	b.do(t, b.asSuperadmin(remove("/v1/gateways?gateway_name=theirs&tenant_domain="+other))).want(t, http.StatusConflict, "conflict").says(t, theirs)
	// A switch that fails after the row is gone gets the row put back, as it was.
	before := b.row(t, theirs)
	b.switches[0].BreakLua(true)
	b.do(t, b.asSuperadmin(remove("/v1/gateways/"+theirs))).want(t, http.StatusInternalServerError, "server_error").says(t, "the PBX is as it was before")
	b.switches[0].BreakLua(false)
	if after := b.row(t, theirs); after != before {
		t.Errorf("put back as %s, was %s", after, before)
	}
	// With the uuid it is clear which one is meant. A switch that does not answer is waited for, and the row is gone
	// at once.
	must(t, b.switches[0].Stop())
	b.do(t, b.asSuperadmin(remove("/v1/gateways/"+theirs+"?wait=1"))).want(t, http.StatusAccepted, "").says(t, b.switches[0].Addr())
	if n := b.count(t, "select count(*) from v_gateways where gateway_uuid = $1", theirs); n != 0 {
		t.Error("the row is not gone")
	}
	must(t, b.switches[0].Restart())
	pbxtest.Start(t, (&scheduler.Sweeper{Tasks: b.tasks, Interval: 100 * time.Millisecond, Log: b.options.Log}).Run)
	pbxtest.Eventually(t, "the gateway is deleted once the switch is back", func() bool {
		return b.do(t, b.asSuperadmin(remove("/v1/gateways/"+theirs))).status == http.StatusOK
	})
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'theirs'"); n != 1 {
		t.Errorf("%d rows are left, want the other one", n)
	}
}

// row is a gateway's row but for when it was inserted.
func (b *bundle) row(t *testing.T, gatewayUUID string) (row string) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), `select (to_jsonb(g) - 'insert_date')::text from v_gateways g where gateway_uuid = $1`, gatewayUUID).Scan(&row))
	return row
}
