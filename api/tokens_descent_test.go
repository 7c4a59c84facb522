package api_test

import (
	"net/http"
	"testing"

	"trunkline/internal/config"
	"trunkline/internal/pbxtest"
)

// A token of a minute makes nothing that outlives it, and extends neither itself nor another; revoking it ends what
// it made, unless that is to be kept.
func TestATokenOfAMinute(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TokensPerDomain = 5 }})
	domain := b.sample.AdminDomain
	minute, secret := b.issue(t, "minute", "read,admin", "domains", domain, "expires_in", "1m")
	everlasting, _ := b.issue(t, "everlasting", "read", "domains", domain)
	as := func(c call) call { return bearing(secret, c) }
	make := func(name string, more ...string) answer {
		return b.do(t, as(call{path: tokensPath, form: form(append([]string{"name", name, "scopes", "read,admin"}, more...)...)}))
	}
	rotate := func(id string, more ...string) answer {
		return b.do(t, as(call{path: tokensPath + "/" + id + "/rotate", form: form(more...)}))
	}
	ends := b.do(t, as(call{path: tokensPath + "/" + minute})).text(t, "expires_at")
	child := make("child").want(t, http.StatusCreated, "")
	if child.text(t, "expires_at") != ends || child.text(t, "parent") != minute {
		t.Errorf("its maker ends at %s, and it is %s", ends, child.body)
	}
	make("later", "expires_in", "1h").want(t, http.StatusForbidden, "forbidden").says(t, "expires_at")
	rotate(minute, "expires_in", "1h").want(t, http.StatusForbidden, "forbidden")
	rotate(everlasting).want(t, http.StatusForbidden, "forbidden")
	b.do(t, bearing(child.text(t, "token"), call{path: tokensPath + "/" + minute + "/rotate", method: http.MethodPost})).want(t, http.StatusForbidden, "forbidden")
	second := make("second").want(t, http.StatusCreated, "")
	make("third").want(t, http.StatusCreated, "")
	make("one too many").want(t, http.StatusConflict, "conflict").says(t, "TRUNKLINE_TOKENS_PER_DOMAIN")

	revoke := func(id, query string) answer {
		return b.do(t, b.asSuperadmin(call{method: http.MethodDelete, path: tokensPath + "/" + id + query})).want(t, http.StatusOK, "")
	}
	if got := revoke(second.text(t, "id"), "?keep_descendants=true"); got.text(t, "also_revoked") != "[]" {
		t.Errorf("got %s", got.body)
	}
	got := revoke(minute, "")
	if got.text(t, "also_revoked") == "[]" || b.recorded(t, "token.revoke", "child") != 1 {
		t.Errorf("got %s", got.body)
	}
	pbxtest.Eventually(t, "the child has ended", func() bool {
		return b.do(t, bearing(child.text(t, "token"), call{path: tokensPath})).status == http.StatusUnauthorized
	})
}

// One owner's name is no news to another, and nothing that stands in the way.
func TestNamesOfOtherOwners(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	b.issue(t, "whmcs", "read", "domains", b.sample.AdminDomain)
	mine := func(name string) answer {
		return b.do(t, b.asAdmin(call{path: tokensPath, form: form("name", name, "scopes", "read")}))
	}
	mine("whmcs").want(t, http.StatusCreated, "")
	mine("WHMCS").want(t, http.StatusConflict, "conflict").says(t, "name")
}
