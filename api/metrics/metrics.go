// Package metrics is what Prometheus is told: the requests of this process, and jobs, queues and the
// health of the parts as every process sees them. It must not know what an endpoint does, nor who calls.
package metrics

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"trunkline/internal/cache"
	"trunkline/internal/fault"
	"trunkline/internal/pbx"
	"trunkline/internal/schedule/store"
	"trunkline/tasks"
)

// Options are what the metrics are of. Log gets what goes wrong in a scrape.
type Options struct {
	PBX       *pbx.PBX
	Tasks     *tasks.Client
	Schedules *store.Store
	Denials   []fault.Code // those that refuse a caller rather than what it asked for
	Log       *slog.Logger
}

// Metrics count the requests of one front end and answer scrapes.
type Metrics struct {
	http.Handler // of a scrape
	Requests     *Requests
}

// New returns metrics with a registry of their own, so that no library's counters get among ours.
func New(o Options) *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&partsCollector{o: o, last: cache.New[[]prometheus.Metric](cache.Options{Most: 1, ReadTimeout: partsTimeout})},
	)
	return &Metrics{
		Requests: newRequests(registry, o.Denials),
		Handler: promhttp.HandlerFor(registry, promhttp.HandlerOpts{
			ErrorHandling: promhttp.ContinueOnError,
			ErrorLog:      slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
		}),
	}
}
