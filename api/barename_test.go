package api_test

import (
	"net/http"
	"testing"
)

// bareNames are the paths without a folder by which callers ask for a documented one too, which openapi.json alone
// describes.
var bareNames = map[string]string{
	"/provision.php": provisionPath, "/provision_list.php": "/app/gateways/provision_list.php",
	"/check_registration.php": "/app/registrations/check_registration.php", "/export_cdr.php": exportPath,
}

// asDocumented is the request at its documented path.
func asDocumented(req *http.Request) *http.Request {
	documented, bare := bareNames[req.URL.Path]
	if !bare {
		return req
	}
	clone := req.Clone(req.Context())
	clone.URL.Path = documented
	return clone
}

// Callers that leave the folders out are answered as at the documented path.
func TestDocumentedNamesWithoutAFolder(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{})
	for bare, documented := range bareNames {
		want := b.do(t, b.asSuperadmin(call{path: documented, method: http.MethodPost}))
		got := b.do(t, b.asSuperadmin(call{path: bare, method: http.MethodPost}))
		if got.status != want.status || got.status == http.StatusNotFound || got.text(t, "message") != want.text(t, "message") {
			t.Errorf("%s: got %d %s, want %d %s", bare, got.status, got.body, want.status, want.body)
		}
	}
	b.do(t, b.asSuperadmin(call{path: "/index.php", method: http.MethodPost})).want(t, http.StatusNotFound, "not_found")
}
