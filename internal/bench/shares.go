package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	// floodJobs is how many gateways one domain asks for at once, half of them with a registration that is waited for.
	floodJobs = 200
	// floodExports is how many exports of a year one domain asks for at once.
	floodExports = 80
	// floodEdits is how many registered gateways one domain changes all the time.
	floodEdits = 20
	// sharesCalls is how many gateways the other domain provisions on each side of a pair.
	sharesCalls = 40
	// exportPoll is how often the jobs are looked at.
	exportPoll = 20 * time.Millisecond
	// silentCarrier never answers a registration.
	silentCarrier = "silent.carrier.example"
)

// shares measures what one domain's flood does to another domain on the same PBX.
type shares struct {
	*bench
	front *process
	named int // gateways so far: each has a fresh name
}

func (b *bench) shares(ctx context.Context) error {
	if err := b.withoutIndex(ctx); err != nil {
		return err
	}
	p, err := b.start(ctx, "serve", "TRUNKLINE_EXPORT_CONCURRENCY=2", "TRUNKLINE_SYNC_EXPORT_ROWS=1", "TRUNKLINE_PROVISION_TIMEOUT=20s")
	if err != nil {
		return err
	}
	defer p.stop()
	s := &shares{bench: b, front: p}
	for _, c := range []struct {
		name          string
		measure       func(context.Context, int) (float64, error)
		beside, flood int
	}{
		{"other_tenant_provision_p95_under_flood_vs_idle", s.provisionUnderFlood, 0, floodJobs},
		{"other_tenant_provision_p95_under_edits_vs_one_edit", s.provisionUnderEdits, 1, floodEdits},
		{"other_tenant_export_seconds_under_flood_vs_idle", s.exportUnderFlood, 0, floodExports},
	} {
		var ratios []float64
		for range pairs {
			few, err := c.measure(ctx, c.beside)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			many, err := c.measure(ctx, c.flood)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Printf("# beside %d: %.3f, beside %d: %.3f\n", c.beside, few, c.flood, many)
			ratios = append(ratios, many/few)
		}
		figure(c.name, median(ratios), "ratio")
	}
	return nil
}

func (s *shares) flooding() string { return s.Sample.Domains[0].Name }
func (s *shares) other() string    { return s.Sample.Domains[1].Name }

// provisionUnderFlood is the other domain's p95 in milliseconds while the one that floods asks for so many gateways.
func (s *shares) provisionUnderFlood(ctx context.Context, flood int) (p95 float64, err error) {
	var callers sync.WaitGroup
	errs := make([]error, flood)
	for i := range flood {
		more := url.Values{"wait": {"0"}}
		if i%2 == 0 {
			more.Set("wait_for", "registered")
			more.Set("gateway_domain", silentCarrier)
		}
		name := s.name()
		callers.Go(func() { errs[i] = s.provisionFor(ctx, s.flooding(), name, more) })
	}
	p95, err = s.othersP95(ctx)
	callers.Wait()
	return p95, errors.Join(append(errs, err, s.allEnded(ctx))...)
}

// provisionUnderEdits is the same while the other changes so many registered gateways, over and over.
func (s *shares) provisionUnderEdits(ctx context.Context, edits int) (p95 float64, err error) {
	names := make([]string, edits)
	for i := range names {
		names[i] = s.name()
		if err := s.provisionFor(ctx, s.flooding(), names[i], url.Values{"wait_for": {"registered"}, "wait": {"20"}}); err != nil {
			return 0, err
		}
	}
	editing, stop := context.WithCancel(ctx)
	var callers sync.WaitGroup
	errs := make([]error, edits)
	for i, name := range names {
		callers.Go(func() {
			for round := 0; editing.Err() == nil && errs[i] == nil; round++ {
				more := url.Values{"gateway_password": {fmt.Sprintf("other-%d", round)}, "wait": {"20"}}
				errs[i] = s.provisionFor(ctx, s.flooding(), name, more)
			}
		})
	}
	p95, err = s.othersP95(ctx)
	stop()
	callers.Wait()
	return p95, errors.Join(append(errs, err, s.allEnded(ctx))...)
}

// othersP95 has the other domain provision one gateway after the other.
func (s *shares) othersP95(ctx context.Context) (float64, error) {
	var times []float64
	for range sharesCalls {
		began := time.Now()
		if err := s.provisionFor(ctx, s.other(), s.name(), url.Values{"wait": {"20"}}); err != nil {
			return 0, err
		}
		times = append(times, milliseconds(time.Since(began)))
	}
	return quantile(times, 0.95), nil
}

func (s *shares) name() string {
	s.named++
	return fmt.Sprintf("shares-%d", s.named)
}

func (s *shares) provisionFor(ctx context.Context, domain, name string, more url.Values) error {
	form := url.Values{
		"tenant_domain": {domain}, "gateway_name": {name}, "gateway_domain": {"sip.carrier.example"},
		"gateway_username": {"account"}, "gateway_password": {"secret"},
	}
	for key, values := range more {
		form[key] = values
	}
	var answer struct {
		Message string `json:"message"`
	}
	status, err := s.post(ctx, s.front, "/app/gateways/provision.php", form, &answer)
	if err == nil && status != http.StatusOK && (status != http.StatusAccepted || more.Get("wait") != "0") {
		err = fmt.Errorf("provisioning %s in %s answered %d: %s", name, domain, status, answer.Message)
	}
	return err
}

// exportUnderFlood is how many seconds the other domain's export of a day takes while the one that floods exports
// so many years.
func (s *shares) exportUnderFlood(ctx context.Context, flood int) (seconds float64, err error) {
	now := time.Now().UTC()
	var floods []string
	for i := range flood {
		id, err := s.exportFor(ctx, s.flooding(), now.AddDate(-1, 0, -i), now)
		if err != nil {
			return 0, err
		}
		floods = append(floods, id)
	}
	began := time.Now()
	id, err := s.exportFor(ctx, s.other(), now.AddDate(0, 0, -2), now.AddDate(0, 0, -2))
	if err != nil {
		return 0, err
	}
	if err := s.ended(ctx, "id = $1 and state = 'succeeded'", "id = $1", id); err != nil {
		return 0, err
	}
	seconds = time.Since(began).Seconds()
	for _, id := range floods {
		var answer struct{}
		if _, err := s.post(ctx, s.front, "/v1/jobs/"+id+"/cancel", nil, &answer); err != nil {
			return 0, err
		}
	}
	return seconds, s.allEnded(ctx)
}

// exportFor asks for an export of the days, and returns its job.
func (s *shares) exportFor(ctx context.Context, domain string, from, to time.Time) (id string, err error) {
	return s.askForExport(ctx, s.front, url.Values{
		"tenant_domain": {domain}, "date_start": {from.Format(time.DateOnly)}, "date_end": {to.Format(time.DateOnly)},
		"format": {"CSV"}, "time_zone": {"UTC"},
	})
}

// allEnded waits until no job is left, so that the next measurement begins in peace.
func (s *shares) allEnded(ctx context.Context) error {
	return s.ended(ctx, "state not in ('queued', 'running')", "true")
}

// ended waits until all the jobs are as they should be.
func (s *shares) ended(ctx context.Context, as, of string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, exportPatience)
	defer cancel()
	for {
		var all bool
		if err := s.pool.QueryRow(ctx, "select coalesce(bool_and("+as+"), true) from trunkline.jobs where "+of, args...).Scan(&all); err != nil || all {
			return err
		}
		if err := wait(ctx, exportPoll); err != nil {
			return err
		}
	}
}
