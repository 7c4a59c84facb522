package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"trunkline/api/metrics"
	"trunkline/api/params"
	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/session"
	"trunkline/internal/token"
)

// Request is one request and what has been found out about it.
type Request struct {
	ID       string
	Address  netip.Addr      // the caller's; not valid if it cannot be known
	Caller   access.Caller   // once signed in
	Params   params.Values   // those that the endpoint takes, once signed in
	Ignoring                 // those that it does not take, up to maxIgnored
	Session  session.Session // at the entry Console, and at others if the request came by one

	c          *gin.Context
	front      *Front
	documented bool  // its path is
	addressErr error // why the address cannot be known

	endpoint   string   // the route's template, or metrics.Unrouted
	of         Endpoint // at which it has arrived
	domainUUID string   // of the domain that the request changes something of, if it is known

	secret  string             // of the session, if there is one
	given   access.Credentials // with which the caller signed in
	charged Limit              // what it was counted against, once signed in
	tried   string             // the name of the user or token that did not sign in
	denial  fault.Code         // the code of the error that it ended with
	cause   error              // what lies behind that, for the log

	attached bool // the answer is a file of unknown length
	broken   bool // which the error came too late for, so that the connection has to break off
}

// AnswerTimeout bounds, beyond the longest wait for a job, how long an answer takes to be made and sent.
const AnswerTimeout = 60 * time.Second

const (
	// strictTransport has a browser that came by TLS once come by nothing else for a year.
	strictTransport = "max-age=31536000"
	requestKey      = "request"
	// maxClipped bounds what is logged of a caller's own text, in bytes.
	maxClipped = 200
)

// Context ends when the caller hangs up.
func (r *Request) Context() context.Context { return r.c.Request.Context() }

// HTTP is the request as it came.
func (r *Request) HTTP() *http.Request { return r.c.Request }

// Writer takes an answer that Answer and Data cannot write.
func (r *Request) Writer() http.ResponseWriter { return r.c.Writer }

// Path is a parameter of the endpoint's path, "" if it cannot be read.
func (r *Request) Path(name string) string {
	value := r.c.Param(name)
	if r.c.Request.URL.RawPath == "" {
		return value
	}
	value, _ = url.PathUnescape(value) // the path was parsed, so that it can be
	return value
}

// With is the same request with these parameters in place of its own, for a function that reads others.
func (r *Request) With(params params.Values) *Request {
	other := *r
	other.Params = params
	return &other
}

// Header is the first value of a header of the request.
func (r *Request) Header(name string) string { return r.c.GetHeader(name) }

// SetHeader sets a header of the answer.
func (r *Request) SetHeader(name, value string) { r.c.Header(name, value) }

// saneRequestID is what a caller's own request id must look like to be taken over.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// observe gives each request its id, finds its address, logs and counts it, and keeps a panic from ending more
// than this one request.
func (f *Front) observe(c *gin.Context) {
	began := time.Now()
	r := &Request{ID: c.GetHeader("X-Request-Id"), c: c, front: f, endpoint: metrics.Unrouted}
	f.Metrics.Requests.InFlight.Inc()
	defer f.Metrics.Requests.InFlight.Dec()
	if !saneRequestID.MatchString(r.ID) || token.Within(r.ID) {
		r.ID = uuid.NewString()
	}
	c.Header("X-Request-Id", r.ID)
	if c.Request.TLS != nil { // not a proxy's connection: whether it has HSTS is for the proxy to say
		c.Header("Strict-Transport-Security", strictTransport)
	}
	c.Set(requestKey, r)
	r.Address, r.addressErr = f.locator.Locate(c.Request.RemoteAddr, c.Request.Header)
	f.warnOfProxy(c.Request)
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			f.Log.Error("panic", "request_id", r.ID, "panic", p, "stack", string(debug.Stack()))
			r.fail(FaultOf(errors.New("panic"), r.ID))
		}
		took := time.Since(began)
		if !f.Metrics.Requests.Denied(r.denial) || r.denied() {
			r.log(took)
		}
		f.Metrics.Requests.Observe(r.endpoint, c.Request.Method, c.Writer.Status(), took)
		if r.broken {
			panic(http.ErrAbortHandler)
		}
	}()
	c.Next()
}

// log writes the request's line: never its query, its body or its headers.
func (r *Request) log(took time.Duration) {
	req := r.c.Request
	status := r.c.Writer.Status()
	attrs := []slog.Attr{
		slog.String("request_id", r.ID),
		slog.String("address", r.seenAddress()),
		slog.String("endpoint", r.endpoint),
		slog.String("method", Clip(req.Method)),
		slog.String("path", Clip(token.Masked(req.URL.Path))),
		slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1e3),
	}
	if r.Caller.SignedIn() {
		attrs = append(attrs, slog.String("who", r.Caller.Name))
	} else if r.tried != "" {
		attrs = append(attrs, slog.String("tried", Clip(r.tried)))
	}
	level := slog.LevelInfo
	if r.denial != "" {
		attrs = append(attrs, slog.String("denied", r.denial))
		level = slog.LevelWarn
	}
	if r.cause != nil {
		attrs = append(attrs, slog.String("cause", r.cause.Error()))
	}
	if StatusOf(r.denial) == http.StatusInternalServerError && r.denial != "" {
		level = slog.LevelError
	}
	r.front.Log.LogAttrs(req.Context(), level, "request", attrs...)
}

// seenAddress is the caller's address, or if that is not known the peer's.
func (r *Request) seenAddress() string {
	if r.addressErr == nil {
		return r.Address.String()
	}
	return "unknown, by way of " + Clip(r.c.Request.RemoteAddr)
}

// Clip shortens a caller's own text for the log, or for a message.
func Clip(s string) string { return s[:min(len(s), maxClipped)] }
