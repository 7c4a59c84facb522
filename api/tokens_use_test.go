package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"trunkline/api"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
	"trunkline/internal/token"
)

// TestScopes: each endpoint that asks for a scope refuses a token without it, and names it.
func TestScopes(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest, noWorker: true})
	secrets := map[token.Scope]string{}
	for _, scope := range token.Scopes {
		_, secrets[scope] = b.issue(t, "only-"+string(scope), string(scope), "all_domains", "true")
	}
	const lacks = "lack the scope"
	paths := b.server.ScopedPaths()
	if len(paths) < 10 {
		t.Fatalf("there are %d paths", len(paths))
	}
	for _, p := range paths {
		for scope, secret := range secrets {
			c := bearing(secret, call{method: p.Method, path: strings.ReplaceAll(p.Path, ":id", noID)})
			got := b.do(t, c)
			if p.Scope == scope && p.Also != "" {
				got.want(t, http.StatusForbidden, "forbidden").says(t, lacks+" "+string(p.Also))
				continue
			}
			if p.Scope == scope {
				if strings.Contains(got.body, lacks) {
					t.Errorf("%s %s with %s: got %d %s", p.Method, p.Path, scope, got.status, got.body)
				}
				continue
			}
			got.want(t, http.StatusForbidden, "forbidden").says(t, lacks+" "+string(p.Scope))
			wantForm(t, got, p.Path)
		}
	}

	// Jobs and downloads ask for the scope of what the job does; to look at a job, read will do.
	export, _, _ := b.exported(t, b.asSuperadmin(call{}))
	provision := b.queue(t, 1, b.asSuperadmin)[0]
	for _, c := range []struct {
		method, path string
		may          []token.Scope
	}{
		{http.MethodGet, "/v1/jobs/" + provision, []token.Scope{token.ScopeRead, token.ScopeProvision}},
		{http.MethodGet, "/v1/jobs/" + export, []token.Scope{token.ScopeRead, token.ScopeExport}},
		{http.MethodPost, "/v1/jobs/" + provision + "/cancel", []token.Scope{token.ScopeProvision}},
		{http.MethodPost, "/v1/jobs/" + provision + "/retry", []token.Scope{token.ScopeProvision}},
		{http.MethodPost, "/v1/jobs/" + export + "/cancel", []token.Scope{token.ScopeExport}},
		{http.MethodPost, "/v1/jobs/" + export + "/retry", []token.Scope{token.ScopeExport}},
		{http.MethodGet, "/v1/exports/" + export + "/file", []token.Scope{token.ScopeExport}},
	} {
		for _, scope := range token.Scopes {
			got := b.do(t, bearing(secrets[scope], call{method: c.method, path: c.path}))
			if refused := got.status == http.StatusForbidden; refused == slices.Contains(c.may, scope) {
				t.Errorf("%s %s with %s: got %d %s", c.method, c.path, scope, got.status, got.body)
			}
		}
	}
}

// TestAccessHashAlone: WHMCS sends what is in its access hash as a Bearer, and no username.
func TestAccessHashAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	home := b.sample.Domains[1]
	id, secret := b.issue(t, "whmcs", "read,provision", "domains", home.Name)
	got := b.do(t, bearing(secret, call{path: provisionPath, form: carrier("by-token", "external_id", "17")})).want(t, http.StatusOK, "")
	if n := b.count(t, "select count(*) from v_gateways where gateway = 'by-token' and domain_uuid = $1", home.UUID); n != 1 {
		t.Errorf("%d gateways in the token's domain after %s", n, got.body)
	}
	list := b.gateways(t, bearing(secret, call{}))
	if list["by-token"] == nil {
		t.Errorf("the list has %s", names(list))
	}
	for name, g := range list {
		if g["tenant_domain"] != home.Name {
			t.Errorf("%s of %s is in the list", name, g["tenant_domain"])
		}
	}
	job := b.do(t, bearing(secret, call{path: "/v1/jobs/" + got.text(t, "job_id")})).want(t, http.StatusOK, "")
	if job.text(t, "created_by") != "token:whmcs" {
		t.Errorf("got %s", job.body)
	}
	// The same by X-API-Key, and by a form that has empty fields for a name.
	b.do(t, withHeader(call{path: provisionPath, form: carrier("by-token", "external_id", "17")}, "X-API-Key", secret)).want(t, http.StatusOK, "")
	b.do(t, bearing(secret, call{path: listPath, form: form("username", "", "password", "")})).want(t, http.StatusOK, "")

	b.do(t, bearing(secret, call{path: provisionPath, form: carrier("x", "tenant_domain", b.sample.Domains[0].Name)})).want(t, http.StatusForbidden, "forbidden").says(t, home.Name)
	b.do(t, bearing(secret, call{path: provisionPath, form: carrier("x", "tenant_domain", "global")})).want(t, http.StatusForbidden, "forbidden")
	b.do(t, bearing(secret, call{path: exportPath, form: everything()})).want(t, http.StatusForbidden, "forbidden").says(t, "export")
	if line := b.logged(got.text(t, "request_id")); got.text(t, "request_id") != "" && !strings.Contains(line, "who=token:whmcs") {
		t.Errorf("got %s", line)
	}
	pbxtest.Eventually(t, "its last use is shown", func() bool {
		return b.do(t, b.asSuperadmin(call{path: tokensPath + "/" + id})).text(t, "last_used_address") == caller
	})
}

// TestTokensSeeTheirDomainsAlone: a token of several domains has each of them, by name, and no other.
func TestTokensSeeTheirDomainsAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	one, two, three := b.sample.Domains[0].Name, b.sample.Domains[1].Name, b.sample.Domains[2].Name
	_, pair := b.issue(t, "pair", "read,provision", "domains", one+","+two)
	_, homely := b.issue(t, "homely", "read,provision", "domains", one+","+two, "home_domain", two)
	_, all := b.issue(t, "all", "read,provision", "all_domains", "true")
	foreign := b.do(t, b.asSuperadmin(call{path: provisionPath, form: carrier("f", "wait", "0", "tenant_domain", three)})).text(t, "job_id")
	provision := func(secret, tenant string) answer {
		return b.do(t, bearing(secret, call{path: provisionPath, form: carrier("g", "wait", "0", "tenant_domain", tenant)}))
	}
	provision(pair, "").want(t, http.StatusBadRequest, "missing_parameters").says(t, "tenant_domain", one, two)
	provision(pair, one).want(t, http.StatusAccepted, "")
	provision(pair, two).want(t, http.StatusAccepted, "")
	provision(pair, three).want(t, http.StatusForbidden, "forbidden")
	provision(homely, "").want(t, http.StatusAccepted, "")
	provision(all, "").want(t, http.StatusBadRequest, "missing_parameters").says(t, "tenant_domain")
	provision(all, "global").want(t, http.StatusAccepted, "")
	b.do(t, bearing(pair, call{path: "/v1/jobs/" + foreign})).want(t, http.StatusNotFound, "not_found")
	if got, _ := b.jobIDs(t, bearing(pair, call{}), ""); len(got) != 3 {
		t.Errorf("it sees %d jobs, want the 3 of its domains", len(got))
	}
	if got, _ := b.jobIDs(t, bearing(all, call{}), ""); len(got) != 5 {
		t.Errorf("the token of all domains sees %d jobs, want 5", len(got))
	}

	// A domain that is disabled or deleted falls away, and with the last one so does the token.
	b.exec(t, "update v_domains set domain_enabled = false where domain_name = $1", one)
	pbxtest.Eventually(t, "the disabled domain falls away", func() bool { return provision(pair, one).status == http.StatusForbidden })
	provision(pair, "").want(t, http.StatusAccepted, "") // there is one left
	b.exec(t, "delete from v_domains where domain_name = $1", two)
	pbxtest.Eventually(t, "none is left", func() bool { return strings.Contains(provision(pair, two).body, "all deleted or disabled") })
	provision(pair, two).want(t, http.StatusForbidden, "forbidden")
}

// TestRevocationIsSeenByAllServers: what one api process knows of a token is seconds old at most.
func TestRevocationIsSeenByAllServers(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	other := *b
	var err error
	other.server, err = api.New(b.options)
	must(t, err)
	id, secret := b.issue(t, "whmcs", "read", "all_domains", "true")
	request := bearing(secret, call{path: listPath})
	b.do(t, request).want(t, http.StatusOK, "")
	other.do(t, request).want(t, http.StatusOK, "")
	b.do(t, b.asSuperadmin(call{path: tokensPath + "/" + id, method: http.MethodDelete})).want(t, http.StatusOK, "")
	for name, server := range map[string]*bundle{"the one that revoked it": b, "the other": &other} {
		pbxtest.Eventually(t, name+" refuses it", func() bool { return server.do(t, request).status == http.StatusUnauthorized })
		server.do(t, request).want(t, http.StatusUnauthorized, "authentication_failed").says(t, "revoked")
	}
}

// TestAPIKeys: FusionPBX's own api_key of a superadmin serves like a token, in every version.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	for _, version := range sample.Versions {
		t.Run(string(version), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{version: version, noWorker: true})
			b.exec(t, "update v_users set api_key = $1, user_totp_secret = 'JBSWY3DP' where user_uuid = $2", apiKey, b.sample.SuperadminUUID)
			b.exec(t, "update v_users set api_key = $1 where user_uuid = $2", "an-admin-"+apiKey, b.sample.AdminUUID)
			for _, c := range []call{bearing(apiKey, call{path: listPath}), withHeader(call{path: listPath}, "X-API-Key", apiKey)} {
				got := b.do(t, c).want(t, http.StatusOK, "")
				if line := b.logged(got.header.Get("X-Request-Id")); !strings.Contains(line, "who="+b.sample.SuperadminName+"@") {
					t.Errorf("got %s", line)
				}
			}
			b.do(t, bearing("an-admin-"+apiKey, call{path: listPath})).want(t, http.StatusUnauthorized, "authentication_failed")
			b.do(t, bearing(apiKey[:30], call{path: listPath})).want(t, http.StatusUnauthorized, "authentication_failed")
			// What looks like a token of ours is looked for there alone.
			b.exec(t, "update v_users set api_key = $1 where user_uuid = $2", "trunkline_"+apiKey, b.sample.SuperadminUUID)
			b.do(t, bearing("trunkline_"+apiKey, call{path: listPath})).want(t, http.StatusUnauthorized, "authentication_failed").says(t, "token")
			pbxtest.Eventually(t, "the old key ends", func() bool { return b.do(t, bearing(apiKey, call{path: listPath})).status == http.StatusUnauthorized })
		})
	}
}

// TestUsersAreLookedAtEachSecond: a remembered password opens nothing to a user who may no longer come.
func TestUsersAreLookedAtEachSecond(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	list := func() answer { return b.do(t, b.asSuperadmin(call{path: listPath})) }
	for _, step := range []struct {
		what, sql string
		status    int
		says      string
	}{
		{"disabled", "update v_users set user_enabled = false", http.StatusUnauthorized, "wrong"},
		{"enabled again", "update v_users set user_enabled = true", http.StatusOK, ""},
		{"a second factor", "update v_users set user_totp_secret = 'JBSWY3DP'", http.StatusForbidden, "token"},
		{"without it", "update v_users set user_totp_secret = null", http.StatusOK, ""},
		{"the domain disabled", "update v_domains set domain_enabled = false", http.StatusUnauthorized, "wrong"},
		{"the domain enabled", "update v_domains set domain_enabled = true", http.StatusOK, ""},
		{"no role", "delete from v_user_groups", http.StatusForbidden, "neither"},
	} {
		b.exec(t, step.sql)
		pbxtest.Eventually(t, step.what, func() bool { return list().status == step.status })
		list().says(t, step.says)
	}
}
