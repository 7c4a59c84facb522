package api_test

import (
	"strings"
	"testing"
)

// TestSecretsAreNowhere searches all answers, the whole log, the job rows and Redis for the secrets
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
	send(call{path: "/readyz"})

	var rows strings.Builder
	found, err := b.pool.Query(t.Context(), "select (to_jsonb(j) - 'sealed' - 'body_hash')::text || encode(coalesce(sealed, ''), 'escape') from trunkline.jobs j")
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
	for _, secret := range []string{gatewayPassword, wrong, b.sample.SuperadminPassword, b.sample.AdminPassword} {
		for where, text := range map[string]string{"the answers": answers.String(), "the log": b.log.String(), "the job rows": rows.String(), "Redis": inRedis.String()} {
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
