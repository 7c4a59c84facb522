package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

const gatewaysPath = "/v1/gateways"

// with sends a request with a JSON body and headers in turn.
func with(c call, method, body string, headers ...string) call {
	c.method, c.body, c.headers = method, body, map[string]string{}
	if body != "" {
		c.headers["Content-Type"] = "application/json"
	}
	for i := 0; i < len(headers); i += 2 {
		c.headers[headers[i]] = headers[i+1]
	}
	return c
}

func TestGatewayLife(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own := b.sample.Domains[0].Name
	do := func(method, path, body string, headers ...string) answer {
		return b.do(t, with(b.asSuperadmin(call{path: gatewaysPath + path}), method, body, headers...))
	}
	body := `{"gateway_name":"life","gateway_domain":"sip.carrier.example","gateway_username":"account","gateway_password":"` + gatewayPassword + `","tenant_domain":"` + own + `","description":"mine","expire_seconds":60}`
	made := do("POST", "", body).want(t, http.StatusCreated, "")
	id, tag := made.text(t, "gateway_uuid"), made.header.Get("ETag")
	if made.header.Get("Location") != gatewaysPath+"/"+id || tag == "" || made.text(t, "action") != "created" {
		t.Errorf("got %v %s", made.header, made.body)
	}
	do("POST", "", body).want(t, http.StatusConflict, "conflict").says(t, id)

	shown := do("GET", "/"+id, "").want(t, http.StatusOK, "").says(t, `"password_set":true`, `"expire_seconds":60`, `"calls_in":0`, `"description":"mine"`)
	if shown.header.Get("ETag") != tag || strings.Contains(shown.body, gatewayPassword) {
		t.Errorf("got %v %s, want the tag %s and no password", shown.header, shown.body, tag)
	}
	if again := do("GET", "/"+id, ""); again.header.Get("ETag") != tag {
		t.Errorf("the tag is not stable: %s", again.header.Get("ETag"))
	}

	// What is named is changed, by whoever has seen what stands.
	patched := do("PATCH", "/"+id, `{"description":"theirs","channels":5}`, "If-Match", tag).want(t, http.StatusOK, "")
	if patched.header.Get("ETag") == tag || patched.text(t, "action") != "updated" {
		t.Errorf("got %v %s", patched.header, patched.body)
	}
	for _, method := range []string{"PATCH", "PUT"} {
		do(method, "/"+id, `{"description":"lost","gateway_domain":"x.example","gateway_username":"account"}`, "If-Match", tag).want(t, http.StatusPreconditionFailed, "precondition_failed").says(t, "If-Match")
	}
	do("DELETE", "/"+id, "", "If-Match", tag).want(t, http.StatusPreconditionFailed, "precondition_failed")
	do("PATCH", "/"+id, `{"description":"any"}`, "If-Match", "*").want(t, http.StatusOK, "")
	do("PATCH", "/"+id, `{"description":"x"}`, "If-Match", tag+`, "00"`).want(t, http.StatusPreconditionFailed, "precondition_failed")
	do("PATCH", "/"+id, `{"description":"x"}`, "If-Match", "unquoted").want(t, http.StatusBadRequest, "invalid_request").says(t, "If-Match")
	do("PATCH", "/"+id, `{"description":"x"}`, "If-Match", "").want(t, http.StatusBadRequest, "invalid_request").says(t, "If-Match: is there and empty")
	do("PATCH", "/"+id, `{"descriptoin":"x"}`).want(t, http.StatusBadRequest, "invalid_request").says(t, "descriptoin", "description")
	do("PATCH", "/"+id, `{}`).want(t, http.StatusBadRequest, "missing_parameters")
	do("PATCH", "/"+id, `{"tenant_domain":"`+b.sample.Domains[1].Name+`","description":"x"}`).want(t, http.StatusConflict, "conflict").says(t, "tenant_domain", "is not moved")

	// What is left out of a whole has the page's defaults; the password is kept.
	whole := do("PUT", "/"+id, `{"gateway_name":"life renamed","gateway_domain":"new.carrier.example","gateway_username":"account"}`).want(t, http.StatusOK, "")
	if whole.text(t, "gateway_name") != "life renamed" || whole.text(t, "action") != "updated" {
		t.Errorf("got %s", whole.body)
	}
	got := do("GET", "/"+id, "").want(t, http.StatusOK, "").says(t, `"password_set":true`, `"expire_seconds":800`, `"register":true`, `"proxy":"new.carrier.example"`, `"channels":0`)
	if strings.Contains(got.body, `"description"`) {
		t.Errorf("the description stays: %s", got.body)
	}
	if loaded := b.switches[0].Loaded()[id]; loaded.Params["password"] != gatewayPassword || loaded.Params["proxy"] != "new.carrier.example" {
		t.Errorf("the switch has %+v", loaded)
	}
	again := do("PUT", "/"+id, `{"gateway_name":"life renamed","gateway_domain":"new.carrier.example","gateway_username":"account"}`).want(t, http.StatusOK, "")
	if again.text(t, "action") != "unchanged" {
		t.Errorf("the same again: %s", again.body)
	}
	do("PUT", "/"+id, `{"gateway_username":"account"}`).want(t, http.StatusBadRequest, "missing_parameters").says(t, "gateway_domain")

	// Each is done twice without harm.
	for range 2 {
		do("POST", "/"+id+"/disable", "").want(t, http.StatusOK, "").says(t, `"gateway_enabled":"false"`)
		if _, loaded := b.switches[0].Loaded()[id]; loaded {
			t.Error("the switch still has what is disabled")
		}
	}
	do("POST", "/"+id+"/re-register", "").want(t, http.StatusUnprocessableEntity, "invalid_gateway")
	for range 2 {
		do("POST", "/"+id+"/enable", "").want(t, http.StatusOK, "").says(t, `"gateway_enabled":"true"`)
	}
	copied := do("POST", "/"+id+"/copy", "").want(t, http.StatusCreated, "").says(t, "life renamed (copy)", `"gateway_enabled":"false"`)
	do("POST", "/"+id+"/copy", "").want(t, http.StatusCreated, "").says(t, "life renamed (copy 2)")
	do("POST", "/"+id+"/copy", `{"gateway_name":"life renamed"}`).want(t, http.StatusConflict, "conflict")
	if n := b.count(t, "select count(*) from v_gateways where gateway_uuid = $1 and password = $2", copied.text(t, "gateway_uuid"), gatewayPassword); n != 1 {
		t.Error("the copy has another password")
	}
	if n := b.count(t, "select count(*) from trunkline.jobs where strpos(params::text || result::text, $1) > 0", gatewayPassword); n != 0 {
		t.Errorf("%d jobs hold the password", n)
	}
	for _, action := range []string{"deleted", "absent"} {
		if got := do("DELETE", "/"+id, "").want(t, http.StatusOK, ""); got.text(t, "action") != action {
			t.Errorf("got %s, want %s", got.body, action)
		}
	}
	do("POST", "/"+id+"/disable", "").want(t, http.StatusOK, "").says(t, "absent")
	for _, path := range []string{"/enable", "/re-register", "/copy"} {
		do("POST", "/"+id+path, "").want(t, http.StatusNotFound, "not_found")
	}
	do("GET", "/"+id, "").want(t, http.StatusNotFound, "not_found")
	do("PATCH", "/"+id, `{"description":"x"}`).want(t, http.StatusNotFound, "not_found")
	for _, action := range []string{"create", "patch", "put", "disable", "enable", "copy", "delete"} {
		if n := b.recorded(t, "gateway."+action, ""); n == 0 {
			t.Errorf("the audit has no gateway.%s", action)
		}
	}
}

// Another tenant's gateway is as if it were not there, and what a superadmin has set is kept.
func TestGatewayLifeOfAnAdmin(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own, other := b.sample.Domains[1].Name, b.sample.Domains[2].Name
	theirs := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("theirs", "tenant_domain", other, "external_id", "s-1")})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	mine := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("mine", "tenant_domain", own, "hostname", "pbx-1")})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	do := func(method, path, body string) answer {
		return b.do(t, with(b.asAdmin(call{path: gatewaysPath + path}), method, body))
	}
	do("GET", "/"+theirs, "").want(t, http.StatusNotFound, "not_found")
	do("PATCH", "/"+theirs, `{"description":"x"}`).want(t, http.StatusNotFound, "not_found")
	do("POST", "/"+theirs+"/enable", "").want(t, http.StatusNotFound, "not_found")
	do("POST", "/"+theirs+"/copy", "").want(t, http.StatusNotFound, "not_found")
	do("POST", "/"+theirs+"/disable", "").want(t, http.StatusOK, "").says(t, "absent")
	do("DELETE", "/"+theirs, "").want(t, http.StatusOK, "").says(t, "absent")
	do("GET", "/by-external-id/s-1", "").want(t, http.StatusNotFound, "not_found")
	do("POST", "/by-external-id/s-1/adopt", `{"gateway_uuid":"`+theirs+`"}`).want(t, http.StatusNotFound, "not_found")
	if n := b.count(t, "select count(*) from v_gateways where gateway_uuid = $1 and enabled::text = 'true'", theirs); n != 1 {
		t.Error("another tenant's gateway was changed")
	}
	do("PUT", "/"+mine, `{"gateway_domain":"new.carrier.example","gateway_username":"account"}`).want(t, http.StatusOK, "")
	if n := b.count(t, "select count(*) from v_gateways where gateway_uuid = $1 and hostname = $2", mine, "pbx-1"); n != 1 {
		t.Error("an admin's PUT took away the hostname that it may not set")
	}
	do("PUT", "/"+mine, `{"gateway_domain":"new.carrier.example","gateway_username":"account","hostname":"elsewhere"}`).want(t, http.StatusForbidden, "forbidden")
	page := do("GET", "", "").want(t, http.StatusOK, "")
	if strings.Contains(page.body, theirs) || !strings.Contains(page.body, mine) {
		t.Errorf("got %s", page.body)
	}
}

// WHMCS's flow by external_id: what timed out is sent again and names the same gateway, what is done twice or is gone
// already is success.
func TestGatewayByExternalID(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	one, two := b.sample.Domains[0].Name, b.sample.Domains[1].Name
	const id = "service/10 %1+ü"
	path := gatewaysPath + "/by-external-id/" + url.PathEscape(id)
	do := func(method, action, body string, headers ...string) answer {
		return b.do(t, with(b.asSuperadmin(call{path: path + action}), method, body, headers...))
	}
	in := func(domain, rest string) string { return `{"tenant_domain":"` + domain + `"` + rest + `}` }
	columns := `,"gateway_name":"svc","gateway_domain":"sip.carrier.example","gateway_username":"account","gateway_password":"` + gatewayPassword + `"`
	first := do("PUT", "", in(one, columns+`,"wait":0`)).want(t, http.StatusAccepted, "").text(t, "job_id")
	if again := do("PUT", "", in(one, columns+`,"wait":0`)).want(t, http.StatusAccepted, ""); again.text(t, "job_id") != first {
		t.Errorf("the same request again is another job: %s", again.body)
	}
	b.startWorker(t)
	pbxtest.Eventually(t, "it is made", func() bool {
		return b.count(t, "select count(*) from trunkline.jobs where state = 'succeeded'") == 1
	})
	made := do("PUT", "", in(one, columns)).want(t, http.StatusOK, "")
	uuid := made.text(t, "gateway_uuid")
	if made.text(t, "action") != "unchanged" || b.count(t, "select count(*) from trunkline.external_ids where external_id = $1 and gateway_uuid = $2", id, uuid) != 1 {
		t.Errorf("got %s", made.body)
	}
	do("GET", "", "").want(t, http.StatusOK, "").says(t, uuid, id)
	do("PUT", "", in(one, columns), "If-None-Match", "*").want(t, http.StatusPreconditionFailed, "precondition_failed")
	do("PUT", "", in(one, columns+`,"description":"x"`), "If-Match", `"00"`).want(t, http.StatusPreconditionFailed, "precondition_failed")
	for range 2 {
		do("POST", "/disable", "").want(t, http.StatusOK, "").says(t, `"gateway_enabled":"false"`)
	}
	do("POST", "/enable", "").want(t, http.StatusOK, "").says(t, `"gateway_enabled":"true"`)

	// The same id in two domains: one has to be said.
	do("PUT", "", in(two, columns), "If-None-Match", "*").want(t, http.StatusCreated, "")
	do("GET", "", "").want(t, http.StatusConflict, "conflict").says(t, one, two, "tenant_domain")
	do("POST", "/disable", "").want(t, http.StatusConflict, "conflict")
	do("DELETE", "", in(two, "")).want(t, http.StatusOK, "").says(t, "deleted")
	for _, action := range []string{"deleted", "absent", "absent"} {
		if got := do("DELETE", "", "").want(t, http.StatusOK, ""); got.text(t, "action") != action {
			t.Errorf("got %s, want %s", got.body, action)
		}
	}
	do("POST", "/disable", "").want(t, http.StatusOK, "").says(t, "absent")
	do("POST", "/enable", "").want(t, http.StatusNotFound, "not_found")
	do("GET", "", "").want(t, http.StatusNotFound, "not_found")
}

// A caller of several domains names a gateway of theirs alone by its external_id, and none that belongs to no domain.
func TestGatewayByExternalIDOfSeveralDomains(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	one, two := b.sample.Domains[0].Name, b.sample.Domains[1].Name
	global := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("nobody's", "tenant_domain", "global", "external_id", "s-1")})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	asToken := b.token(t, "several", "read,provision", one+","+two)
	do := func(method, path, body string) answer {
		return b.do(t, asToken(with(call{path: gatewaysPath + "/by-external-id/" + path}, method, body)))
	}
	do("GET", "s-1", "").want(t, http.StatusNotFound, "not_found")
	do("POST", "s-1/enable", "").want(t, http.StatusNotFound, "not_found")
	do("POST", "s-1/disable", "").want(t, http.StatusOK, "").says(t, "absent")
	do("DELETE", "s-1", "").want(t, http.StatusOK, "").says(t, "absent")
	do("PUT", "s-1", `{"gateway_domain":"x.example","gateway_username":"account"}`).want(t, http.StatusBadRequest, "missing_parameters").says(t, "tenant_domain", one, two)
	if n := b.count(t, "select count(*) from v_gateways where gateway_uuid = $1 and enabled::text = 'true' and proxy <> 'x.example'", global); n != 1 {
		t.Error("a gateway that belongs to no domain was changed")
	}
	ours := `{"tenant_domain":"` + two + `","gateway_name":"ours","gateway_domain":"x.example","gateway_username":"account","gateway_password":"` + gatewayPassword + `"`
	made := do("PUT", "s-1", ours+"}").want(t, http.StatusCreated, "").text(t, "gateway_uuid")
	do("GET", "s-1", "").want(t, http.StatusOK, "").says(t, made, two)
	do("DELETE", "s-1", "").want(t, http.StatusOK, "").says(t, "deleted")

	// One that is still to be made is deleted after that, and is not absent.
	asked, release := b.switches[0].Hold("rescan")
	defer release()
	do("PUT", "s-1", ours+`,"wait":0}`).want(t, http.StatusAccepted, "")
	<-asked
	do("DELETE", "s-1", `{"wait":0}`).want(t, http.StatusAccepted, "")
	release()
	pbxtest.Eventually(t, "both are done", func() bool {
		return b.count(t, "select count(*) from trunkline.jobs where state not in ('succeeded')") == 0
	})
	if n := b.count(t, "select count(*) from v_gateways where domain_uuid = $1 and gateway = 'ours'", b.sample.Domains[1].UUID); n != 0 {
		t.Error("the gateway was made after its deletion was asked for")
	}
}

func TestAdopt(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own := b.sample.Domains[0].Name
	make := func(name string) string {
		return b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(name, "tenant_domain", own)})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
	}
	first, second := make("first"), make("second")
	adopt := func(id, uuid, more string) answer {
		return b.do(t, with(b.asSuperadmin(call{path: gatewaysPath + "/by-external-id/" + id + "/adopt"}), "POST", `{"gateway_uuid":"`+uuid+`"`+more+`}`))
	}
	for _, action := range []string{"adopted", "unchanged"} {
		if got := adopt("s-1", first, "").want(t, http.StatusOK, ""); got.text(t, "action") != action {
			t.Errorf("got %s, want %s", got.body, action)
		}
	}
	if n := b.recorded(t, "gateway.adopt", first); n != 1 {
		t.Errorf("the audit has it %d times", n)
	}
	adopt("s-1", second, "").want(t, http.StatusConflict, "conflict").says(t, first)
	adopt("S-1", second, "").want(t, http.StatusConflict, "conflict").says(t, first)
	adopt("s-2", first, "").want(t, http.StatusConflict, "conflict").says(t, "s-1", "replace=true")
	adopt("s-2", first, `,"replace":true`).want(t, http.StatusOK, "")
	adopt("s-1", second, "").want(t, http.StatusOK, "")
	adopt("s-3", noID, "").want(t, http.StatusNotFound, "not_found")
	adopt("s-3", "none", "").want(t, http.StatusBadRequest, "invalid_request").says(t, "gateway_uuid")
	adopt("s-3", first, `,"tenant_domain":"`+b.sample.Domains[1].Name+`"`).want(t, http.StatusConflict, "conflict")
	b.do(t, b.asSuperadmin(call{path: gatewaysPath + "/by-external-id/s-2"})).want(t, http.StatusOK, "").says(t, first)
	// One that a request about it waits for is not adopted meanwhile.
	held, release := b.switches[0].Hold("killgw")
	defer release()
	b.do(t, with(b.asSuperadmin(call{path: gatewaysPath + "/" + second}), "PATCH", `{"proxy":"other.example","wait":0}`)).want(t, http.StatusAccepted, "")
	<-held
	adopt("s-9", second, `,"replace":true`).want(t, http.StatusConflict, "conflict").says(t, "has not ended")
}

// What outbound routes name is deleted by force alone, by whichever name.
func TestDeletionOfARoutedGateway(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	own := b.sample.Domains[0].Name
	b.exec(t, `create table if not exists v_dialplans (dialplan_uuid uuid, dialplan_name text)`)
	b.exec(t, `create table if not exists v_dialplan_details (dialplan_uuid uuid, dialplan_detail_data text)`)
	_, err := b.options.PBX.FusionPBX.Refresh(t.Context())
	must(t, err)
	for n, path := range map[string]string{"by-uuid": "/", "by-name": "?gateway_name=by-name&tenant_domain=" + own, "by-id": "/by-external-id/by-id"} {
		uuid := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(n, "tenant_domain", own, "external_id", n)})).want(t, http.StatusOK, "").text(t, "gateway_uuid")
		b.exec(t, `with route as (insert into v_dialplans (dialplan_uuid, dialplan_name) values (gen_random_uuid(), 'Vienna') returning dialplan_uuid)
			insert into v_dialplan_details (dialplan_uuid, dialplan_detail_data) select dialplan_uuid, 'sofia/gateway/' || $1::text || '/$1' from route`, uuid)
		if path == "/" {
			path += uuid
		}
		remove := func(more string) answer {
			return b.do(t, with(b.asSuperadmin(call{path: gatewaysPath + path + more}), "DELETE", ""))
		}
		remove("").want(t, http.StatusConflict, "conflict").says(t, "Vienna", "force=true")
		more := "?force=true"
		if strings.Contains(path, "?") {
			more = "&force=true"
		}
		remove(more).want(t, http.StatusOK, "").says(t, "deleted", `"outbound_routes":1`)
	}
}
