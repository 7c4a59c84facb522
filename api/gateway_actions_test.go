package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/config"
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

// A dry run, which changes nothing, keeps nobody waiting.
func TestDryRunOfAnActionTakesNoTurn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, profile, enabled) values (gen_random_uuid(), $1, 'looked at', 'carrier.example', 'external', 'true')`, b.sample.Domains[1].UUID)
	for _, c := range []struct {
		dry   string
		turns int
	}{{"true", 0}, {"false", 1}} {
		job := b.do(t, b.asAdmin(call{path: gatewaysPath + "/actions", form: form("action", "disable", "text", "looked at", "dry_run", c.dry, "wait", "0")})).want(t, http.StatusAccepted, "").text(t, "job_id")
		if n := b.count(t, "select count(distinct item) from trunkline.turns where job_id = $1", job); n != c.turns {
			t.Errorf("dry_run=%s: %d items take turns, want %d", c.dry, n, c.turns)
		}
	}
}

// The same key attaches to the job while every gateway stands as it left them. Two of one name are two items, with
// their domain.
func TestKeysOfActionsOnGateways(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for range 2 {
		b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, profile, enabled, register) values (gen_random_uuid(), $1, 'twin', 'carrier.example', 'external', 'true', 'false')`, b.sample.Domains[1].UUID)
	}
	var ids string
	must(t, b.pool.QueryRow(t.Context(), "select string_agg(gateway_uuid::text, ',') from v_gateways where gateway = 'twin'").Scan(&ids))
	act := func(path string, pairs ...string) answer {
		return b.do(t, withHeader(b.asAdmin(call{path: gatewaysPath + path, form: form(append(pairs, "ids", ids)...)}), "Idempotency-Key", path))
	}
	for _, path := range []string{"/actions", "/reconcile"} {
		var pairs []string
		if path == "/actions" {
			pairs = []string{"action", "disable"}
		}
		first := act(path, pairs...).want(t, http.StatusOK, "").says(t, `"succeeded":2`, `"tenant_domain":"`+b.sample.Domains[1].Name)
		if again := act(path, pairs...).want(t, http.StatusOK, ""); again.text(t, "job_id") != first.text(t, "job_id") {
			t.Errorf("%s: the same key and gateways are another job: %s", path, again.body)
		}
		b.exec(t, "update v_gateways set enabled = 'true', proxy = $1 where gateway = 'twin'", "after"+strings.ReplaceAll(path, "/", "-")+".example")
		act(path, pairs...).want(t, http.StatusConflict, "key_superseded").says(t, "twin")
	}
}

// As many gateways as a job may have are named at once, with commas between or as an array, and not one more. A list
// that came out empty names none.
func TestManyGatewaysAreNamed(t *testing.T) {
	t.Parallel()
	const most = 300 // uuids have 11 KB
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.BulkRows = most }})
	b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway, proxy, profile, enabled)
		select gen_random_uuid(), $1, 'named ' || n, 'carrier.example', 'external', 'true' from generate_series(1, $2::integer) n`, b.sample.Domains[1].UUID, most+1)
	var ids []string
	must(t, b.pool.QueryRow(t.Context(), "select array_agg(gateway_uuid::text) from v_gateways where gateway like 'named %'").Scan(&ids))
	items := func(got answer) int {
		return b.count(t, "select count(*) from trunkline.items where job_id = $1", got.want(t, http.StatusAccepted, "").text(t, "job_id"))
	}
	asJSON := func(path string, body map[string]any) answer {
		text, err := json.Marshal(body)
		must(t, err)
		return b.do(t, b.asAdmin(call{path: path, body: string(text), headers: map[string]string{"Content-Type": "application/json"}}))
	}
	const reconcile = gatewaysPath + "/reconcile"
	if n := items(asJSON(gatewaysPath+"/actions", map[string]any{"action": "disable", "ids": ids[:most], "wait": 0})); n != most {
		t.Errorf("an array of %d: %d items", most, n)
	}
	if n := items(b.do(t, b.asAdmin(call{path: reconcile, form: form("ids", strings.Join(ids[:most], ","), "wait", "0")}))); n != most {
		t.Errorf("%d with commas between: %d items", most, n)
	}
	for _, path := range []string{gatewaysPath + "/actions", reconcile} {
		body := map[string]any{"ids": ids}
		if path != reconcile {
			body["action"] = "disable"
		}
		asJSON(path, body).want(t, http.StatusRequestEntityTooLarge, "too_large").says(t, "ids: has 301 entries", "300", "TRUNKLINE_BULK_ROWS")
		body["ids"] = []string{}
		asJSON(path, body).want(t, http.StatusBadRequest, "missing_parameters").says(t, "ids")
	}
	asJSON(gatewaysPath+"/actions", map[string]any{"action": "delete", "ids": []string{}, "profile": "external"}).want(t, http.StatusBadRequest, "invalid_request").says(t, "ids: is given beside a filter")
	asJSON(gatewaysPath+"/actions", map[string]any{"action": ids[:2], "all": true}).want(t, http.StatusBadRequest, "invalid_request").says(t, "action: is nested")
}
