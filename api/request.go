package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// request is one request and what has been found out about it.
type request struct {
	c    *gin.Context
	s    *Server
	id   string
	form form

	address    netip.Addr // the caller's; not valid if addressErr is set
	addressErr error

	params  params        // those that the endpoint takes
	ignored []string      // the names of those that it does not take, up to maxIgnored
	caller  access.Caller // once signed in

	route      *routeMetrics // of the endpoint that answers
	domainUUID string        // of the domain that the request changes something of, where it is known

	tried  string     // the name of the user or token that did not sign in
	denial fault.Code // the code of the error that it ended with
	cause  error      // what lies behind that, for the log
}

const (
	requestKey = "request"
	// maxLogged bounds what is logged of a caller's own text, in bytes.
	maxLogged = 200
)

func requestOf(c *gin.Context) *request { return c.MustGet(requestKey).(*request) }

func (r *request) context() context.Context { return r.c.Request.Context() }

// saneRequestID is what a caller's own request id must look like to be taken over.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// observe gives each request its id, finds its address, logs it, and keeps a panic from ending more
// than this one request.
func (s *Server) observe(c *gin.Context) {
	began := time.Now()
	r := &request{c: c, s: s, id: c.GetHeader("X-Request-Id"), route: s.metrics.requests.unrouted}
	s.metrics.requests.inFlight.Inc()
	defer s.metrics.requests.inFlight.Dec()
	if !saneRequestID.MatchString(r.id) {
		r.id = uuid.NewString()
	}
	c.Header("X-Request-Id", r.id)
	c.Set(requestKey, r)
	r.address, r.addressErr = s.locator.Locate(c.Request.RemoteAddr, c.Request.Header)
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.log.Error("panic", "request_id", r.id, "panic", p, "stack", string(debug.Stack()))
			r.fail(faultOf(errors.New("panic"), r.id))
		}
		took := time.Since(began)
		r.log(took)
		r.count(took)
	}()
	c.Next()
}

// count has the request in the metrics, and a refused one in the audit.
func (r *request) count(took time.Duration) {
	r.route.observe(r.c.Request.Method, r.c.Writer.Status(), took)
	if denials, ok := r.s.metrics.requests.denials[r.denial]; ok {
		denials.Inc()
		r.denied()
	}
}

// log writes the request's line: never its query, its body or its headers.
func (r *request) log(took time.Duration) {
	req := r.c.Request
	status := r.c.Writer.Status()
	attrs := []slog.Attr{
		slog.String("request_id", r.id),
		slog.String("address", r.seenAddress()),
		slog.String("endpoint", r.route.endpoint),
		slog.String("method", shortened(req.Method)),
		slog.String("path", shortened(req.URL.Path)),
		slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1e3),
	}
	if r.caller.SignedIn() {
		attrs = append(attrs, slog.String("who", r.caller.Name))
	} else if r.tried != "" {
		attrs = append(attrs, slog.String("tried", shortened(r.tried)))
	}
	level := slog.LevelInfo
	if r.denial != "" {
		attrs = append(attrs, slog.String("denied", r.denial))
		level = slog.LevelWarn
	}
	if r.cause != nil {
		attrs = append(attrs, slog.String("cause", r.cause.Error()))
	}
	if statusOf(r.denial) == http.StatusInternalServerError && r.denial != "" {
		level = slog.LevelError
	}
	r.s.log.LogAttrs(req.Context(), level, "request", attrs...)
}

// seenAddress is the caller's address, or where that is not known the peer's.
func (r *request) seenAddress() string {
	if r.addressErr == nil {
		return r.address.String()
	}
	return "unknown, by way of " + shortened(r.c.Request.RemoteAddr)
}

// enter fails unless the caller may come to the endpoint.
func (r *request) enter(e endpoint) error {
	if e.entry == everybody {
		return r.enterOpen()
	}
	if err := r.admit(); err != nil {
		return r.refused(err)
	}
	if e.entry == whitelisted || e.entry == signedInOrLink && r.hasLink() {
		return r.chargeAddress()
	}
	if err := r.signIn(e); err != nil {
		return r.refused(err)
	}
	if err := r.charge(e.limit); err != nil {
		return err
	}
	if len(e.scopes) > 0 {
		return r.need(e.scopes...)
	}
	return nil
}

// enterOpen counts a request that nobody need sign in for. This host's own health checks are not counted.
func (r *request) enterOpen() error {
	if r.addressErr == nil && r.address.IsLoopback() {
		r.showAddress()
		return nil
	}
	return r.chargeAddress()
}

// refused counts a request that was not let in against its address, beyond which it hears nothing else.
// What was no fault of the caller's is not counted: it would then be told that it was.
func (r *request) refused(err error) error {
	f := faultOf(err, r.id)
	if statusOf(f.Code) >= http.StatusInternalServerError {
		r.showAddress()
		return err
	}
	if limited := r.chargeAddress(); limited != nil && f.Code != fault.RateLimited {
		return limited
	}
	return err
}

// need fails unless the caller has one of the scopes.
func (r *request) need(scopes ...token.Scope) error {
	if r.caller.May(scopes...) {
		return nil
	}
	return fault.Errorf(fault.Forbidden, "these credentials lack the scope %s; use a token that has it", scopes[0])
}

// admit fails unless the caller's address is known and on the whitelist.
func (r *request) admit() error {
	if r.addressErr != nil {
		return r.addressErr
	}
	if !r.s.whitelist.Allows(r.address) {
		return &fault.Error{Code: fault.NotWhitelisted, Message: accessDenied}
	}
	return nil
}

// signIn reads the parameters and checks the credentials among them.
func (r *request) signIn(e endpoint) error {
	if err := r.readParams(e); err != nil {
		return err
	}
	given, err := access.CredentialsOf(r.c.Request.Header, r.params.get("username"), r.params.raw("password"))
	if err != nil {
		return err
	}
	r.tried = given.Username
	who, err := r.s.credentials.Authenticate(r.context(), r.address, given)
	if err != nil {
		if who.Name != "" { // a token that no longer serves
			r.tried = who.Name
		}
		if fault.Is(err, fault.AuthenticationFailed) {
			r.s.gate.Hold(r.context(), r.s.stopping, r.address)
		}
		return err
	}
	r.caller = who
	if who.IsToken {
		r.s.tokens.Used(who.ID, r.address)
	}
	return nil
}

// maxIgnored bounds how many ignored parameters are named.
const maxIgnored = 20

// readParams leaves out what the endpoint does not take, so that no handler reads what is not described.
func (r *request) readParams(e endpoint) error {
	given, err := readParams(r.c.Writer, r.c.Request, paramLimits{
		body: int64(r.s.settings.MaxBodyBytes), count: r.s.settings.MaxParams, value: int(r.s.settings.MaxParamBytes),
	})
	for name := range given {
		if !e.takes(name) {
			delete(given, name)
			r.ignored = append(r.ignored, quoted(name))
		}
	}
	slices.Sort(r.ignored)
	r.params, r.ignored = given, r.ignored[:min(len(r.ignored), maxIgnored)]
	return err
}

func shortened(s string) string { return s[:min(len(s), maxLogged)] }
