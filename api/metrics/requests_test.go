package metrics

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// What every request pays for its metrics: nothing that the garbage collector would have to clear up.
func TestObservingAllocatesNothing(t *testing.T) {
	m := newRequests(prometheus.NewRegistry(), nil)
	observe := func() { m.Observe("/app/status/index.php", http.MethodPost, http.StatusOK, time.Millisecond) }
	observe()
	if got := testing.AllocsPerRun(1000, observe); got != 0 {
		t.Errorf("one request allocates %v times", got)
	}
}

func TestFirstRequestsAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	m := newRequests(prometheus.NewRegistry(), nil)
	var wg sync.WaitGroup
	const requests = 50
	for range requests {
		wg.Go(func() { m.Observe("/v1/jobs", http.MethodGet, http.StatusOK, time.Millisecond) })
	}
	wg.Wait()
	if got := testutil.ToFloat64(m.requests.WithLabelValues("/v1/jobs", http.MethodGet, "200")); got != requests {
		t.Errorf("%v requests were counted, want %d", got, requests)
	}
}

// A status that is none, as a caller cannot cause but a library could, breaks nothing.
func TestObservingAnyStatus(t *testing.T) {
	t.Parallel()
	m := newRequests(prometheus.NewRegistry(), nil)
	for _, status := range []int{-1, 0, statusLimit, 99999} {
		m.Observe(Unrouted, "", status, 0)
	}
	if got := testutil.ToFloat64(m.requests.WithLabelValues(Unrouted, "other", "0")); got != 4 {
		t.Errorf("%v requests were counted, want 4", got)
	}
}
