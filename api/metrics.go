package api

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is what Prometheus is told: the requests of this process, and jobs, queues and the health of
// the parts as every process sees them.
type metrics struct {
	requests *requestMetrics
	handler  http.Handler
}

// newMetrics has a registry of its own, so that no library's counters get among ours.
func newMetrics(o Options) *metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&partsCollector{o: o},
	)
	return &metrics{
		requests: newRequestMetrics(registry),
		handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			ErrorHandling: promhttp.ContinueOnError,
			ErrorLog:      slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		}),
	}
}

// serveMetrics answers a scrape of this host's own, or of an address on the whitelist: no credentials,
// since a scraper on the host should hold none.
func (s *Server) serveMetrics(r *request) error {
	if r.addressErr != nil || !r.address.IsLoopback() {
		if err := r.admit(); err != nil {
			return err
		}
	}
	r.c.Header("X-Content-Type-Options", "nosniff")
	r.c.Header("Cache-Control", "no-store")
	s.metrics.handler.ServeHTTP(r.c.Writer, r.c.Request)
	return nil
}
