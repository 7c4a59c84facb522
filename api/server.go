// Package api is the front end: the endpoints at FusionPBX's documented paths, and /v1. The machinery of
// HTTP is package web; each resource has a package beside it. They answer quick requests themselves, hand
// the rest to workers as jobs, and wait for them as long as the caller likes. They read FusionPBX's tables
// and the switches, and change neither: what changes the PBX is package worker's, which they must not know.
package api

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"trunkline/api/admin"
	"trunkline/api/cdrs"
	"trunkline/api/console"
	"trunkline/api/deliveries"
	"trunkline/api/gateways"
	"trunkline/api/jobs"
	"trunkline/api/metrics"
	"trunkline/api/schedules"
	"trunkline/api/status"
	"trunkline/api/web"
	"trunkline/internal/audit"
	"trunkline/internal/cdr"
	"trunkline/internal/certificate"
	"trunkline/internal/config"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/pbx"
	"trunkline/internal/ratelimit"
	"trunkline/internal/schedule/store"
	"trunkline/internal/session"
	"trunkline/internal/token"
	"trunkline/internal/whitelist"
	"trunkline/tasks"
)

const (
	// headerTimeout bounds how long a caller takes to send the head of a request.
	headerTimeout = 10 * time.Second
	// readTimeout bounds how long a caller takes to send a whole request.
	readTimeout = 30 * time.Second
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
	// Schedules are kept by the clock of this process.
	Schedules *store.Store
	Audit     *audit.Log // somebody has to run it
	Log       *slog.Logger
	// Listener is where Run serves, in place of Settings.Listen: for a caller that has to know the
	// address beforehand. Run closes it.
	Listener net.Listener
	// Limiter counts requests and failed logins. Whoever makes it runs it.
	Limiter *ratelimit.Limiter
}

// Server is the front end.
type Server struct {
	o           Options
	front       *web.Front
	whitelist   *whitelist.List
	admitted    *whitelist.List // to the console; often the same
	metrics     *metrics.Metrics
	certificate *certificate.Certificate // nil: plain HTTP
	handler     http.Handler

	jobs     *jobs.Service
	gateways *gateways.Service
	cdrs     *cdrs.Service
	status   *status.Service
	admin    *admin.Service
	console  *console.Service

	deliveries *deliveries.Service
	schedules  *schedules.Service
}

// New returns a front end whose whitelist has been read. A whitelist that cannot be used is no error:
// it denies everybody until it is mended, and the log says so.
func New(o Options) (*Server, error) {
	s := &Server{o: o, whitelist: whitelist.Open(o.Settings.Whitelist, o.Log)}
	s.admitted = s.whitelist
	if file := o.Settings.ConsoleWhitelist; file != "" && file != o.Settings.Whitelist {
		s.admitted = whitelist.Open(file, o.Log)
	}
	if o.Settings.TLSCert != "" {
		var err error
		if s.certificate, err = certificate.Open(o.Settings.TLSCert, o.Settings.TLSKey, o.Log); err != nil {
			return nil, err
		}
	}
	s.metrics = metrics.New(metrics.Options{PBX: o.PBX, Tasks: o.Tasks, Schedules: o.Schedules, Denials: web.Denials(), Log: o.Log})
	s.front = web.New(web.Options{
		Settings: o.Settings, DB: o.PBX.FusionPBX, Tokens: token.NewStore(o.PBX.Pool, o.Settings.TokensPerDomain, o.Log), Whitelist: s.whitelist,
		Sessions: &session.Store{
			Pool: o.PBX.Pool, Keys: o.Tasks.Keys(), Idle: o.Settings.ConsoleIdle, Life: o.Settings.ConsoleLife, Most: o.Settings.ConsoleSessions,
		},
		Console: s.admitted, Limiter: o.Limiter, Audit: o.Audit, Metrics: s.metrics, Log: o.Log,
	})
	kept, box := destinations.New(o.PBX.Pool, o.Tasks.Keys(), o.Settings), outbox.NewBox(o.PBX.Pool, o.Tasks)
	s.jobs = jobs.New(s.front, o.Tasks, kept, map[tasks.Kind]jobs.Kind{
		tasks.KindExport: {Show: func(r *web.Request, job tasks.Job) (any, error) { return s.cdrs.Show(r, job) }},
		tasks.KindBulk: {
			ShowItems: func(_ *web.Request, job tasks.Job, items []tasks.Item) (any, error) {
				return gateways.ShowItems(job, items)
			},
			ItemsFile: func(r *web.Request, job tasks.Job, state tasks.ItemState) error {
				return s.gateways.ItemsFile(r, job, state)
			},
			JudgeRetry: func(r *web.Request, job tasks.Job) (any, error) { return s.gateways.JudgeBulkRetry(r, job) },
		},
		tasks.KindProvision: {JudgeRetry: func(r *web.Request, job tasks.Job) (any, error) { return s.gateways.JudgeRetry(r, job) }},
	})
	s.gateways = gateways.New(o.Settings, o.PBX, o.Tasks, s.jobs)
	s.cdrs = cdrs.New(o.Settings, o.Exporter, o.Tasks, s.jobs, kept, box)
	s.deliveries = deliveries.New(o.PBX.FusionPBX, kept, box, o.Settings)
	s.schedules = schedules.New(o.Settings, o.PBX.FusionPBX, o.Schedules, kept, box, s.cdrs)
	s.status = status.New(o.Settings, o.PBX)
	s.admin = admin.New(s.front, o.PBX.Pool)
	s.console = console.New(console.Options{
		Settings: o.Settings, Status: s.status, Gateways: s.gateways, Jobs: s.jobs, CDRs: s.cdrs, Deliveries: s.deliveries, Schedules: s.schedules, Admin: s.admin, Troubles: s.troubles,
		OpenAPI: described(),
	})
	s.handler = s.front.Handler(append(s.groups(), s.console.Pages()))
	return s, nil
}

// groups are every path that there is for programs, by resource.
func (s *Server) groups() []web.Group {
	return []web.Group{
		{Name: "connection", About: "Is the caller's address on the whitelist?", Endpoints: connectionEndpoints()},
		{Name: "pbx", About: "The PBX: status and registrations.", Endpoints: s.status.Endpoints()},
		{Name: "gateways", About: "Gateways.", Endpoints: s.gateways.Endpoints()},
		{Name: "cdr", About: "CDRs and usage.", Endpoints: s.cdrs.Endpoints()},
		{Name: "deliveries", About: "Where files are brought, and what became of that.", Endpoints: s.deliveries.Endpoints()},
		{Name: "schedules", About: "What exports CDRs at its times.", Endpoints: s.schedules.Endpoints()},
		{Name: "jobs", About: "Jobs: what takes long.", Endpoints: s.jobs.Endpoints()},
		{Name: "queues", About: "What jobs wait in, and the workers that run them.", Endpoints: s.jobs.QueueEndpoints()},
		{Name: "access", About: "Tokens, the whitelist, the audit.", Endpoints: s.admin.Endpoints()},
		{Name: "console", About: "The web console at /console, for people.", Endpoints: s.console.Endpoints()},
		{Name: "health", About: "For machines.", Endpoints: s.healthEndpoints()},
	}
}

// Handler returns the front end without a listener. Changes of the whitelist that are
// not its own take effect only while Run runs.
func (s *Server) Handler() http.Handler { return s.handler }

// Listen takes the address of the settings. Callers wait until Run answers them.
func Listen(settings config.Settings) (net.Listener, error) {
	listener, err := net.Listen("tcp", settings.Listen)
	if err != nil {
		return nil, fmt.Errorf("TRUNKLINE_LISTEN: %w; free the port or choose another address", err)
	}
	return listener, nil
}

// Run serves, over TLS if there is a certificate, until ctx is done. Then it takes no more requests,
// lets waiting callers go with the state that their jobs have by then, and returns when all are answered
// or ShutdownTimeout has passed.
func (s *Server) Run(ctx context.Context) error {
	listener := s.o.Listener
	if listener == nil {
		var err error
		if listener, err = Listen(s.o.Settings); err != nil {
			return err
		}
	}
	watchCtx, stopWatching := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { s.whitelist.Watch(watchCtx) })
	if s.admitted != s.whitelist {
		watching.Go(func() { s.admitted.Watch(watchCtx) })
	}
	defer func() {
		stopWatching()
		watching.Wait()
	}()
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      s.o.Settings.WaitMax + web.AnswerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	serve := server.Serve
	if s.certificate != nil {
		watching.Go(func() { s.certificate.Watch(watchCtx) })
		server.TLSConfig = s.certificate.Config()
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- serve(listener) }()
	s.o.Log.Info("front end listens", "address", listener.Addr().String(), "tls", s.certificate != nil)
	select {
	case err := <-served:
		return fmt.Errorf("serving %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	return s.shutDown(ctx, server, served)
}

func (s *Server) shutDown(ctx context.Context, server *http.Server, served <-chan error) error {
	s.front.Stop()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Settings.ShutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		s.o.Log.Warn("callers are cut off", "after", s.o.Settings.ShutdownTimeout, "error", err)
		if err := server.Close(); err != nil {
			s.o.Log.Debug("closing connections", "error", err)
		}
	}
	<-served
	s.o.Log.Info("front end stopped")
	return nil
}
