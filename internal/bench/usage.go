package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// usageCalls is how many questions about a year's usage are in flight at once.
	usageCalls = 100
	// checkSpan is for how long registrations are checked on each side of a pair.
	checkSpan = 4 * time.Second
)

// usageRefusals are what a question about usage is answered while there are too many of them.
var usageRefusals = []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}

// registrationDuringUsage takes turns: registrations are checked by one call after the other on an idle PBX, then while
// usageCalls questions about a year's usage are in flight.
func (b *bench) registrationDuringUsage(ctx context.Context) error {
	if err := b.Switch.RegisterExtensions(ctx, b.Database, registered); err != nil {
		return err
	}
	p, err := b.start(ctx, "api")
	if err != nil {
		return err
	}
	defer p.stop()
	const asked = `exists (select from pg_stat_activity
		where datname = current_database() and backend_type = 'client backend' and state = 'active' and pid <> pg_backend_pid())`
	busy, quiet := b.holds(asked), b.holds("not "+asked)
	if _, err := b.checkRegistrations(ctx, p, time.Second); err != nil { // warms up
		return err
	}
	var f figures
	for range pairs {
		if err := waitUntil(ctx, quiet); err != nil {
			return fmt.Errorf("waiting until nothing is asked of the database: %w", err)
		}
		idle, err := b.checkRegistrations(ctx, p, checkSpan)
		if err != nil {
			return err
		}
		u := usageFlood{bench: b, front: p}
		u.start(ctx)
		var flooded []float64
		if err = waitUntil(ctx, busy); err == nil {
			flooded, err = b.checkRegistrations(ctx, p, checkSpan)
		}
		if err := errors.Join(err, u.stop()); err != nil {
			return err
		}
		fmt.Printf("# checking a registration p95 %.1f ms idle, %.1f ms beside %d questions about usage (%d answered, %d refused)\n",
			quantile(idle, 0.95), quantile(flooded, 0.95), usageCalls, u.answered.Load(), u.refused.Load())
		f.add(fmt.Sprintf("registration_p95_during_%d_usage_calls_vs_idle", usageCalls), quantile(flooded, 0.95)/quantile(idle, 0.95), "ratio")
	}
	f.print()
	return nil
}

// checkRegistrations checks one registration after the other for so long, and returns the times in milliseconds.
func (b *bench) checkRegistrations(ctx context.Context, p *process, span time.Duration) (times []float64, err error) {
	extensions := b.Sample.Extensions(registered)
	for until := time.Now().Add(span); time.Now().Before(until); {
		e := extensions[len(times)%len(extensions)]
		var answer struct {
			Registered, Message string
		}
		began := time.Now()
		status, err := b.post(ctx, p, "/app/registrations/check_registration.php", url.Values{"extension": {e.Number}, "tenant_domain": {e.Domain}}, &answer)
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK || answer.Registered != "yes" {
			return nil, fmt.Errorf("the check of %s@%s answered %d %q %q", e.Number, e.Domain, status, answer.Registered, answer.Message)
		}
		times = append(times, milliseconds(time.Since(began)))
	}
	return times, nil
}

// usageFlood keeps usageCalls questions about a year's usage in flight: of all domains, and of each.
type usageFlood struct {
	*bench
	front             *process
	answered, refused atomic.Int64

	cancel  context.CancelFunc
	callers sync.WaitGroup
	errs    []error
}

// start returns once all who ask have begun.
func (u *usageFlood) start(ctx context.Context) {
	ctx, u.cancel = context.WithCancel(ctx)
	u.errs = make([]error, usageCalls)
	first, last := time.Now().UTC().AddDate(-1, 0, 1), time.Now().UTC()
	var begun sync.WaitGroup
	begun.Add(usageCalls)
	for i := range usageCalls {
		query := url.Values{"date_start": {first.Format(time.DateOnly)}, "date_end": {last.Format(time.DateOnly)}, "time_zone": {"UTC"}}
		if of := i % (1 + len(u.Sample.Domains)); of > 0 {
			query.Set("tenant_domain", u.Sample.Domains[of-1].Name)
		}
		u.callers.Go(func() {
			begun.Done()
			for {
				err := u.question(ctx, query)
				if ctx.Err() != nil {
					return // the flood is over
				}
				if u.errs[i] = err; err != nil {
					return
				}
			}
		})
	}
	begun.Wait()
}

// question asks once, and counts the answer.
func (u *usageFlood) question(ctx context.Context, query url.Values) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.front.base+"/v1/usage?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(u.Sample.SuperadminName, u.Sample.SuperadminPassword)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusOK:
		u.answered.Add(1)
	case slices.Contains(usageRefusals, resp.StatusCode):
		u.refused.Add(1)
	default:
		return fmt.Errorf("a question about usage answered %d: %s", resp.StatusCode, answer[:min(len(answer), 500)])
	}
	return nil
}

// stop ends the flood, and returns what went wrong in it.
func (u *usageFlood) stop() error {
	u.cancel()
	u.callers.Wait()
	return errors.Join(u.errs...)
}
