package metrics

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/internal/fault"
)

const (
	// unrouted is the endpoint of a request for a path that there is not.
	unrouted = "unrouted"
	// statusLimit is beyond every HTTP status.
	statusLimit = 600
)

// methods are those that are told apart; what a caller makes up is the last one.
var methods = [...]string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "other",
}

func methodIndex(method string) int {
	last := len(methods) - 1
	for i, known := range methods[:last] {
		if method == known {
			return i
		}
	}
	return last
}

// durationBuckets are in seconds: status takes a few milliseconds, an answer that waits for its job up
// to WaitMax.
var durationBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// Requests count requests. No label is ever a caller's text: an endpoint is a route's template, a method
// one of methods, a code one of ours.
type Requests struct {
	InFlight  prometheus.Gauge
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	denials   map[fault.Code]prometheus.Counter
	unrouted  *Route
}

func newRequests(registry *prometheus.Registry, denials []fault.Code) *Requests {
	r := &Requests{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trunkline_requests_total", Help: "Requests answered, by the route's template, method and HTTP status.",
		}, []string{"endpoint", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trunkline_request_duration_seconds", Help: "How long answers took, the wait for a job included.", Buckets: durationBuckets,
		}, []string{"endpoint", "method"}),
		InFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "trunkline_requests_in_flight", Help: "Requests that are being answered.",
		}),
		denials: map[fault.Code]prometheus.Counter{},
	}
	byReason := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "trunkline_denials_total", Help: "Requests refused for their address, credentials, scope or rate, by the answer's code.",
	}, []string{"reason"})
	for _, code := range denials {
		r.denials[code] = byReason.WithLabelValues(code)
	}
	registry.MustRegister(r.requests, r.durations, r.InFlight, byReason)
	r.unrouted = &Route{of: r, Endpoint: unrouted}
	return r
}

// Denied counts a request that ended with the code, if that refuses callers, and reports whether it does.
func (r *Requests) Denied(code fault.Code) bool {
	counter, known := r.denials[code]
	if known {
		counter.Inc()
	}
	return known
}

// Route is one endpoint's metrics. What a request needs of them is found without a look-up by labels.
type Route struct {
	Endpoint string // the route's template, or unrouted
	of       *Requests
	methods  [len(methods)]atomic.Pointer[methodMetrics]
}

type methodMetrics struct {
	duration prometheus.Observer
	codes    [statusLimit]atomic.Pointer[prometheus.Counter]
}

// Route is the metrics of the endpoint at the path, "" for requests that come to none.
func (r *Requests) Route(path string) *Route {
	if path == "" {
		return r.unrouted
	}
	return &Route{of: r, Endpoint: path}
}

// Observe counts one answered request. Two that are the first of their kind at once both make the
// pointers to one and the same counter.
func (r *Route) Observe(method string, status int, took time.Duration) {
	i := methodIndex(method)
	of := r.methods[i].Load()
	if of == nil {
		of = &methodMetrics{duration: r.of.durations.WithLabelValues(r.Endpoint, methods[i])}
		if !r.methods[i].CompareAndSwap(nil, of) {
			of = r.methods[i].Load()
		}
	}
	of.duration.Observe(took.Seconds())
	if status < 0 || status >= statusLimit {
		status = 0
	}
	counter := of.codes[status].Load()
	if counter == nil {
		made := r.of.requests.WithLabelValues(r.Endpoint, methods[i], strconv.Itoa(status))
		counter = &made
		of.codes[status].Store(counter)
	}
	(*counter).Inc()
}
