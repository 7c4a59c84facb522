package api_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"trunkline/api"
	"trunkline/internal/config"
)

// Who is not on the whitelist gets nothing but what says so, at every path and by every method.
func TestEveryEndpointNeedsTheWhitelist(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	open := map[string]bool{"/healthz": true, "/readyz": true}
	for _, e := range b.server.Endpoints() {
		got := b.do(t, b.asSuperadmin(call{method: e.Method, path: e.Path, from: stranger + ":1"}))
		if want := http.StatusForbidden; !open[e.Path] && got.status != want {
			t.Errorf("%s %s: got %d, want %d", e.Method, e.Path, got.status, want)
		}
	}
}

// Every endpoint has a limit, and refuses what is over it.
func TestEveryEndpointIsLimited(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) {
		s.RateLimit, s.RateLimitGateway, s.RateLimitExport, s.RateLimitUnauthenticated = 1, 1, 1, 1
	}})
	for _, class := range []call{{path: "/v1/tokens"}, {path: listPath}, {path: exportPath}} {
		b.do(t, b.asSuperadmin(class)) // its budget is used up
	}
	b.do(t, call{path: "/chkcon.php"})
	for _, e := range b.server.Endpoints() {
		got := b.do(t, b.asSuperadmin(call{method: e.Method, path: e.Path}))
		if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || got.header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("%s %s: got %d %v", e.Method, e.Path, got.status, got.header)
		}
	}
}

// An admin and a token of one domain are refused another tenant's, wherever a request can name one.
func TestAnotherTenantIsRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	other := b.sample.Domains[2]
	_, secret := b.issue(t, "one domain", "read,provision,export,admin", "domains", b.sample.AdminDomain)
	for _, op := range operations(t) {
		takes := false
		for _, name := range append(op.query, op.form...) {
			takes = takes || name == "tenant_domain"
		}
		if !takes {
			continue
		}
		for _, named := range []string{"tenant_domain=" + other.Name, "domain_uuid=" + other.UUID, "tenant_domain=global"} {
			c := call{method: op.method, path: op.path + "?" + named}
			for who, got := range map[string]answer{"an admin": b.do(t, b.asAdmin(c)), "a token": b.do(t, bearing(secret, c))} {
				if got.status != http.StatusForbidden || strings.Contains(got.body, other.UUID) {
					t.Errorf("%s: %s %s?%s: got %d %s", who, op.method, op.path, named, got.status, got.body)
				}
			}
		}
	}
}

// An address counts whatever way it is written, and what only looks like one is none.
func TestAddressesHoweverWritten(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true, settings: func(s *config.Settings) { s.TrustedProxies = prefixes("10.0.0.1/32") }})
	must(t, os.WriteFile(b.whitelist, []byte("192.0.2.10\n2001:db8::7\n"), 0o600))
	var err error
	b.server, err = api.New(b.options)
	must(t, err)
	for forwarded, want := range map[string]int{
		"192.0.2.10":                      http.StatusOK,
		"192.0.2.10:50000":                http.StatusOK,
		"::ffff:192.0.2.10":               http.StatusOK,
		"::ffff:c000:20a":                 http.StatusOK,
		"[::ffff:192.0.2.10]:50000":       http.StatusOK,
		"::ffff:192.0.2.10%eth0":          http.StatusOK,
		"2001:db8::7":                     http.StatusOK,
		"2001:db8::7%eth0":                http.StatusOK,
		"2001:0DB8:0:0:0:0:0:7":           http.StatusOK,
		"[2001:db8::7]:443":               http.StatusOK,
		"192.0.2.11":                      http.StatusForbidden,
		"::192.0.2.10":                    http.StatusForbidden, // not the mapped form
		"64:ff9b::192.0.2.10":             http.StatusForbidden,
		"3221225994":                      http.StatusForbidden, // decimal
		"0300.0.02.012":                   http.StatusForbidden, // octal
		"0xc0.0.2.10":                     http.StatusForbidden,
		"0xC000020A":                      http.StatusForbidden,
		"192.0.522":                       http.StatusForbidden,
		"192.0.2.10/32":                   http.StatusForbidden,
		"192.0.2.010":                     http.StatusForbidden,
		"１９２.0.2.10":                      http.StatusForbidden,
		"192.0.2.10 ":                     http.StatusOK,
		"192.0.2.10, 198.51.100.1":        http.StatusForbidden,
		"198.51.100.1, 192.0.2.10":        http.StatusOK,
		"localhost":                       http.StatusForbidden,
		"192.0.2.10\t,\t10.0.0.1":         http.StatusOK,
		strings.Repeat("1.", 2000) + "10": http.StatusForbidden,
	} {
		got := b.do(t, call{path: "/chkcon.php", from: "10.0.0.1:1", headers: map[string]string{"X-Forwarded-For": forwarded}})
		if got.status != want {
			t.Errorf("%.60q: got %d %s, want %d", forwarded, got.status, got.body, want)
		}
	}
	// The whitelist takes none of the odd forms either: a file with one is refused, and the old list stays.
	for _, entry := range []string{"3221225994", "0300.0.2.10", "192.0.2.010", "0xc0.0.2.10", "fe80::1%eth0", "192.0.2", "192.0.2.10-20"} {
		put := jsonBody(t, http.MethodPut, "text", caller+"\n"+entry+"\n", "version", b.do(t, b.asSuperadmin(call{path: whitelistPath})).text(t, "version"))
		b.do(t, b.asSuperadmin(put)).want(t, http.StatusBadRequest, "invalid_request").says(t, "line 2")
	}
}
