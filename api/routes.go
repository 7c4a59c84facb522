package api

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"trunkline/internal/fault"
)

// groups are every path that there is, by resource.
func (s *Server) groups() []group {
	return []group{
		{name: "connection", about: "Is the caller's address on the whitelist?", endpoints: s.connectionEndpoints()},
		{name: "pbx", about: "The PBX: status and registrations.", endpoints: slices.Concat(s.statusEndpoints(), s.registrationEndpoints())},
		{name: "gateways", about: "Gateways.", endpoints: slices.Concat(s.provisionEndpoints(), s.deletionEndpoints())},
		{name: "cdr", about: "CDRs and usage.", endpoints: slices.Concat(s.exportEndpoints(), s.usageEndpoints())},
		{name: "jobs", about: "Jobs: what takes long.", endpoints: s.jobEndpoints()},
		{
			name: "access", about: "Tokens, the whitelist, the audit.",
			endpoints: slices.Concat(s.tokenEndpoints(), s.whitelistEndpoints(), s.auditEndpoints()),
		},
		{name: "health", about: "For machines.", endpoints: s.healthEndpoints()},
	}
}

// endpoints is every path that there is.
func (s *Server) endpoints() []endpoint {
	var all []endpoint
	for _, g := range s.groups() {
		all = append(all, g.endpoints...)
	}
	return all
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
		r.form, r.route = formOf(cmp.Or(e.path, c.Request.URL.Path)), route
		err := r.enter(e)
		if err == nil {
			err = e.answer(r)
		}
		if fault.Is(err, fault.NotFound) && e.limit == limitWaiting {
			err = cmp.Or(r.charge(limitStandard), err)
		}
		if err != nil {
			r.fail(err)
		}
	}
}

// unrouted answers for a path that there is not, in the form of the paths around it.
func (s *Server) unrouted(h handler) gin.HandlerFunc {
	return s.serve(endpoint{entry: whitelisted, answer: h})
}

// methodName repeats a caller's method only where it is one that HTTP knows.
func methodName(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "of this request"
}
