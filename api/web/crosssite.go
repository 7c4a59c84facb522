package web

import (
	"net/http"
	"net/url"
	"strings"

	"trunkline/internal/fault"
)

// ownPages lets the pages of the public URL in, also behind a proxy that names another host.
func ownPages(publicURL string) *http.CrossOriginProtection {
	guard := http.NewCrossOriginProtection()
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" {
		_ = guard.AddTrustedOrigin(u.Scheme + "://" + u.Host) // such an origin is a right one
	}
	return guard
}

// fromElsewhere refuses what changes anything if another site's page asks for it. A browser that has
// credentials for this one sends them along, whoever wrote the page, and says in Sec-Fetch-Site or Origin
// whose page it is. By plain HTTP it says neither with a GET: then one by Basic, which alone a browser
// remembers, must not look like a browser's.
func (r *Request) fromElsewhere(e Endpoint) error {
	req := r.c.Request
	if !e.changedBy(req.Method) {
		return nil
	}
	asked := *req
	asked.Method = http.MethodPost // the protection knows no GET that changes anything
	if r.front.ownPages.Check(&asked) != nil {
		return fault.Errorf(fault.CrossSite, "a page of another site asks for this, which the browser of whoever reads it sends here; send it from a program, or from a page of Trunkline's own")
	}
	if isSafe(req.Method) && req.Header.Get("Sec-Fetch-Site") == "" && req.Header.Get("Origin") == "" && byBasic(req) && byBrowser(req) {
		return fault.Errorf(fault.CrossSite, "a browser sends this by GET and HTTP Basic and does not say whose page asks for it; use POST, a token, or a program that does not call itself a browser")
	}
	return nil
}

// changedBy reports whether a request by that method changes anything.
func (e Endpoint) changedBy(method string) bool { return e.Changes || !isSafe(method) }

func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func byBasic(req *http.Request) bool {
	scheme, _, _ := strings.Cut(strings.TrimSpace(req.Header.Get("Authorization")), " ")
	return strings.EqualFold(scheme, "basic")
}

// byBrowser reports whether the request bears a mark of a browser that the page cannot take off.
func byBrowser(req *http.Request) bool {
	has := func(name string) bool { return req.Header.Get(name) != "" }
	return strings.HasPrefix(req.UserAgent(), "Mozilla/") || strings.Contains(req.Header.Get("Accept"), "text/html") ||
		has("Upgrade-Insecure-Requests") || has("Referer") || has("Cookie")
}
