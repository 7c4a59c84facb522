// Package api is the front end: HTTP, who may call, the endpoints at FusionPBX's documented paths,
// and /v1. It answers quick requests itself, hands the rest to workers as jobs, and waits for them as
// long as the caller likes. It reads FusionPBX's tables and the switches, and changes neither: what
// changes the PBX is package worker's, which this package must not know.
package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"trunkline/internal/access"
	"trunkline/internal/audit"
	"trunkline/internal/authlog"
	"trunkline/internal/cache"
	"trunkline/internal/cdr"
	"trunkline/internal/certificate"
	"trunkline/internal/config"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/ratelimit"
	"trunkline/internal/token"
	"trunkline/internal/whitelist"
	"trunkline/tasks"
)

const (
	// headerTimeout bounds how long a caller takes to send the head of a request.
	headerTimeout = 10 * time.Second
	// readTimeout bounds how long a caller takes to send a whole request.
	readTimeout = 30 * time.Second
	// answerTimeout bounds, beyond the longest wait for a job, how long an answer takes to be made and sent.
	answerTimeout = 60 * time.Second
	// idleTimeout is how long a connection is kept for the caller's next request.
	idleTimeout = 2 * time.Minute
	// maxHeaderBytes bounds the head of a request.
	maxHeaderBytes = 64 << 10
)

// Options is what a front end works with. All but Listener are needed.
type Options struct {
	Settings config.Settings
	PBX      *pbx.PBX
	Tasks    *tasks.Client
	Exporter cdr.Exporter
	Audit    *audit.Log // somebody has to run it
	Log      *slog.Logger
	// Listener is where Run serves, in place of Settings.Listen: for a caller that has to know the
	// address beforehand. Run closes it.
	Listener net.Listener
	// Limiter counts requests and failed logins. Whoever makes it runs it.
	Limiter *ratelimit.Limiter
}

// Server is the front end.
type Server struct {
	o           Options
	settings    config.Settings
	log         *slog.Logger
	pbx         *pbx.PBX
	db          *fusionpbx.DB // the PBX's
	tasks       *tasks.Client
	whitelist   *whitelist.List
	locator     access.Locator
	tokens      *token.Store
	credentials *access.Authenticator
	limiter     *ratelimit.Limiter
	gate        *access.Gate
	now         *cache.Cache[*pbxNow]
	streams     chan struct{} // has a value for each caller who follows a job's events
	audit       *audit.Log
	metrics     *metrics
	certificate *certificate.Certificate // nil: plain HTTP
	handler     http.Handler
	// stopping ends when the server shuts down, and with it every wait for a job.
	stopping context.Context
	stop     context.CancelFunc
}

// releaseMode keeps gin from printing to standard output.
var releaseMode = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// New returns a front end whose whitelist has been read. A whitelist that cannot be used is no error:
// it denies everybody until it is mended, and the log says so.
func New(o Options) (*Server, error) {
	releaseMode()
	s := &Server{
		o:         o,
		settings:  o.Settings,
		log:       o.Log,
		pbx:       o.PBX,
		db:        o.PBX.FusionPBX,
		tasks:     o.Tasks,
		whitelist: whitelist.Open(o.Settings.Whitelist, o.Log),
		locator:   access.NewLocator(o.Settings.TrustedProxies),
		tokens:    token.NewStore(o.PBX.Pool, o.Log),
		limiter:   o.Limiter,
	}
	s.gate = access.NewGate(access.GateLimits{
		OfName: o.Settings.LoginFailures, OfAddress: o.Settings.LoginFailuresAddress,
		Window: o.Settings.LoginFailuresWindow, MaxDelay: o.Settings.LoginDelayMax,
	}, o.Limiter, authlog.New(o.Settings.AuthLog, o.Log))
	s.credentials = access.NewAuthenticator(o.PBX.FusionPBX, s.tokens, s.gate, o.Settings.CredentialCache)
	s.now = cache.New[*pbxNow](cache.Options{Most: 1, ReadTimeout: o.Settings.StatusTimeout, Ahead: true})
	s.streams = make(chan struct{}, o.Settings.EventStreams)
	s.audit, s.metrics = o.Audit, newMetrics(o)
	if o.Settings.TLSCert != "" {
		var err error
		if s.certificate, err = certificate.Open(o.Settings.TLSCert, o.Settings.TLSKey, o.Log); err != nil {
			return nil, err
		}
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.handler = s.routes()
	return s, nil
}

// Handler returns the front end without a listener. Changes of the whitelist that are
// not its own take effect only while Run runs.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves, over TLS where there is a certificate, until ctx is done. Then it takes no more requests,
// lets waiting callers go with the state that their jobs have by then, and returns when all are answered
// or ShutdownTimeout has passed.
func (s *Server) Run(ctx context.Context) error {
	listener := s.o.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", s.settings.Listen); err != nil {
			return fmt.Errorf("TRUNKLINE_LISTEN: %w; free the port or choose another address", err)
		}
	}
	watchCtx, stopWatching := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { s.whitelist.Watch(watchCtx) })
	defer func() {
		stopWatching()
		watching.Wait()
	}()
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      s.settings.WaitMax + answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	serve := server.Serve
	if s.certificate != nil {
		watching.Go(func() { s.certificate.Watch(watchCtx) })
		server.TLSConfig = s.certificate.Config()
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- serve(listener) }()
	s.log.Info("front end listens", "address", listener.Addr().String(), "tls", s.certificate != nil)
	select {
	case err := <-served:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	return s.shutDown(ctx, server, served)
}

func (s *Server) shutDown(ctx context.Context, server *http.Server, served <-chan error) error {
	s.stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.settings.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		s.log.Warn("callers are cut off", "after", s.settings.ShutdownTimeout, "error", err)
		if err := server.Close(); err != nil {
			s.log.Debug("closing connections", "error", err)
		}
	}
	<-served
	s.log.Info("front end stopped")
	return nil
}
