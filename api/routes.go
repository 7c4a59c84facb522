package api

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// handler answers one request, or returns why it does not.
type handler func(r *request) error

// entry is what a caller needs to get to an endpoint.
type entry int

const (
	everybody      entry = iota // nothing
	whitelisted                 // an address on the whitelist
	signedIn                    // and credentials, with one of the endpoint's scopes
	signedInOrLink              // or in their place the signature of a download's link
)

// endpoint is one path and what is asked of its callers.
type endpoint struct {
	methods []string
	path    string // as gin has it
	form    form
	entry   entry
	scopes  []token.Scope // one of them is needed; none: any credentials do
	answer  handler
	limit   limitClass // what signed-in requests are counted against
}

var (
	get     = []string{http.MethodGet}
	getHead = []string{http.MethodGet, http.MethodHead}
	getPost = []string{http.MethodGet, http.MethodPost}
	post    = []string{http.MethodPost}
	put     = []string{http.MethodPut}
	remove  = []string{http.MethodDelete}

	toRead      = []token.Scope{token.ScopeRead}
	toProvision = []token.Scope{token.ScopeProvision}
	toExport    = []token.Scope{token.ScopeExport}
	toAdmin     = []token.Scope{token.ScopeAdmin}
)

// endpoints is every path that there is.
func (s *Server) endpoints() []endpoint {
	chkcon := []string{http.MethodGet, http.MethodHead, http.MethodPost}
	return []endpoint{
		{methods: getHead, path: "/healthz", form: problemForm, entry: everybody, answer: s.healthz},
		{methods: getHead, path: "/readyz", form: problemForm, entry: everybody, answer: s.readyz},
		{methods: getHead, path: "/metrics", form: problemForm, entry: everybody, answer: s.serveMetrics},

		{methods: getHead, path: "/openapi.json", form: problemForm, entry: whitelisted, answer: s.describe},

		{methods: chkcon, path: "/chkcon.php", form: documentedForm, entry: everybody, answer: s.chkcon},
		{methods: chkcon, path: "/app/xml_cdr/chkcon.php", form: documentedForm, entry: everybody, answer: s.chkcon},
		{methods: getPost, path: "/app/status/index.php", form: documentedForm, entry: signedIn, scopes: toRead, answer: s.getStatus},
		{methods: getHead, path: "/app/status/", form: documentedForm, entry: whitelisted, answer: s.serverStatus},
		{methods: getPost, path: "/app/registrations/check_registration.php", form: documentedForm, entry: signedIn, scopes: toRead, answer: s.checkRegistration},
		{methods: getPost, path: "/app/gateways/provision.php", form: documentedForm, entry: signedIn, scopes: toProvision, answer: s.provision, limit: gateways},
		{methods: getPost, path: "/app/gateways/provision_list.php", form: documentedForm, entry: signedIn, scopes: toRead, answer: s.provisionList, limit: gateways},
		{methods: getPost, path: "/app/xml_cdr/export_cdr.php", form: documentedForm, entry: signedIn, scopes: toExport, answer: s.exportCDR, limit: exports},

		{methods: remove, path: "/v1/gateways", form: problemForm, entry: signedIn, scopes: toProvision, answer: s.deleteGateway, limit: gateways},
		{methods: remove, path: "/v1/gateways/:id", form: problemForm, entry: signedIn, scopes: toProvision, answer: s.deleteGateway, limit: gateways},
		{methods: get, path: "/v1/jobs", form: problemForm, entry: signedIn, scopes: toRead, answer: s.listJobs},
		{methods: get, path: "/v1/jobs/:id", form: problemForm, entry: signedIn, answer: s.getJob, limit: waiting},
		{methods: get, path: "/v1/jobs/:id/events", form: problemForm, entry: signedIn, answer: s.jobEvents, limit: waiting},
		{methods: post, path: "/v1/jobs/:id/cancel", form: problemForm, entry: signedIn, answer: s.cancelJob},
		{methods: post, path: "/v1/jobs/:id/retry", form: problemForm, entry: signedIn, answer: s.retryJob},
		{methods: get, path: "/v1/registrations", form: problemForm, entry: signedIn, scopes: toRead, answer: s.listRegistrations},
		{methods: get, path: "/v1/usage", form: problemForm, entry: signedIn, scopes: toRead, answer: s.getUsage},

		{methods: get, path: "/v1/tokens", form: problemForm, entry: signedIn, scopes: toAdmin, answer: s.listTokens},
		{methods: post, path: "/v1/tokens", form: problemForm, entry: signedIn, scopes: toAdmin, answer: s.createToken},
		{methods: get, path: "/v1/tokens/:id", form: problemForm, entry: signedIn, scopes: toAdmin, answer: s.getToken},
		{methods: post, path: "/v1/tokens/:id/rotate", form: problemForm, entry: signedIn, scopes: toAdmin, answer: s.rotateToken},
		{methods: remove, path: "/v1/tokens/:id", form: problemForm, entry: signedIn, scopes: toAdmin, answer: s.revokeToken},

		{methods: getHead, path: "/v1/exports/:id/file", form: problemForm, entry: signedInOrLink, answer: s.download},

		{methods: get, path: "/v1/whitelist", form: problemForm, entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.getWhitelist)},
		{methods: post, path: "/v1/whitelist", form: problemForm, entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.addToWhitelist)},
		{methods: remove, path: "/v1/whitelist", form: problemForm, entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.removeFromWhitelist)},
		{methods: put, path: "/v1/whitelist", form: problemForm, entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.replaceWhitelist)},
		{methods: get, path: "/v1/whitelist/check", form: problemForm, entry: signedIn, scopes: toAdmin, answer: ofAllDomains(s.checkWhitelist)},
		{methods: get, path: "/v1/audit", form: problemForm, entry: signedIn, scopes: toAdmin, answer: s.listAudit},
	}
}

func (s *Server) routes() http.Handler {
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.HandleMethodNotAllowed = true
	e.ForwardedByClientIP = false // addresses are found by locator alone
	e.Use(s.observe)
	for _, endpoint := range s.endpoints() {
		e.Match(endpoint.methods, endpoint.path, s.serve(endpoint))
	}
	e.NoRoute(s.unrouted(func(*request) error {
		return fault.Errorf(fault.NotFound, "there is nothing at this path")
	}))
	e.NoMethod(s.unrouted(func(r *request) error {
		return fault.Errorf(fault.MethodNotAllowed, "this path does not take the method %s; it takes %s", methodName(r.c.Request.Method), r.c.Writer.Header().Get("Allow"))
	}))
	return e
}

// serve lets in who may come, and has the endpoint answer.
func (s *Server) serve(e endpoint) gin.HandlerFunc {
	route := s.metrics.requests.route(e.path)
	return func(c *gin.Context) {
		r := requestOf(c)
		r.form, r.route = e.form, route
		err := r.enter(e)
		if err == nil {
			err = e.answer(r)
		}
		if fault.Is(err, fault.NotFound) && e.limit == waiting {
			err = cmp.Or(r.charge(standard), err)
		}
		if err != nil {
			r.fail(err)
		}
	}
}

// unrouted answers for a path that there is not, in the form of the paths around it.
func (s *Server) unrouted(h handler) gin.HandlerFunc {
	problem := s.serve(endpoint{form: problemForm, entry: whitelisted, answer: h})
	documented := s.serve(endpoint{form: documentedForm, entry: whitelisted, answer: h})
	return func(c *gin.Context) {
		if path := c.Request.URL.Path; strings.HasPrefix(path, "/app/") || strings.HasSuffix(path, ".php") {
			documented(c)
			return
		}
		problem(c)
	}
}

// methodName repeats a caller's method only where it is one that HTTP knows.
func methodName(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "of this request"
}
