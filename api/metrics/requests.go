package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"trunkline/internal/fault"
)

const (
	// Unrouted is the endpoint of a request for a path that there is not.
	Unrouted    = "unrouted"
	otherMethod = "other"
	// statusLimit is beyond every HTTP status.
	statusLimit = 600
)

// Methods are those that are told apart. What a caller makes up is otherMethod.
var Methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

// statuses are the HTTP statuses as text, so that no request has to make its own.
var statuses = func() (texts [statusLimit]string) {
	for status := range texts {
		texts[status] = strconv.Itoa(status)
	}
	return texts
}()

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

// Observe counts one answered request.
func (r *Requests) Observe(endpoint, method string, status int, took time.Duration) {
	if !slices.Contains(Methods, method) {
		method = otherMethod
	}
	if status < 0 || status >= statusLimit {
		status = 0
	}
	r.durations.WithLabelValues(endpoint, method).Observe(took.Seconds())
	r.requests.WithLabelValues(endpoint, method, statuses[status]).Inc()
}
