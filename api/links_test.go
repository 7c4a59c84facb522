package api_test

import (
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/pbxtest"
)

// A link dies with whom it was given and with the domain that it is for; another's to the same file does not.
func TestLinksDieWithWhatGaveThem(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		giver string // admin, superadmin or token
		sql   string
	}{
		"the user is disabled":                {"admin", "update v_users set user_enabled = false where username = 'admin'"},
		"the user is gone":                    {"admin", "delete from v_users where username = 'admin'"},
		"the user is no admin any more":       {"admin", "delete from v_user_groups where group_name = 'admin'"},
		"the user's domain is disabled":       {"admin", "update v_domains set domain_enabled = false where domain_name = $1"},
		"a superadmin's, the domain disabled": {"superadmin", "update v_domains set domain_enabled = false where domain_name = $1"},
		"the superadmin is one no more":       {"superadmin", "update v_groups set group_level = 10 where group_name = 'superadmin'"},
		"the token is revoked":                {"token", "update trunkline.tokens set revoked_at = now() where name = 'giver'"},
		"the token has expired":               {"token", "update trunkline.tokens set expires_at = now() where name = 'giver'"},
		"the token's domain is disabled":      {"token", "update v_domains set domain_enabled = false where domain_name = $1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{cdrs: 50, now: newest, noWorker: true})
			as := map[string]func(call) call{"admin": b.asAdmin, "superadmin": b.asSuperadmin, "token": b.token(t, "giver", "export", b.sample.AdminDomain)}[c.giver]
			linkOf := func(as func(call) call, job string) string {
				result := b.do(t, as(call{path: "/v1/jobs/" + job})).want(t, http.StatusOK, "").decode(t)["result"].(map[string]any)
				return strings.TrimPrefix(result["download_url"].(string), b.options.Settings.PublicURL)
			}
			job := b.do(t, b.asSuperadmin(call{path: exportPath, form: everything("tenant_domain", b.sample.AdminDomain)})).want(t, http.StatusOK, "").text(t, "job_id")
			link, other := linkOf(as, job), linkOf(b.token(t, "other", "export"), job)
			status := func(link string) int { return b.do(t, call{path: link}).status }
			if status(link) != http.StatusOK || status(other) != http.StatusOK {
				t.Fatal("the links are no good to begin with")
			}
			if strings.Contains(c.sql, "$1") {
				b.exec(t, c.sql, b.sample.AdminDomain)
			} else {
				b.exec(t, c.sql)
			}
			pbxtest.Eventually(t, "the link dies", func() bool { return status(link) == http.StatusForbidden })
			b.do(t, call{path: link}).want(t, http.StatusForbidden, "invalid_link").says(t, "ended")
			if domain := strings.Contains(c.sql, "v_domains"); (status(other) == http.StatusOK) == domain {
				t.Errorf("another's link is %d", status(other))
			}
		})
	}
}

// A stream of events ends with the credentials that it was asked for with.
func TestJobEventsEndWithTheCredentials(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		token bool
		do    func(b *bundle, t *testing.T)
	}{
		"the token is revoked": {true, func(b *bundle, t *testing.T) { b.exec(t, "update trunkline.tokens set revoked_at = now()") }},
		"the token is rotated without grace": {true, func(b *bundle, t *testing.T) {
			b.do(t, b.asSuperadmin(call{path: tokensPath + "/" + b.tokenID(t, "follower") + "/rotate", form: form("grace", "0s")})).want(t, http.StatusOK, "")
		}},
		"the token has no domain left": {true, func(b *bundle, t *testing.T) { b.exec(t, "update v_domains set domain_enabled = false") }},
		"the user is disabled":         {false, func(b *bundle, t *testing.T) { b.exec(t, "update v_users set user_enabled = false") }},
		"the password is another": {false, func(b *bundle, t *testing.T) {
			b.exec(t, "update v_users set password = '$2y$04$0000000000000000000000000000000000000000000000000000a'")
		}},
		"the address is off the whitelist": {false, func(b *bundle, t *testing.T) {
			b.do(t, b.asSuperadmin(call{method: http.MethodDelete, path: "/v1/whitelist", form: form("address", "127.0.0.0/8")})).want(t, http.StatusOK, "")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, setUp{noWorker: true})
			base, _ := b.listening(t)
			as := b.asAdmin
			if end.token {
				as = b.token(t, "follower", "read", b.sample.AdminDomain)
			}
			job := b.queue(t, 1, b.asAdmin)[0]
			_, s := b.eventsFor(t, as, base, job, "")
			s.want("state", "queued")
			end.do(b, t)
			s.wantEnd()
			if strings.Contains(b.log.String(), "authentication failed for") {
				t.Error("it counts as a failed login")
			}
		})
	}
}
