package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/version"
)

// readyTimeout bounds each of the questions of a readiness check.
const readyTimeout = 2 * time.Second

// health is the answer of /healthz and /readyz.
type health struct {
	Status string `json:"status" enum:"ok,ready,not ready"`
	// Parts are ok, or what is wrong, by part; for callers of this host or on the whitelist.
	Parts map[string]string `json:"parts,omitempty"`
	// Version is the build that answers: version, revision, time; for the same callers.
	Version string `json:"version,omitempty"`
}

func (s *Server) healthEndpoints() []endpoint {
	figures := "Figures in Prometheus' text format."
	return []endpoint{
		{
			id: "healthz", summary: "Is the process alive?", methods: []string{"GET", "HEAD"}, path: "/healthz",
			entry: everybody, answer: s.healthz,
			replies: []reply{{status: 200, about: "It is.", body: health{}}},
		},
		{
			id: "readyz", summary: "Can callers be served?", methods: []string{"GET", "HEAD"}, path: "/readyz",
			entry: everybody, answer: s.readyz,
			replies: []reply{
				{status: 200, about: "They can.", body: health{}},
				{status: 503, about: "They cannot.", body: health{}},
			},
		},
		{
			id: "metrics", summary: "Figures for Prometheus; for this host and the whitelist", methods: []string{"GET", "HEAD"}, path: "/metrics",
			entry: everybody, answer: s.serveMetrics,
			replies: []reply{{status: 200, about: figures, media: "text/plain"}},
			faults:  []fault.Code{fault.NotWhitelisted, fault.UntrustedProxy, fault.UnknownAddress, fault.Unavailable},
		},
		{
			id: "describe", summary: "This description", methods: []string{"GET", "HEAD"}, path: "/openapi.json",
			entry: whitelisted, answer: s.describe,
			replies: []reply{{status: 200, about: "OpenAPI 3.1.", body: map[string]any{}}},
		},
	}
}

// healthz says that the process is alive.
func (s *Server) healthz(r *request) error {
	r.answer(http.StatusOK, health{Status: "ok"})
	return nil
}

// readyz says whether callers can be served: the database and Redis answer, and there is a whitelist.
// Switches and the export folder are shown and do not count: what waits for a switch is safe as a job,
// and taking every front end away would not bring the switch back.
func (s *Server) readyz(r *request) error {
	ctx, cancel := context.WithTimeout(r.context(), readyTimeout)
	defer cancel()
	needed := map[string]func(context.Context) error{
		"database":  s.pbx.Pool.Ping,
		"redis":     s.tasks.PingRedis,
		"whitelist": s.whitelistReady,
	}
	shown := map[string]func(context.Context) error{}
	details := r.addressErr == nil && (r.address.IsLoopback() || s.whitelist.Allows(r.address))
	if details {
		shown["export folder"] = s.exportFolderReady
		for _, sw := range s.pbx.Switches {
			shown["switch "+sw.Addr()] = func(ctx context.Context) error {
				_, err := sw.Status(ctx)
				return err
			}
		}
	}
	wrong, also := askAll(ctx, needed), askAll(ctx, shown)
	answer, status := health{Status: "ready"}, http.StatusOK
	if len(wrong) > 0 {
		answer.Status, status = "not ready", http.StatusServiceUnavailable
	}
	if details {
		answer.Parts, answer.Version = map[string]string{}, version.This().String()
		for part := range needed {
			answer.Parts[part] = okOr(wrong[part])
		}
		for part := range shown {
			answer.Parts[part] = okOr(also[part])
		}
	}
	r.answer(status, answer)
	return nil
}

func okOr(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// askAll asks all at once and returns what is wrong, by part.
func askAll(ctx context.Context, parts map[string]func(context.Context) error) map[string]error {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		wrong = map[string]error{}
	)
	for part, ask := range parts {
		wg.Go(func() {
			if err := ask(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				wrong[part] = err
			}
		})
	}
	wg.Wait()
	return wrong
}

func (s *Server) whitelistReady(context.Context) error {
	if s.whitelist.Count() > 0 {
		return nil
	}
	return errors.New(s.whitelist.Trouble())
}

// exportFolderReady reports whether workers write where this front end reads. Before the first worker
// there is nothing to compare.
func (s *Server) exportFolderReady(ctx context.Context) error {
	err := s.o.Exporter.CheckStore(ctx)
	if errors.Is(err, cdr.ErrUnmarked) {
		return nil
	}
	return err
}
