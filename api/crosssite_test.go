package api_test

import (
	"net/http"
	"strings"
	"testing"

	"trunkline/internal/token"
)

// Who asks for a change, as the headers say it, and whether it is made: by POST, and by a GET that changes.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	_, secret := b.issue(t, "whmcs", "provision,admin", "all_domains", "true")
	type headers = map[string]string
	const here, firefox = "http://example.com", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" // example.com is httptest's host
	for name, c := range map[string]struct {
		headers        headers
		refusedPOST    bool
		refusedGET     bool
		refusedByToken bool // a GET with a token in place of Basic
	}{
		"a program":                         {headers{"User-Agent": "curl/8.14.1", "Accept": "*/*"}, false, false, false},
		"another site":                      {headers{"Sec-Fetch-Site": "cross-site"}, true, true, true},
		"another host of this site":         {headers{"Sec-Fetch-Site": "same-site"}, true, true, true},
		"the front end's page":              {headers{"Sec-Fetch-Site": "same-origin", "User-Agent": firefox}, false, false, false},
		"a person":                          {headers{"Sec-Fetch-Site": "none", "User-Agent": firefox}, false, false, false},
		"another origin":                    {headers{"Origin": "http://elsewhere.example"}, true, true, true},
		"another port":                      {headers{"Origin": here + ":8080"}, true, true, true},
		"an origin that is not told":        {headers{"Origin": "null"}, true, true, true},
		"the front end's origin":            {headers{"Origin": here, "User-Agent": firefox}, false, false, false},
		"the public URL":                    {headers{"Origin": "https://pbx.example", "Sec-Fetch-Site": "same-site"}, false, false, false},
		"a browser by plain HTTP":           {headers{"User-Agent": firefox}, false, true, false},
		"a browser under another name":      {headers{"Accept": "text/html,*/*;q=0.8"}, false, true, false},
		"a browser that says where it was":  {headers{"Referer": "http://elsewhere.example/"}, false, true, false},
		"a browser that shows a page":       {headers{"Upgrade-Insecure-Requests": "1"}, false, true, false},
		"a browser with somebody's cookies": {headers{"Cookie": "a=b"}, false, true, false},
	} {
		for _, one := range []struct {
			what    string
			call    call
			refused bool
		}{
			{"POST", b.asSuperadmin(call{path: provisionPath, form: carrier("g", "wait", "0")}), c.refusedPOST},
			{"GET", b.asSuperadmin(call{path: provisionPath + "?wait=0&" + carrier("g", "gateway_password", "", "register", "false").Encode()}), c.refusedGET},
			{"GET by a token", bearing(secret, call{path: provisionPath + "?wait=0&tenant_domain=global&" + carrier("g", "gateway_password", "", "register", "false").Encode()}), c.refusedByToken},
			{"DELETE", bearing(secret, call{method: http.MethodDelete, path: tokensPath + "/" + noID}), c.refusedPOST},
			{"a GET that reads", b.asSuperadmin(call{path: tokensPath}), false},
			{"a POST that nobody need sign in for", call{path: "/app/xml_cdr/chkcon.php"}, false},
		} {
			for header, value := range c.headers {
				one.call = withHeader(one.call, header, value)
			}
			got := b.do(t, one.call)
			if refused := got.status == http.StatusForbidden; refused != one.refused || refused && got.text(t, "code") != "cross_site" {
				t.Errorf("%s, %s: got %d %s", name, one.what, got.status, got.body)
			}
		}
	}
}

// What a GET of the documented paths asks for as a job is a change like a POST's.
func TestEveryGETThatChangesIsGuarded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, setUp{noWorker: true})
	for _, p := range b.server.ScopedPaths() {
		reads := p.Scope == token.ScopeRead || p.Scope == token.ScopeAdmin || strings.HasPrefix(p.Path, cdrPath) || p.Path == destinationsPath || p.Path == deliveriesPath ||
			strings.HasPrefix(p.Path, schedulesPath)
		if p.Method != http.MethodGet || strings.Contains(p.Path, ":id") {
			continue
		}
		got := b.do(t, b.asSuperadmin(withHeader(call{path: p.Path}, "Sec-Fetch-Site", "cross-site")))
		if refused := got.status == http.StatusForbidden; refused == reads {
			t.Errorf("GET %s: got %d", p.Path, got.status)
		}
	}
}
