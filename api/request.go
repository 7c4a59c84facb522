package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"trunkline/internal/fusionpbx"
	"trunkline/tasks"
)

// request is one request and what has been found out about it.
type request struct {
	c    *gin.Context
	s    *Server
	id   string
	form form

	address    netip.Addr // the caller's; not valid where addressErr is set
	addressErr error

	params params
	user   fusionpbx.User // once signed in

	tried  string // the user's name that did not sign in
	denial string // the code of the error that it ended with
	cause  error  // what lies behind that, for the log
}

const (
	requestKey = "request"
	// maxLogged bounds what is logged of a caller's own text, in bytes.
	maxLogged = 200
)

func requestOf(c *gin.Context) *request { return c.MustGet(requestKey).(*request) }

// saneRequestID is what a caller's own request id must look like to be taken over.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// observe gives each request its id, finds its address, logs it, and keeps a panic from ending more
// than this one request.
func (s *Server) observe(c *gin.Context) {
	began := time.Now()
	r := &request{c: c, s: s, id: c.GetHeader("X-Request-Id")}
	if !saneRequestID.MatchString(r.id) {
		r.id = uuid.NewString()
	}
	c.Header("X-Request-Id", r.id)
	c.Set(requestKey, r)
	r.address, r.addressErr = s.locator.locate(c.Request)
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.log.Error("panic", "request_id", r.id, "panic", p, "stack", string(debug.Stack()))
			r.fail(failureOf(errors.New("panic"), r.id))
		}
		r.log(time.Since(began))
	}()
	c.Next()
}

// log writes the request's line: never its query, its body or its headers.
func (r *request) log(took time.Duration) {
	req := r.c.Request
	status := r.c.Writer.Status()
	attrs := []slog.Attr{
		slog.String("request_id", r.id),
		slog.String("address", r.seenAddress()),
		slog.String("method", shortened(req.Method)),
		slog.String("path", shortened(req.URL.Path)),
		slog.Int("status", status),
		slog.Float64("ms", float64(took.Microseconds())/1e3),
	}
	if r.user.Name != "" {
		attrs = append(attrs, slog.String("user", r.who()))
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

// who is the user in full, for people: name@domain.
func (r *request) who() string { return r.user.Name + "@" + r.user.DomainName }

// scope is whose jobs the user may see.
func (r *request) scope() tasks.Scope {
	if r.user.Role == fusionpbx.RoleSuperadmin {
		return tasks.Scope{All: true}
	}
	return tasks.Scope{DomainUUID: r.user.DomainUUID}
}

// admit fails unless the caller's address is known and on the whitelist.
func (r *request) admit() error {
	if r.addressErr != nil {
		return r.addressErr
	}
	if !r.s.whitelist.allows(r.address) {
		return &failure{Code: codeNotWhitelisted, Message: accessDenied}
	}
	return nil
}

// signIn reads the parameters and checks the credentials among them.
func (r *request) signIn() error {
	if err := r.readParams(); err != nil {
		return err
	}
	given, err := credentialsOf(r.c.Request, r.params)
	if err != nil {
		return err
	}
	r.tried = given.username
	user, err := r.s.credentials.check(r.c.Request.Context(), given)
	if err != nil {
		return err
	}
	r.user = user
	return nil
}

func (r *request) readParams() error {
	var err error
	r.params, err = readParams(r.c.Writer, r.c.Request, int64(r.s.settings.MaxBodyBytes))
	return err
}

func shortened(s string) string { return s[:min(len(s), maxLogged)] }
