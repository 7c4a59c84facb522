package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
	"trunkline/internal/token"
)

const (
	tokensPath = "/v1/tokens"
	// apiKey is one as FusionPBX makes them.
	apiKey = "5e3b8f0a-aaaa-4bbb-8ccc-0123456789ab"
	noID   = "0190b5a0-0000-7000-8000-000000000000"
)

// issue makes a token as a superadmin and returns its id and secret.
func (b *bundle) issue(t *testing.T, name, scopes string, more ...string) (id, secret string) {
	t.Helper()
	got := b.do(t, b.asSuperadmin(call{path: tokensPath, form: form(append([]string{"name", name, "scopes", scopes}, more...)...)})).want(t, http.StatusCreated, "")
	return got.text(t, "id"), got.text(t, "token")
}

func (b *bundle) tokenID(t *testing.T, name string) (id string) {
	t.Helper()
	must(t, b.pool.QueryRow(t.Context(), "select id::text from trunkline.tokens where name = $1", name).Scan(&id))
	return id
}

// bearing signs the call in with a token or an api_key.
func bearing(secret string, c call) call { return withHeader(c, "Authorization", "Bearer "+secret) }

// tokenNames are the names on one page of the list, and the next page's after.
func (b *bundle) tokenNames(t *testing.T, c call, query string) (names, next string) {
	t.Helper()
	c.path = tokensPath + "?" + query
	got := b.do(t, c).want(t, http.StatusOK, "")
	var all []string
	for _, one := range got.decode(t)["tokens"].([]any) {
		all = append(all, one.(map[string]any)["name"].(string))
	}
	return strings.Join(all, " "), got.text(t, "next")
}

func TestCreateToken(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	one, two := b.sample.Domains[0].Name, b.sample.Domains[1].Name
	got := b.do(t, b.asSuperadmin(call{path: tokensPath, form: form("name", "WHMCS", "scopes", "export, read", "domains", two+","+strings.ToUpper(one),
		"home_domain", two, "expires_in", "90d")})).want(t, http.StatusCreated, "")
	fields := got.decode(t)
	secret := got.text(t, "token")
	if len(secret) != 53 || !strings.HasPrefix(secret, token.Prefix) || fields["hint"] != secret[49:] {
		t.Errorf("got %s", got.body)
	}
	for field, want := range map[string]any{"name": "WHMCS", "state": "active", "all_domains": false, "home_domain": two,
		"created_by": b.sample.SuperadminName + "@" + one} {
		if fields[field] != want {
			t.Errorf("%s is %v, want %v", field, fields[field], want)
		}
	}
	if got.text(t, "scopes") != "[read export]" || got.text(t, "domains") != "["+one+" "+two+"]" {
		t.Errorf("got %s", got.body)
	}
	path := tokensPath + "/" + got.text(t, "id")
	if got.header.Get("Location") != path || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %v", got.header)
	}
	expires, err := time.Parse(time.RFC3339, got.text(t, "expires_at"))
	if ahead := time.Until(expires); err != nil || ahead > 90*24*time.Hour || ahead < 89*24*time.Hour {
		t.Errorf("expires_at is %v, %v", expires, err)
	}
	shown := b.do(t, b.asSuperadmin(call{path: path})).want(t, http.StatusOK, "")
	if shown.text(t, "name") != "WHMCS" || shown.decode(t)["token"] != nil || strings.Contains(shown.body, secret) {
		t.Errorf("shown later: %s", shown.body)
	}
	if b.logged(got.header.Get("X-Request-Id")) == "" || b.recorded(t, "token.create", "WHMCS") != 1 {
		t.Error("the change is not recorded")
	}
	until := b.do(t, b.asSuperadmin(call{path: tokensPath, form: form("name", "until", "scopes", "read", "all_domains", "true", "expires_at", "2030-01-31")})).want(t, http.StatusCreated, "")
	if until.text(t, "expires_at") != "2030-02-01T00:00:00Z" || until.text(t, "domains") != "[]" || until.text(t, "home_domain") != "" {
		t.Errorf("got %s", until.body)
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	home, other := b.sample.AdminDomain, b.sample.Domains[0].Name
	b.exec(t, "update v_domains set domain_enabled = false where domain_uuid = $1", b.sample.Domains[2].UUID)
	b.issue(t, "taken", "read", "all_domains", "true")
	create := func(more ...string) url.Values {
		values := form("name", "new", "scopes", "read", "domains", home)
		for i := 0; i < len(more); i += 2 {
			values.Set(more[i], more[i+1])
			if more[i+1] == "" {
				values.Del(more[i])
			}
		}
		return values
	}
	_, narrow := b.issue(t, "narrow", "read,admin", "domains", home)
	for name, c := range map[string]struct {
		call   call
		status int
		code   string
		says   string
	}{
		"no name":                   {b.asSuperadmin(call{form: create("name", "")}), 400, "missing_parameters", "name"},
		"no scopes":                 {b.asSuperadmin(call{form: create("scopes", "")}), 400, "missing_parameters", "scopes"},
		"no domains":                {b.asSuperadmin(call{form: create("domains", "")}), 400, "missing_parameters", "all_domains=true"},
		"domains and all":           {b.asSuperadmin(call{form: create("all_domains", "true")}), 400, "invalid_request", "all_domains"},
		"all_domains=maybe":         {b.asSuperadmin(call{form: create("all_domains", "maybe")}), 400, "invalid_request", "all_domains"},
		"an unknown scope":          {b.asSuperadmin(call{form: create("scopes", "read,write")}), 400, "invalid_request", "write"},
		"scopes of commas":          {b.asSuperadmin(call{form: create("scopes", ",")}), 400, "invalid_request", "scopes"},
		"a name too long":           {b.asSuperadmin(call{form: create("name", strings.Repeat("x", 65))}), 400, "invalid_request", "name"},
		"a domain twice":            {b.asSuperadmin(call{form: create("domains", home+","+home)}), 400, "invalid_request", "domains"},
		"an unknown domain":         {b.asSuperadmin(call{form: create("domains", "none.example")}), 404, "not_found", "none.example"},
		"a disabled domain":         {b.asSuperadmin(call{form: create("domains", b.sample.Domains[2].Name)}), 400, "invalid_request", "disabled"},
		"a home that is not its":    {b.asSuperadmin(call{form: create("home_domain", other)}), 400, "invalid_request", "home_domain"},
		"an unknown home":           {b.asSuperadmin(call{form: create("home_domain", "none.example")}), 404, "not_found", "home_domain"},
		"an expiry that is past":    {b.asSuperadmin(call{form: create("expires_at", "2020-01-01")}), 400, "invalid_request", "expires_at"},
		"an expiry that is none":    {b.asSuperadmin(call{form: create("expires_at", "soon")}), 400, "invalid_request", "expires_at"},
		"a lifetime that is none":   {b.asSuperadmin(call{form: create("expires_in", "soon")}), 400, "invalid_request", "expires_in"},
		"a lifetime of 0":           {b.asSuperadmin(call{form: create("expires_in", "0")}), 400, "invalid_request", "past"},
		"two expiries":              {b.asSuperadmin(call{form: create("expires_in", "1d", "expires_at", "2030-01-01")}), 400, "invalid_request", "expires_at"},
		"a name that is taken":      {b.asSuperadmin(call{form: create("name", "TAKEN")}), 409, "conflict", "name"},
		"another's domain":          {b.asAdmin(call{form: create("domains", other)}), 403, "forbidden", home},
		"a domain that is not":      {b.asAdmin(call{form: create("domains", "none.example")}), 403, "forbidden", home},
		"another's home":            {b.asAdmin(call{form: create("home_domain", other)}), 403, "forbidden", home},
		"all domains of an admin":   {b.asAdmin(call{form: create("domains", "", "all_domains", "true")}), 403, "forbidden", "all_domains"},
		"a scope that it lacks":     {bearing(narrow, call{form: create("scopes", "read,provision")}), 403, "forbidden", "provision"},
		"limit":                     {b.asSuperadmin(call{path: "?limit=0"}), 400, "invalid_request", "limit"},
		"after":                     {b.asSuperadmin(call{path: "?after=x"}), 400, "invalid_request", "after"},
		"revoked":                   {b.asSuperadmin(call{path: "?revoked=maybe"}), 400, "invalid_request", "revoked"},
		"no such token":             {b.asSuperadmin(call{path: "/" + noID}), 404, "not_found", "token"},
		"no id":                     {b.asSuperadmin(call{path: "/taken"}), 404, "not_found", "token"},
		"an id in another form":     {b.asSuperadmin(call{path: "/urn:uuid:" + noID}), 404, "not_found", "token"},
		"rotating no such token":    {b.asSuperadmin(call{path: "/" + noID + "/rotate", method: http.MethodPost}), 404, "not_found", "token"},
		"revoking no such token":    {b.asSuperadmin(call{path: "/" + noID, method: http.MethodDelete}), 404, "not_found", "token"},
		"a grace that is none":      {b.asSuperadmin(call{path: "/" + b.tokenID(t, "taken") + "/rotate", form: form("grace", "soon")}), 400, "invalid_request", "grace"},
		"a grace too long":          {b.asSuperadmin(call{path: "/" + b.tokenID(t, "taken") + "/rotate", form: form("grace", "31d")}), 400, "invalid_request", "grace"},
		"a grace that is negative":  {b.asSuperadmin(call{path: "/" + b.tokenID(t, "taken") + "/rotate", form: form("grace", "-1h")}), 400, "invalid_request", "grace"},
		"rotating to what is past":  {b.asSuperadmin(call{path: "/" + b.tokenID(t, "taken") + "/rotate", form: form("expires_at", "2020-01-01")}), 400, "invalid_request", "expires_at"},
		"another's, by an admin":    {b.asAdmin(call{path: "/" + b.tokenID(t, "taken")}), 404, "not_found", "token"},
		"another's, to be rotated":  {b.asAdmin(call{path: "/" + b.tokenID(t, "taken") + "/rotate", method: http.MethodPost}), 404, "not_found", "token"},
		"another's, to be revoked":  {b.asAdmin(call{path: "/" + b.tokenID(t, "taken"), method: http.MethodDelete}), 404, "not_found", "token"},
		"PUT":                       {b.asSuperadmin(call{path: "/" + noID, method: http.MethodPut}), 405, "method_not_allowed", "DELETE"},
		"a secret within the query": {b.asSuperadmin(call{path: "?access_token=x"}), 400, "credentials_in_query", "access_token"},
	} {
		t.Run(name, func(t *testing.T) {
			c.call.path = tokensPath + c.call.path
			wantForm(t, b.do(t, c.call).want(t, c.status, c.code).says(t, c.says), c.call.path)
		})
	}
	if n := b.count(t, "select count(*) from trunkline.tokens where name = 'new' or rotated_at is not null or revoked_at is not null"); n != 0 {
		t.Errorf("%d tokens were made or changed", n)
	}
}

// TestTokensOfAnAdmin: what an admin makes is for its own domain, and it sees its own alone.
func TestTokensOfAnAdmin(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	got := b.do(t, b.asAdmin(call{path: tokensPath, form: form("name", "own", "scopes", "read,admin")})).want(t, http.StatusCreated, "")
	if got.text(t, "domains") != "["+b.sample.AdminDomain+"]" || got.text(t, "all_domains") != "false" {
		t.Errorf("got %s", got.body)
	}
	own := got.text(t, "token")
	b.issue(t, "everything", "read,provision,export,admin", "all_domains", "true")
	b.issue(t, "both", "read", "domains", b.sample.AdminDomain+","+b.sample.Domains[0].Name)
	b.issue(t, "provisioning", "provision", "domains", b.sample.AdminDomain)
	for _, c := range []struct {
		who  string
		call call
		want string
	}{
		{"the superadmin", b.asSuperadmin(call{}), "provisioning both everything own"},
		{"the admin", b.asAdmin(call{}), "provisioning own"},
		{"its token to read and administer", bearing(own, call{}), "own"},
	} {
		if got, _ := b.tokenNames(t, c.call, ""); got != c.want {
			t.Errorf("%s sees %s, want %s", c.who, got, c.want)
		}
	}
	// A token makes tokens in its turn, and can end itself.
	b.do(t, bearing(own, call{path: tokensPath, form: form("name", "child", "scopes", "read")})).want(t, http.StatusCreated, "").says(t, `"created_by":"token:own"`)
	b.do(t, bearing(own, call{path: tokensPath + "/" + b.tokenID(t, "provisioning"), method: http.MethodDelete})).want(t, http.StatusNotFound, "not_found")
	b.do(t, bearing(own, call{path: tokensPath + "/" + b.tokenID(t, "own"), method: http.MethodDelete})).want(t, http.StatusOK, "").says(t, `"state":"revoked"`)
}

func TestListTokens(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		b.issue(t, name, "read", "all_domains", "true")
	}
	b.do(t, b.asSuperadmin(call{path: tokensPath + "/" + b.tokenID(t, "b"), method: http.MethodDelete})).want(t, http.StatusOK, "")
	for query, want := range map[string]string{"limit=2": "e d c a", "limit=2&revoked=true": "e d c b a", "limit=200&revoked=false": "e d c a"} {
		var all []string
		for next := ""; ; {
			page, after := b.tokenNames(t, b.asSuperadmin(call{}), query+"&after="+next)
			all = append(all, page)
			if next = after; next == "" {
				break
			}
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestRotateAndRevoke(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	id, old := b.issue(t, "whmcs", "read", "all_domains", "true")
	rotate := func(more ...string) answer {
		return b.do(t, b.asSuperadmin(call{method: http.MethodPost, path: tokensPath + "/" + id + "/rotate", form: form(more...)}))
	}
	list := func(secret string) answer { return b.do(t, bearing(secret, call{path: listPath})) }

	rotated := rotate("grace", "1h").want(t, http.StatusOK, "")
	second := rotated.text(t, "token")
	if second == old || rotated.text(t, "previous_expires_at") == "" || rotated.text(t, "id") != id {
		t.Errorf("got %s", rotated.body)
	}
	list(old).want(t, http.StatusOK, "")
	list(second).want(t, http.StatusOK, "")
	b.exec(t, "update trunkline.tokens set previous_expires_at = now()")
	pbxtest.Eventually(t, "the grace is over", func() bool { return list(old).status == http.StatusUnauthorized })
	list(old).want(t, http.StatusUnauthorized, "authentication_failed").says(t, "rotated", "new secret")

	third := rotate("grace", "0").want(t, http.StatusOK, "").text(t, "token")
	pbxtest.Eventually(t, "without grace the old secret ends", func() bool { return list(second).status == http.StatusUnauthorized })
	list(third).want(t, http.StatusOK, "")

	b.exec(t, "update trunkline.tokens set expires_at = now()")
	pbxtest.Eventually(t, "the token expires", func() bool { return list(third).status == http.StatusUnauthorized })
	list(third).want(t, http.StatusUnauthorized, "authentication_failed").says(t, "expired")
	if !strings.Contains(b.log.String(), "tried=token:whmcs") { // in the first line of those that are alike
		t.Errorf("the log does not name the token:\n%s", b.log)
	}
	rotate().want(t, http.StatusConflict, "conflict").says(t, "expires_in")
	fourth := rotate("expires_in", "1d").want(t, http.StatusOK, "").text(t, "token")
	list(fourth).want(t, http.StatusOK, "")

	revoke := b.asSuperadmin(call{path: tokensPath + "/" + id, method: http.MethodDelete})
	first := b.do(t, revoke).want(t, http.StatusOK, "").text(t, "revoked_at")
	if again := b.do(t, revoke).want(t, http.StatusOK, "").text(t, "revoked_at"); again != first || first == "" {
		t.Errorf("revoked at %s, and again at %s", first, again)
	}
	if n := b.recorded(t, "token.revoke", ""); n != 1 {
		t.Errorf("%d revocations are recorded, want the one that changed something", n)
	}
	rotate().want(t, http.StatusConflict, "conflict").says(t, "revoked")
	pbxtest.Eventually(t, "the revocation is in effect", func() bool { return list(fourth).status == http.StatusUnauthorized })
	list(fourth).want(t, http.StatusUnauthorized, "authentication_failed").says(t, "revoked")
	b.issue(t, "whmcs", "read", "all_domains", "true") // the name is free again
}

// A rotation that names no grace has that of the settings.
func TestGraceOfTheSettings(t *testing.T) {
	t.Parallel()
	for grace, lasts := range map[time.Duration]bool{0: false, time.Hour: true} {
		t.Run(grace.String(), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TokenGrace = grace }})
			id, _ := b.issue(t, "whmcs", "read", "all_domains", "true")
			got := b.do(t, b.asSuperadmin(call{path: tokensPath + "/" + id + "/rotate", method: http.MethodPost})).want(t, http.StatusOK, "")
			if (got.text(t, "previous_expires_at") != "") != lasts {
				t.Errorf("got %s", got.body)
			}
		})
	}
}
