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
		{getHead, "/healthz", problemForm, everybody, nil, s.healthz, standard},
		{getHead, "/readyz", problemForm, everybody, nil, s.readyz, standard},
		{getHead, "/metrics", problemForm, everybody, nil, s.serveMetrics, standard},

		{getHead, "/openapi.json", problemForm, whitelisted, nil, s.describe, standard},

		{chkcon, "/chkcon.php", documentedForm, everybody, nil, s.chkcon, standard},
		{chkcon, "/app/xml_cdr/chkcon.php", documentedForm, everybody, nil, s.chkcon, standard},
		{getPost, "/app/status/index.php", documentedForm, signedIn, toRead, s.getStatus, standard},
		{getHead, "/app/status/", documentedForm, whitelisted, nil, s.serverStatus, standard},
		{getPost, "/app/registrations/check_registration.php", documentedForm, signedIn, toRead, s.checkRegistration, standard},
		{getPost, "/app/gateways/provision.php", documentedForm, signedIn, toProvision, s.provision, gateways},
		{getPost, "/app/gateways/provision_list.php", documentedForm, signedIn, toRead, s.provisionList, gateways},
		{getPost, "/app/xml_cdr/export_cdr.php", documentedForm, signedIn, toExport, s.exportCDR, exports},

		{remove, "/v1/gateways", problemForm, signedIn, toProvision, s.deleteGateway, gateways},
		{remove, "/v1/gateways/:id", problemForm, signedIn, toProvision, s.deleteGateway, gateways},
		{get, "/v1/jobs", problemForm, signedIn, toRead, s.listJobs, standard},
		{get, "/v1/jobs/:id", problemForm, signedIn, nil, s.getJob, waiting},
		{get, "/v1/jobs/:id/events", problemForm, signedIn, nil, s.jobEvents, waiting},
		{post, "/v1/jobs/:id/cancel", problemForm, signedIn, nil, s.cancelJob, standard},
		{post, "/v1/jobs/:id/retry", problemForm, signedIn, nil, s.retryJob, standard},
		{get, "/v1/registrations", problemForm, signedIn, toRead, s.listRegistrations, standard},
		{get, "/v1/usage", problemForm, signedIn, toRead, s.getUsage, standard},

		{get, "/v1/tokens", problemForm, signedIn, toAdmin, s.listTokens, standard},
		{post, "/v1/tokens", problemForm, signedIn, toAdmin, s.createToken, standard},
		{get, "/v1/tokens/:id", problemForm, signedIn, toAdmin, s.getToken, standard},
		{post, "/v1/tokens/:id/rotate", problemForm, signedIn, toAdmin, s.rotateToken, standard},
		{remove, "/v1/tokens/:id", problemForm, signedIn, toAdmin, s.revokeToken, standard},

		{getHead, "/v1/exports/:id/file", problemForm, signedInOrLink, nil, s.download, standard},

		{get, "/v1/whitelist", problemForm, signedIn, toAdmin, ofAllDomains(s.getWhitelist), standard},
		{post, "/v1/whitelist", problemForm, signedIn, toAdmin, ofAllDomains(s.addToWhitelist), standard},
		{remove, "/v1/whitelist", problemForm, signedIn, toAdmin, ofAllDomains(s.removeFromWhitelist), standard},
		{put, "/v1/whitelist", problemForm, signedIn, toAdmin, ofAllDomains(s.replaceWhitelist), standard},
		{get, "/v1/whitelist/check", problemForm, signedIn, toAdmin, ofAllDomains(s.checkWhitelist), standard},
		{get, "/v1/audit", problemForm, signedIn, toAdmin, s.listAudit, standard},
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
