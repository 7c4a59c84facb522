package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/schedule/store"
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

func (s *Server) healthEndpoints() []web.Endpoint {
	return []web.Endpoint{
		{
			ID: "healthz", Summary: "Is the process alive?", Methods: []string{"GET", "HEAD"}, Path: "/healthz",
			Entry: web.Everybody, Answer: web.JSON(http.StatusOK, healthz),
			Replies: []web.Reply{{Status: 200, About: "It is.", Body: health{}}},
		},
		{
			ID: "readyz", Summary: "Can callers be served?", Methods: []string{"GET", "HEAD"}, Path: "/readyz",
			Entry: web.Everybody, Answer: s.readyz,
			Replies: []web.Reply{
				{Status: 200, About: "They can.", Body: health{}},
				{Status: 503, About: "They cannot.", Body: health{}},
			},
		},
		{
			ID: "metrics", Summary: "Figures for Prometheus; for this host and the whitelist", Methods: []string{"GET", "HEAD"}, Path: "/metrics",
			Entry: web.Everybody, Answer: s.serveMetrics,
			Replies: []web.Reply{{Status: 200, About: "Figures in Prometheus' text format.", Media: []string{"text/plain"}}},
			Faults:  []fault.Code{fault.NotWhitelisted, fault.UntrustedProxy, fault.UnknownAddress, fault.Unavailable},
		},
		{
			ID: "start", Summary: "Where the description is", Methods: []string{"GET", "HEAD"}, Path: "/",
			Entry: web.Whitelisted, Answer: web.JSON(http.StatusOK, point),
			Replies: []web.Reply{{Status: 200, About: "The path of the description.", Body: signpost{}}},
		},
		{
			ID: "describe", Summary: "This description", Methods: []string{"GET", "HEAD"}, Path: "/openapi.json",
			Entry: web.Whitelisted, Answer: describe,
			Replies: []web.Reply{{Status: 200, About: "OpenAPI 3.1.", Body: map[string]any{}}},
		},
	}
}

// healthz says that the process is alive.
func healthz(r *web.Request) (answer health, err error) {
	return health{Status: ok}, nil
}

// readyz says whether callers can be served: the database and Redis answer, and there is a whitelist.
// Switches, schedules and the export store are shown and do not count: what waits for a switch is safe as a job,
// and taking every front end away would not bring the switch back.
func (s *Server) readyz(r *web.Request) error {
	ctx, cancel := context.WithTimeoutCause(r.Context(), readyTimeout, fmt.Errorf("it does not answer within %s", readyTimeout))
	defer cancel()
	parts := s.neededParts()
	needed := slices.Collect(maps.Keys(parts))
	details := r.FromThisHost() || r.Admit() == nil
	if details {
		maps.Copy(parts, s.otherParts())
	}
	found := askAll(ctx, parts)
	answer, status := health{Status: "ready"}, http.StatusOK
	if slices.ContainsFunc(needed, func(part string) bool { return found[part] != ok }) {
		answer.Status, status = "not ready", http.StatusServiceUnavailable
	}
	if details {
		answer.Parts, answer.Version = found, version.This()
	}
	r.Answer(status, answer)
	return nil
}

// neededParts are those without which callers are not served, each with the question how it is.
func (s *Server) neededParts() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"database":  s.o.PBX.Pool.Ping,
		"redis":     s.o.Tasks.PingRedis,
		"whitelist": s.whitelistReady,
	}
}

// otherParts are the export store, schedules and the switches.
func (s *Server) otherParts() map[string]func(context.Context) error {
	store := "export folder"
	if s.o.Settings.ExportStore != "" {
		store = "export store"
	}
	parts := map[string]func(context.Context) error{store: s.exportStoreReady, "schedules": s.schedulesReady, "queues": s.queuesReady}
	for _, sw := range s.o.PBX.Switches {
		parts["switch "+sw.Addr()] = func(ctx context.Context) error {
			_, err := sw.Status(ctx)
			return err
		}
	}
	return parts
}

// troubles are what is wrong with each part, the workers among them; "" if nothing is.
func (s *Server) troubles(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	parts := s.neededParts()
	maps.Copy(parts, s.otherParts())
	parts["workers"] = s.workersReady
	found := askAll(ctx, parts)
	for part, said := range found {
		if said == ok {
			found[part] = ""
		}
	}
	return found
}

func (s *Server) workersReady(ctx context.Context) error {
	n, err := s.o.Tasks.Workers(ctx)
	if err == nil && n == 0 {
		err = errors.New("no worker runs")
	}
	return err
}

// ok is what is said of a part that has nothing wrong with it.
const ok = "ok"

// askAll asks all at once and returns by part that it is ok, or what is wrong.
func askAll(ctx context.Context, parts map[string]func(context.Context) error) map[string]string {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		found = map[string]string{}
	)
	for part, ask := range parts {
		wg.Go(func() {
			said := ok
			if err := ask(ctx); err != nil {
				said = fault.Text(err)
			}
			mu.Lock()
			defer mu.Unlock()
			found[part] = said
		})
	}
	wg.Wait()
	return found
}

func (s *Server) whitelistReady(context.Context) error {
	if s.whitelist.Count() > 0 {
		return nil
	}
	return errors.New(s.whitelist.Trouble())
}

// exportStoreReady reports whether workers write where this front end reads. Before the first worker
// there is nothing to compare.
func (s *Server) exportStoreReady(ctx context.Context) error {
	err := s.o.Exporter.CheckStore(ctx)
	if errors.Is(err, cdr.ErrUnmarked) {
		return nil
	}
	return err
}

// maxNamed is how many failed windows are named.
const maxNamed = 5

// schedulesReady reports which windows of schedules have failed, and whether nobody looks after schedules. It names no tenant:
// whoever is on the whitelist sees it.
func (s *Server) schedulesReady(ctx context.Context) error {
	counts, err := s.o.Schedules.Counts(ctx, s.o.Schedules.Now().Add(-store.OverdueAfter))
	if err != nil {
		return err
	}
	var wrong []string
	if counts.Failed > 0 {
		failed, err := s.o.Schedules.FailedWindows(ctx, maxNamed)
		if err != nil {
			return err
		}
		var names []string
		for _, w := range failed {
			names = append(names, w.Label()+" of schedule "+w.ScheduleID)
		}
		if len(failed) < counts.Failed {
			names = append(names, "and others")
		}
		wrong = append(wrong, fmt.Sprintf("failed windows: %d (%s); run them again, or skip them", counts.Failed, strings.Join(names, ", ")))
	}
	if counts.Overdue > 0 {
		wrong = append(wrong, fmt.Sprintf("overdue schedules: %d; see whether a scheduler runs", counts.Overdue))
	}
	if counts.Unreadable > 0 {
		wrong = append(wrong, fmt.Sprintf("unreadable schedules: %d; GET /v1/schedules?failing=true says why", counts.Unreadable))
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// queuesReady reports which queues are paused. By whom and why is for those who may ask for queues.
func (s *Server) queuesReady(ctx context.Context) error {
	paused, err := s.o.Tasks.Paused(ctx)
	if err != nil || len(paused) == 0 {
		return err
	}
	var names []string
	for _, p := range paused {
		names = append(names, p.Queue)
	}
	return fmt.Errorf("paused queues: %s; GET /v1/queues says by whom and why", strings.Join(names, ", "))
}

// serveMetrics answers a scrape of this host's own, or of an address on the whitelist: no credentials,
// since a scraper on the host should hold none.
func (s *Server) serveMetrics(r *web.Request) error {
	if !r.FromThisHost() {
		if err := r.Admit(); err != nil {
			return err
		}
	}
	r.SetHeader("X-Content-Type-Options", "nosniff")
	r.Unstored()
	s.metrics.ServeHTTP(r.Writer(), r.HTTP())
	return nil
}
