package api_test

import (
	"net/http"
	"net/url"
	"testing"
)

// A parameter that an endpoint does not know is refused where ignoring it would do or answer more than was asked, and
// else named.
func TestUnknownParameters(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	const check = "/app/registrations/check_registration.php?extension=1001&tenant_domain=pbx1.example"
	for _, tc := range []struct {
		path, name string
		refused    bool
	}{
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "domain", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "tenant", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "extensions", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "directions", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "limit", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "dry_run", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "whitelisted", false},
		{listPath + "?x=1", "profile", true},
		{listPath + "?x=1", "tenant[]", true},
		{listPath + "?x=1", "module_version", false},
		{statusPath + "?x=1", "domain_name", true},
		{statusPath + "?x=1", "_", false},
		{check, "domain", true},
		{check, "cache_buster", false},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", "tenant", true},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", "dryrun", true},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", "service", false},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", " domain", true},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", "tenantdomain", true},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", "tenant-domain", true},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", "sip_domain", true},
		{provisionPath + "?gateway_name=none&gateway_enabled=false&tenant_domain=global", "is-test", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "my_did", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "caller.id", true},
		{exportPath + "?date_start=2026-01-01&date_end=2026-01-02", "agent", true},
		{"/v1/jobs?limit=1", "module_version", true},
		{"/v1/registrations?limit=1", "domain", true},
	} {
		got := b.do(t, b.asSuperadmin(call{path: tc.path + "&" + url.QueryEscape(tc.name) + "=x"}))
		if tc.refused {
			got.want(t, http.StatusBadRequest, "invalid_request").says(t, tc.name, "unknown here")
			continue
		}
		got.want(t, http.StatusOK, "").says(t, "ignored_parameters", tc.name)
	}
}
