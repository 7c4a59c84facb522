package api

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// handler answers one request, or returns why it does not.
type handler func(r *request) error

// routes is every path that there is.
func (s *Server) routes() http.Handler {
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.HandleMethodNotAllowed = true
	e.ForwardedByClientIP = false // addresses are found by locator alone
	e.Use(s.observe)

	health := []string{http.MethodGet, http.MethodHead}
	e.Match(health, "/healthz", s.open(problemForm, s.healthz))
	e.Match(health, "/readyz", s.open(problemForm, s.readyz))

	for _, path := range []string{"/chkcon.php", "/app/xml_cdr/chkcon.php"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			e.Handle(method, path, s.open(documentedForm, s.chkcon))
		}
	}
	documented := func(path string, h handler) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			e.Handle(method, path, s.whitelisted(documentedForm, signedIn(h)))
		}
	}
	documented("/app/gateways/provision.php", s.provision)
	documented("/app/gateways/provision_list.php", s.provisionList)
	documented("/app/xml_cdr/export_cdr.php", s.exportCDR)

	e.GET("/v1/jobs", s.whitelisted(problemForm, signedIn(s.listJobs)))
	e.GET("/v1/jobs/:id", s.whitelisted(problemForm, signedIn(s.getJob)))
	e.POST("/v1/jobs/:id/cancel", s.whitelisted(problemForm, signedIn(s.cancelJob)))
	e.POST("/v1/jobs/:id/retry", s.whitelisted(problemForm, signedIn(s.retryJob)))
	e.GET("/v1/exports/:id/file", s.whitelisted(problemForm, s.download))
	e.HEAD("/v1/exports/:id/file", s.whitelisted(problemForm, s.download))

	e.NoRoute(s.unrouted(func(*request) error {
		return failf(codeNotFound, "there is nothing at this path")
	}))
	e.NoMethod(s.unrouted(func(r *request) error {
		return failf(codeMethodNotAllowed, "this path does not take the method %s; it takes %s", methodName(r.c.Request.Method), r.c.Writer.Header().Get("Allow"))
	}))
	return e
}

// open lets everybody in.
func (s *Server) open(f form, h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		r := requestOf(c)
		r.form = f
		if err := h(r); err != nil {
			r.fail(err)
		}
	}
}

// whitelisted lets in who is on the whitelist.
func (s *Server) whitelisted(f form, h handler) gin.HandlerFunc {
	return s.open(f, func(r *request) error {
		if err := r.admit(); err != nil {
			return err
		}
		return h(r)
	})
}

// signedIn lets in who is a FusionPBX superadmin or admin, with the parameters read.
func signedIn(h handler) handler {
	return func(r *request) error {
		if err := r.signIn(); err != nil {
			return err
		}
		return h(r)
	}
}

// unrouted answers for a path that there is not, in the form of the paths around it.
func (s *Server) unrouted(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		f := problemForm
		if path := c.Request.URL.Path; strings.HasPrefix(path, "/app/") || strings.HasSuffix(path, ".php") {
			f = documentedForm
		}
		s.whitelisted(f, h)(c)
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
