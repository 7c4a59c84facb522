package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

const provisionPath = "/app/gateways/provision.php"

func TestProvisionOnEveryVersion(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version})
			got := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("primary_gateway")})).want(t, http.StatusOK, "")
			fields := got.decode(t)
			uuid, _ := fields["gateway_uuid"].(string)
			if b.count(t, `select count(*) from v_gateways where gateway_uuid = $1 and gateway = 'primary_gateway' and proxy = 'sip.carrier.example'
				and realm = 'sip.carrier.example' and username = 'account' and password = $2 and register::text = 'true' and domain_uuid = $3`,
				uuid, gatewayPassword, b.sample.Domains[0].UUID) != 1 {
				t.Fatal("the row is not as it was asked for")
			}
			want := map[string]any{
				"status": "success", "message": "Gateway configured successfully", "gateway_uuid": uuid,
				"gateway_name": "primary_gateway", "gateway_domain": "sip.carrier.example", "gateway_enabled": "true", "action": "created",
			}
			for field, value := range want {
				if fields[field] != value {
					t.Errorf("%s is %v, want %v", field, fields[field], value)
				}
			}
			if fields["job_id"] == "" || fields["switches"] == nil || fields["gateway_state"] == "" {
				t.Errorf("got %s", got.body)
			}

			// The name alone shows it; another value changes it.
			shown := b.do(t, b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "primary_gateway")})).want(t, http.StatusOK, "")
			if shown.text(t, "gateway_uuid") != uuid || shown.text(t, "action") != "unchanged" {
				t.Errorf("got %s", shown.body)
			}
			off := b.do(t, b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "primary_gateway", "gateway_enabled", "0")})).want(t, http.StatusOK, "")
			if off.text(t, "gateway_uuid") != uuid || off.text(t, "action") != "updated" || off.text(t, "gateway_enabled") != "false" || off.text(t, "gateway_status") != "DOWN" {
				t.Errorf("got %s", off.body)
			}
		})
	}
}

func TestProvisionWaysToCall(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	jsonBody, err := json.Marshal(map[string]any{
		"Username": b.sample.SuperadminName, "password": b.sample.SuperadminPassword, "gateway_name": "by-json", "gateway_domain": "sip.carrier.example",
		"gateway_username": "account", "gateway_password": gatewayPassword, "gateway_enabled": true, "expire_seconds": 600, "csrf": nil,
	})
	must(t, err)
	multipart := "--B\r\nContent-Disposition: form-data; name=\"gateway_name\"\r\n\r\nby-multipart\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"gateway_domain\"\r\n\r\nsip.carrier.example\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"register\"\r\n\r\nno\r\n--B--\r\n"
	withLogin := carrier("by-form")
	withLogin.Set("username", b.sample.SuperadminName+"@"+b.sample.Domains[0].Name)
	withLogin.Set("password", b.sample.SuperadminPassword)
	withLogin.Set("some_field_of_the_module", "x")
	for name, c := range map[string]call{
		"form":          {path: provisionPath, form: withLogin},
		"JSON":          {path: provisionPath, body: string(jsonBody), headers: map[string]string{"Content-Type": "application/json; charset=utf-8"}},
		"Basic, form":   b.asSuperadmin(call{path: provisionPath, form: carrier("by-basic")}),
		"Basic, GET":    b.asSuperadmin(call{path: provisionPath + "?gateway_name=by-get&gateway_domain=sip.carrier.example&register=false"}),
		"multipart":     b.asSuperadmin(call{path: provisionPath, body: multipart, headers: map[string]string{"Content-Type": "multipart/form-data; boundary=B"}}),
		"global":        b.asSuperadmin(call{path: provisionPath, form: carrier("global", "tenant_domain", "global")}),
		"other tenant":  b.asSuperadmin(call{path: provisionPath, form: carrier("other", "tenant_domain", strings.ToUpper(b.sample.AdminDomain))}),
		"domain_uuid":   b.asSuperadmin(call{path: provisionPath, form: carrier("by-uuid", "domain_uuid", b.sample.Domains[2].UUID)}),
		"admin":         b.asAdmin(call{path: provisionPath, form: carrier("admins", "context", "public")}),
		"admin, domain": b.asAdmin(call{path: provisionPath, form: carrier("admins-own", "context", b.sample.AdminDomain, "tenant_domain", b.sample.AdminDomain)}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b.do(t, c).want(t, http.StatusOK, "")
		})
	}
	t.Run("where they belong", func(t *testing.T) {
		t.Parallel()
		for name, domain := range map[string]string{"for-global": "", "for-own": b.sample.Domains[0].UUID, "for-other": b.sample.Domains[1].UUID} {
			request := carrier(name)
			switch domain {
			case "":
				request.Set("tenant_domain", "global")
			case b.sample.Domains[1].UUID:
				request.Set("tenant_domain", b.sample.Domains[1].Name)
			}
			b.do(t, b.asSuperadmin(call{path: provisionPath, form: request})).want(t, http.StatusOK, "")
			if b.count(t, "select count(*) from v_gateways where gateway = $1 and coalesce(domain_uuid::text, '') = $2", name, domain) != 1 {
				t.Errorf("%s is not in domain %q", name, domain)
			}
		}
	})
}

func TestProvisionOptionalFields(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	asked := carrier("every-field", "proxy", "10.0.0.9:5061", "transport", "TLS", "expire_seconds", "0600", "retry_seconds", "45", "ping", "30", "ping_min", "1",
		"ping_max", "3", "contact_in_ping", "yes", "caller_id_in_from", "1", "channels", "12", "context", "public", "profile", "internal",
		"sip_cid_type", "pid", "codec_prefs", "PCMA,PCMU", "from_user", "u", "from_domain", "d.example", "description", "costs 5$ & more")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: asked})).want(t, http.StatusOK, "")
	want := map[string]string{
		"proxy": "10.0.0.9:5061", "realm": "sip.carrier.example", "register_transport": "tls", "expire_seconds": "600", "retry_seconds": "45", "ping": "30",
		"ping_min": "1", "ping_max": "3", "contact_in_ping": "true", "caller_id_in_from": "true", "channels": "12", "context": "public", "profile": "internal",
		"sip_cid_type": "pid", "codec_prefs": "PCMA,PCMU", "from_user": "u", "from_domain": "d.example", "description": "costs 5$ & more", "distinct_to": "false",
	}
	for column, value := range want {
		var got string
		must(t, b.pool.QueryRow(t.Context(), "select coalesce("+column+"::text, '') from v_gateways where gateway = 'every-field'").Scan(&got))
		if got != value {
			t.Errorf("%s is %q, want %q", column, got, value)
		}
	}
	cleared := form("gateway_name", "every-field", "sip_cid_type", "", "ping", "", "gateway_password", "", "gateway_domain", "")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: cleared})).want(t, http.StatusOK, "")
	if b.count(t, `select count(*) from v_gateways where gateway = 'every-field' and sip_cid_type is null and ping is null
		and password = $1 and proxy = '10.0.0.9:5061'`, gatewayPassword) != 1 {
		t.Error("empty optional fields are not cleared, or empty documented ones are")
	}
}

// A name alone shows a gateway, and says so if no call can go through it.
func TestProvisionNameAloneOfWhatIsNotLoaded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("idle", "gateway_enabled", "false")})).want(t, http.StatusOK, "").says(t, "configured successfully")
	alone := b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "idle")})
	b.do(t, alone).want(t, http.StatusOK, "").says(t, "Gateway found, and disabled")
	b.exec(t, "update v_gateways set enabled = 'true' where gateway = 'idle'")
	b.do(t, alone).want(t, http.StatusOK, "").says(t, "Gateway found, and not loaded", "gateway_enabled=true")
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "idle", "gateway_enabled", "true")})).want(t, http.StatusOK, "")
	b.do(t, alone).want(t, http.StatusOK, "").says(t, "Gateway configured successfully")
}

// Scheme and transport of an address have a place of their own: FreeSWITCH would register sip:sip:host.
func TestProvisionAddresses(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for address, want := range map[string]string{
		"carrier.example":                               "carrier.example carrier.example ",
		"sip:carrier.example":                           "carrier.example carrier.example ",
		"SIP:192.0.2.1:5070":                            "192.0.2.1:5070 192.0.2.1:5070 ",
		"sips:carrier.example:5061":                     "carrier.example:5061 carrier.example:5061 tls",
		"sip:carrier.example;transport=TCP":             "carrier.example carrier.example tcp",
		"carrier.example:5061;transport=tls;user=phone": "carrier.example:5061;user=phone carrier.example:5061;user=phone tls",
	} {
		b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier(address, "gateway_domain", address)})).want(t, http.StatusOK, "")
		var got string
		must(t, b.pool.QueryRow(t.Context(), "select concat_ws(' ', proxy, realm, coalesce(register_transport, '')) from v_gateways where gateway = $1", address).Scan(&got))
		if got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
	b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("realm", "realm", "sip:other.example", "register_proxy", "sip:edge.example;transport=udp")})).want(t, http.StatusOK, "")
	if b.count(t, `select count(*) from v_gateways where gateway = 'realm' and realm = 'other.example' and register_proxy = 'edge.example' and register_transport = 'udp'`) != 1 {
		t.Error("a scheme or a transport was left in a realm or a register_proxy")
	}
}

func TestProvisionErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	b.exec(t, `insert into v_sip_profiles (sip_profile_uuid, sip_profile_name, sip_profile_enabled) values ('00000000-0000-4000-8000-00000000000a', 'plain', 'true')`)
	b.exec(t, `insert into v_sip_profile_settings (sip_profile_setting_uuid, sip_profile_uuid, sip_profile_setting_name, sip_profile_setting_value, sip_profile_setting_enabled)
		values (gen_random_uuid(), '00000000-0000-4000-8000-00000000000a', 'tls', 'false', 'true')`)
	for range 2 {
		b.exec(t, `insert into v_gateways (gateway_uuid, domain_uuid, gateway) values (gen_random_uuid(), $1, 'twice')`, b.sample.Domains[0].UUID)
	}
	before := b.count(t, "select count(*) from v_gateways")
	super := func(pairs ...string) call {
		return b.asSuperadmin(call{path: provisionPath, form: carrier("new", pairs...)})
	}
	admin := func(pairs ...string) call {
		return b.asAdmin(call{path: provisionPath, form: carrier("new", pairs...)})
	}
	for name, c := range map[string]struct {
		call   call
		status int
		code   string
		says   []string
	}{
		"no name":               {super("gateway_name", ""), 400, "missing_parameters", []string{"gateway_name"}},
		"nothing":               {b.asSuperadmin(call{path: provisionPath, form: form("description", "x")}), 400, "missing_parameters", []string{"gateway_name, gateway_domain, gateway_username, gateway_password"}},
		"new, name alone":       {b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "nobody")}), 400, "missing_parameters", []string{"gateway_domain", "gateway_username", "gateway_password"}},
		"new, no password":      {super("gateway_password", ""), 400, "missing_parameters", []string{"gateway_password"}},
		"flag":                  {super("gateway_enabled", "maybe"), 400, "invalid_request", []string{"gateway_enabled"}},
		"number":                {super("expire_seconds", "soon"), 400, "invalid_request", []string{"expire_seconds"}},
		"retry too soon":        {super("retry_seconds", "4"), 400, "invalid_request", []string{"retry_seconds", "5"}},
		"transport":             {super("transport", "sctp"), 400, "invalid_request", []string{"transport", "udp, tcp or tls"}},
		"host":                  {super("gateway_domain", "two words"), 400, "invalid_request", []string{"gateway_domain"}},
		"two that differ":       {super("gateway_enabled", "true", "enabled", "false"), 400, "invalid_request", []string{"enabled", "gateway_enabled"}},
		"wait":                  {super("wait", "soon"), 400, "invalid_request", []string{"wait", "20"}},
		"wait_for":              {super("wait_for", "godot"), 400, "invalid_request", []string{"wait_for", "registered"}},
		"dollar":                {super("gateway_password", "pa$$w&d"), 422, "invalid_gateway", []string{"gateway_password", "$"}},
		"ampersand":             {super("gateway_username", "a&b"), 422, "invalid_gateway", []string{"gateway_username", "&"}},
		"entity":                {super("gateway_password", "a&amp;b"), 422, "invalid_gateway", []string{"gateway_password", "entity"}},
		"TLS that is not there": {super("transport", "tls", "profile", "plain"), 422, "invalid_gateway", []string{"transport", "plain", "TLS"}},
		"expires too soon":      {super("expire_seconds", "4"), 400, "invalid_request", []string{"expire_seconds", "5", "3600"}},
		"pinged too often":      {super("ping", "1"), 400, "invalid_request", []string{"ping", "5", "no pings"}},
		"a user in the address": {super("gateway_domain", "sip:me@carrier.example"), 400, "invalid_request", []string{"gateway_domain", "host alone"}},
		"two transports":        {super("gateway_domain", "sip:carrier.example;transport=tcp", "transport", "udp"), 400, "invalid_request", []string{"transport", "gateway_domain"}},
		"no such transport":     {super("proxy", "carrier.example;transport=pigeon"), 400, "invalid_request", []string{"proxy", "udp, tcp or tls"}},
		"transport's column":    {super("from_user", "<x>"), 422, "invalid_gateway", []string{"from_user"}},
		"line break":            {super("gateway_password", "a\nb"), 400, "invalid_request", []string{"gateway_password", "line break"}},
		"register, no username": {super("gateway_username", "", "register", "true"), 400, "missing_parameters", []string{"gateway_username"}},
		"profile":               {super("profile", "nowhere"), 422, "profile_unavailable", []string{"nowhere"}},
		"two of that name":      {b.asSuperadmin(call{path: provisionPath, form: form("gateway_name", "twice")}), 409, "conflict", []string{"2 gateways"}},
		"unknown tenant":        {super("tenant_domain", "nobody.example"), 404, "not_found", []string{"tenant_domain", "nobody.example"}},
		"unknown domain_uuid":   {super("domain_uuid", "00000000-0000-4000-8000-000000000000"), 404, "not_found", []string{"domain_uuid"}},
		"no domain_uuid":        {super("domain_uuid", "x"), 400, "invalid_request", []string{"domain_uuid"}},
		"tenants that differ":   {super("domain_uuid", b.sample.Domains[2].UUID, "tenant_domain", b.sample.AdminDomain), 400, "invalid_request", []string{"domain_uuid"}},
		"admin, other tenant":   {admin("tenant_domain", b.sample.Domains[0].Name), 403, "forbidden", []string{"tenant_domain"}},
		"admin, no such tenant": {admin("tenant_domain", "nobody.example"), 403, "forbidden", []string{"tenant_domain"}},
		"admin, global":         {admin("tenant_domain", "global"), 403, "forbidden", []string{"tenant_domain"}},
		"admin, domain_uuid":    {admin("domain_uuid", b.sample.Domains[0].UUID), 403, "forbidden", []string{"domain_uuid"}},
		"admin, context":        {admin("context", b.sample.Domains[0].Name), 403, "forbidden", []string{"context", "public"}},
		"admin, hostname":       {admin("hostname", "pbx-1"), 403, "forbidden", []string{"hostname"}},
		"hostname of no switch": {super("hostname", "pbx-9"), 422, "invalid_gateway", []string{"hostname", "pbx-9"}},
		"key":                   {withHeader(super(), "Idempotency-Key", strings.Repeat("k", 300)), 400, "invalid_request", []string{"Idempotency-Key"}},
		"external_id":           {super("external_id", strings.Repeat("k", 300)), 400, "invalid_request", []string{"external_id"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := b.do(t, c.call).want(t, c.status, c.code).says(t, c.says...)
			if got.text(t, "status") != "error" || got.text(t, "request_id") == "" || got.text(t, "timestamp") == "" {
				t.Errorf("not the documented error: %s", got.body)
			}
			if strings.Contains(got.body, gatewayPassword) || strings.Contains(got.body, "pa$$w&d") {
				t.Errorf("the password is in the answer: %s", got.body)
			}
		})
	}
	if after := b.count(t, "select count(*) from v_gateways"); after != before {
		t.Errorf("%d gateways were written", after-before)
	}
}

func TestProvisionFailedJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	refused := func(status int, code string) {
		t.Helper()
		got := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("down", "profile", "internal")})).want(t, status, code)
		job := b.do(t, b.asSuperadmin(call{path: "/v1/jobs/" + got.text(t, "job_id")})).want(t, http.StatusOK, "")
		fields := job.decode(t)
		if fields["state"] != "failed" || fields["done"] != true || fields["result"] != nil || fields["error"] == nil {
			t.Errorf("%s: got %s", code, job.body)
		}
	}
	b.switches[0].StopProfile("internal")
	refused(http.StatusUnprocessableEntity, "profile_unavailable")
	b.switches[0].StartProfile("internal")
	b.switches[0].BreakXML(7, "unexpected closing tag")
	refused(http.StatusInternalServerError, "switch_configuration")
}

func TestProvisionPendingAndCancelled(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for name, c := range map[string]call{
		"Prefer":    withHeader(b.asSuperadmin(call{path: provisionPath, form: carrier("slow")}), "Prefer", "respond-async, wait=0"),
		"parameter": b.asSuperadmin(call{path: provisionPath, form: carrier("slow", "wait", "0")}),
		"both":      withHeader(b.asSuperadmin(call{path: provisionPath, form: carrier("slow", "wait", "0")}), "Prefer", "wait=20"),
	} {
		got := b.do(t, c).want(t, http.StatusAccepted, "")
		id := got.text(t, "job_id")
		if got.text(t, "status") != "pending" || got.header.Get("Location") != "/v1/jobs/"+id || got.header.Get("Retry-After") != "1" {
			t.Fatalf("%s: got %v %s", name, got.header, got.body)
		}
	}
	if n := b.count(t, "select count(*) from trunkline.jobs"); n != 1 {
		t.Fatalf("the same request made %d jobs", n)
	}
	if got := b.do(t, withHeader(b.asSuperadmin(call{path: provisionPath, form: carrier("slow")}), "Prefer", "wait=0")); got.header.Get("Preference-Applied") != "wait=0" {
		t.Errorf("got Preference-Applied %q", got.header.Get("Preference-Applied"))
	}
	// A call that waits is answered when its job is cancelled.
	answers := make(chan answer, 1)
	waiting := b.asSuperadmin(call{path: provisionPath, form: carrier("slow", "wait", "20")}).request().WithContext(t.Context())
	go func() { answers <- b.send(t, waiting) }()
	cancelled := func() bool {
		for _, job := range b.do(t, b.asSuperadmin(call{path: "/v1/jobs?state=queued"})).decode(t)["jobs"].([]any) {
			b.do(t, b.asSuperadmin(call{method: http.MethodPost, path: "/v1/jobs/" + job.(map[string]any)["job_id"].(string) + "/cancel"})).want(t, http.StatusOK, "")
		}
		return len(answers) > 0
	}
	pbxtest.Eventually(t, "the waiting call is answered", cancelled)
	got := <-answers
	got.want(t, http.StatusConflict, "cancelled")
}

func TestProvisionKeys(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	withKey := func(form url.Values) call {
		return withHeader(b.asSuperadmin(call{path: provisionPath, form: form}), "Idempotency-Key", "order-1")
	}
	first := b.do(t, withKey(carrier("keyed"))).want(t, http.StatusOK, "")
	again := b.do(t, withKey(carrier("keyed", "wait", "3"))).want(t, http.StatusOK, "")
	if first.body != again.body {
		t.Errorf("the same key got another result:\n%s%s", first.body, again.body)
	}
	// What means nothing here makes no other request of it.
	if more := b.do(t, withKey(carrier("keyed", "module_version", "9"))).want(t, http.StatusOK, ""); more.text(t, "job_id") != first.text(t, "job_id") {
		t.Errorf("an ignored parameter made another job: %s", more.body)
	}
	b.do(t, withKey(carrier("keyed", "gateway_password", "another"))).want(t, http.StatusUnprocessableEntity, "key_reused").says(t, "Idempotency-Key", "new")

	// A failed attempt is made again under the same job.
	b.switches[0].BreakXML(7, "unexpected closing tag")
	later := withHeader(b.asSuperadmin(call{path: provisionPath, form: carrier("later")}), "Idempotency-Key", "order-2")
	failed := b.do(t, later).want(t, http.StatusInternalServerError, "switch_configuration")
	b.switches[0].RepairXML()
	pbxtest.Eventually(t, "the retry succeeds", func() bool {
		got := b.do(t, later)
		return got.status == http.StatusOK && got.text(t, "job_id") == failed.text(t, "job_id")
	})
}

func TestProvisionAlways200(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.Always200 = true }})
	for name, c := range map[string]call{
		"bad credentials": {path: provisionPath, user: "nobody", pass: "wrong"},
		"missing":         b.asSuperadmin(call{path: provisionPath}),
		"pending":         b.asSuperadmin(call{path: provisionPath, form: carrier("x", "wait", "0")}),
		"not whitelisted": {path: provisionPath, from: stranger + ":1"},
		"no such path":    {path: "/app/nothing.php"},
	} {
		if got := b.do(t, c); got.status != http.StatusOK || got.text(t, "status") == "success" {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
	b.do(t, call{path: "/v1/jobs"}).want(t, http.StatusUnauthorized, "authentication_failed")
}

func withHeader(c call, name, value string) call {
	headers := map[string]string{name: value}
	for n, v := range c.headers {
		headers[n] = v
	}
	c.headers = headers
	return c
}

// A parameter that is misspelt is named in the answer.
func TestProvisionNamesWhatItIgnores(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	got := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("spelt", "gatway_enabled", "false", "whitelisted", "yes")})).want(t, http.StatusOK, "")
	if got.text(t, "ignored_parameters") != "[gatway_enabled]" {
		t.Errorf("got %s", got.body)
	}
	if again := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("spelt")})).want(t, http.StatusOK, ""); again.decode(t)["ignored_parameters"] != nil {
		t.Errorf("got %s", again.body)
	}
}
