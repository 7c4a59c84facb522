package api_test

import (
	"strings"
	"testing"
)

// TestSecretsAreNowhere searches all answers, the whole log, the rows of jobs and tokens, and Redis for the secrets
// that the calls carried.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{cdrs: 20, now: newest})
	var answers strings.Builder
	send := func(c call) {
		got := b.do(t, c)
		answers.WriteString(got.body)
		for name, values := range got.header {
			answers.WriteString(name + ": " + strings.Join(values, ", ") + "\n")
		}
	}
	const wrong = "wrong-s3cret-41c"
	login := carrier("secrets")
	login.Set("username", b.sample.SuperadminName)
	login.Set("password", b.sample.SuperadminPassword)
	send(call{path: provisionPath, form: login})
	send(b.asAdmin(call{path: provisionPath, form: carrier("secrets")}))
	send(b.asAdmin(call{path: provisionPath, form: carrier("slow", "wait", "0")}))
	send(b.asSuperadmin(call{path: provisionPath, form: carrier("refused", "gateway_password", gatewayPassword+"$")}))
	send(b.asSuperadmin(call{path: provisionPath, form: carrier("refused", "gateway_password", gatewayPassword+"\n")}))
	send(b.asSuperadmin(call{path: provisionPath, form: carrier("refused", "profile", "none")}))
	send(b.asSuperadmin(call{path: provisionPath + "?gateway_password=" + gatewayPassword}))
	send(call{path: provisionPath + "?password=" + wrong, user: "superadmin", pass: wrong})
	send(call{path: provisionPath, body: `{"password":"` + wrong + `","gateway_password":["` + gatewayPassword + `"]}`, headers: map[string]string{"Content-Type": "application/json"}})
	send(call{path: provisionPath, body: "gateway_password=%zz" + gatewayPassword, headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}})
	send(call{path: provisionPath, user: "superadmin", pass: wrong})
	send(call{path: provisionPath, headers: map[string]string{"Authorization": "Bearer " + wrong}})
	must(t, b.switches[0].Stop())
	send(b.asSuperadmin(call{path: provisionPath, form: carrier("down")}))
	must(t, b.switches[0].Restart())
	send(b.asSuperadmin(call{path: listPath}))
	send(b.asSuperadmin(call{path: exportPath, form: everything()}))
	send(b.asSuperadmin(call{path: "/v1/jobs"}))
	// A token's secret is in the one answer that issues it, and nowhere else.
	issued := []string{}
	issue := func(c call) call {
		got := b.do(t, b.asSuperadmin(c))
		secret := got.text(t, "token")
		issued = append(issued, secret)
		answers.WriteString(strings.Replace(got.body, secret, "", 1))
		return call{path: listPath, headers: map[string]string{"Authorization": "Bearer " + secret}}
	}
	byToken := issue(call{path: "/v1/tokens", form: form("name", "secrets", "scopes", "read", "all_domains", "true")})
	send(byToken)
	id := b.tokenID(t, "secrets")
	byNewSecret := issue(call{method: "POST", path: "/v1/tokens/" + id + "/rotate"})
	send(byNewSecret)
	send(byToken)
	send(b.asSuperadmin(call{path: "/v1/tokens"}))
	send(b.asSuperadmin(call{path: "/v1/tokens/" + id}))
	send(b.asSuperadmin(call{method: "DELETE", path: "/v1/tokens/" + id}))
	send(byNewSecret)
	b.exec(t, "update v_users set api_key = $1 where user_uuid = $2", apiKey, b.sample.SuperadminUUID)
	send(call{path: listPath, headers: map[string]string{"X-API-Key": apiKey}})
	send(call{path: "/readyz"})

	var rows strings.Builder
	found, err := b.pool.Query(t.Context(), `
		select (to_jsonb(j) - 'sealed' - 'body_hash')::text || encode(coalesce(sealed, ''), 'escape') from trunkline.jobs j
		union all select to_jsonb(x)::text || encode(sha256, 'escape') from trunkline.tokens x`)
	must(t, err)
	for found.Next() {
		var row string
		must(t, found.Scan(&row))
		rows.WriteString(row)
	}
	must(t, found.Err())
	var inRedis strings.Builder
	keys, err := b.redis.Keys(t.Context(), "*").Result()
	must(t, err)
	for _, key := range keys {
		dump, err := b.redis.Dump(t.Context(), key).Result()
		if err == nil { // a key may end in between
			inRedis.WriteString(key + dump)
		}
	}
	if rows.Len() == 0 || len(keys) == 0 || !strings.Contains(answers.String(), "Gateway configured successfully") || b.logged("") == "" {
		t.Fatal("there is nothing to search")
	}
	secrets := append([]string{gatewayPassword, wrong, b.sample.SuperadminPassword, b.sample.AdminPassword, apiKey}, issued...)
	for _, secret := range secrets {
		for where, text := range map[string]string{"the answers": answers.String(), "the log": b.log.String(), "the rows": rows.String(), "Redis": inRedis.String()} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%q is in %s: %q", secret, where, text[max(0, at-200):min(len(text), at+80)])
			}
		}
	}
	if strings.Contains(b.log.String(), "signature=") || strings.Contains(b.log.String(), "date_start") {
		t.Error("a query is in the log")
	}
	if n := b.count(t, "select count(*) from v_gateways where password = $1", gatewayPassword); n == 0 {
		t.Error("no gateway was written")
	}
}
