// Package web is the machinery of HTTP: which endpoints there are is given to it; it finds out who calls,
// counts and limits, reads parameters, words answers and errors, and keeps the log, the metrics and the
// audit of it all. It must not know what any endpoint does, nor jobs, nor the switches.
package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"trunkline/api/metrics"
	"trunkline/internal/access"
	"trunkline/internal/audit"
	"trunkline/internal/authlog"
	"trunkline/internal/cache"
	"trunkline/internal/config"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/ratelimit"
	"trunkline/internal/session"
	"trunkline/internal/token"
	"trunkline/internal/whitelist"
)

// Options is what a front works with. All are needed.
type Options struct {
	Settings  config.Settings
	DB        *fusionpbx.DB
	Tokens    *token.Store
	Whitelist *whitelist.List
	Limiter   *ratelimit.Limiter // counts requests and failed logins
	Sessions  *session.Store
	Console   *whitelist.List // of the addresses that may open the console
	Audit     *audit.Log
	Metrics   *metrics.Metrics
	Log       *slog.Logger
}

// Front lets requests in, each to its endpoint.
type Front struct {
	Options
	locator     access.Locator
	credentials *access.Authenticator
	ownPages    *http.CrossOriginProtection
	proxies     proxies
	places      map[AtOnce]*places
	shared      *cache.Cache[bool] // whether the PBX has several domains
	stopping    context.Context
	stop        context.CancelFunc
}

// New returns a front that lets requests in.
func New(o Options) *Front {
	gin.SetMode(gin.ReleaseMode) // else it prints to standard output
	f := &Front{Options: o, locator: access.NewLocator(o.Settings.TrustedProxies), ownPages: ownPages(o.Settings.PublicURL),
		places: newPlaces(o.Settings), shared: newShared()}
	gate := access.NewGate(access.GateLimits{
		OfName: o.Settings.LoginFailures, OfAddress: o.Settings.LoginFailuresAddress,
		Window: o.Settings.LoginFailuresWindow, MaxDelay: o.Settings.LoginDelayMax,
	}, o.Limiter, authlog.New(o.Settings.AuthLog, o.Log))
	f.credentials = access.NewAuthenticator(o.DB, o.Tokens, gate, o.Settings.CredentialCache)
	f.stopping, f.stop = context.WithCancel(context.Background())
	return f
}

// Stop lets go whoever waits. Requests are still answered.
func (f *Front) Stop() { f.stop() }

// Stopping ends when the front is stopped, and with it every wait for a job.
func (f *Front) Stopping() context.Context { return f.stopping }

// Handler serves the endpoints.
func (f *Front) Handler(groups []Group) http.Handler {
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.RedirectFixedPath = false
	e.HandleMethodNotAllowed = true
	e.ForwardedByClientIP = false // addresses are found by the locator alone
	e.UseRawPath = true           // a name in a path may hold a slash
	e.UnescapePathValues = false  // gin would take a + for a space; Path does it
	e.Use(f.observe)
	declared := map[string]bool{}
	for _, g := range groups {
		for _, endpoint := range g.Endpoints {
			declared[endpoint.Path] = true
		}
	}
	for _, g := range groups {
		for _, endpoint := range g.Endpoints {
			e.Match(endpoint.Methods, endpoint.Path, f.serve(endpoint))
			if name := bareName(endpoint.Path); name != "" && !declared[name] {
				e.Match(endpoint.Methods, name, f.serve(endpoint))
			}
		}
	}
	e.NoRoute(f.unrouted(func(*Request) error {
		return fault.Errorf(fault.NotFound, "there is nothing at this path; /openapi.json describes every path that there is")
	}))
	e.NoMethod(f.unrouted(func(r *Request) error {
		return fault.Errorf(fault.MethodNotAllowed, "this path does not take the method %s; it takes %s", methodName(r.c.Request.Method), r.c.Writer.Header().Get("Allow"))
	}))
	return plainPaths(e)
}

// plainPaths has a path be routed as it was written only if a name in it holds a slash: any other may be escaped as
// one likes.
func plainPaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.Contains(strings.ToLower(req.URL.RawPath), "%2f") {
			req.URL.RawPath = ""
		}
		next.ServeHTTP(w, req)
	})
}

// bareName is the path without a folder by which callers ask for a documented one too; "": there is none.
func bareName(documented string) string {
	if name := path.Base(documented); strings.HasPrefix(documented, "/app/") && strings.HasSuffix(name, ".php") && name != "index.php" {
		return "/" + name
	}
	return ""
}

// serve lets in who may come, and has the endpoint answer.
func (f *Front) serve(e Endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		r := c.MustGet(requestKey).(*Request)
		r.documented, r.endpoint = IsDocumented(cmp.Or(e.Path, c.Request.URL.Path)), cmp.Or(e.Path, metrics.Unrouted)
		r.of = e
		err := r.enter(e)
		switch {
		case err == nil:
			err = e.Answer(r)
		case errors.Is(err, errNoSession) && e.NoSession != nil:
			err = e.NoSession(r)
		}
		if err != nil {
			r.fail(r.recharge(err))
		}
	}
}

// unrouted answers for a path that there is not, in the form of the paths around it.
func (f *Front) unrouted(answer func(*Request) error) gin.HandlerFunc {
	return f.serve(Endpoint{Entry: Whitelisted, Answer: answer})
}

// methodName repeats a caller's method only if it is one that HTTP knows.
func methodName(method string) string {
	if slices.Contains(metrics.Methods, method) {
		return method
	}
	return "of this request"
}
