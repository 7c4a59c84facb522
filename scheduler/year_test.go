package scheduler_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/internal/calendar"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
)

// kinds are schedules of each kind of window, and whether the windows of a day, week or month are whole ones.
var kinds = []struct {
	cron   string
	window schedule.Kind
	whole  calendar.Period // "": they end when it runs
}{
	{"15 0 * * *", schedule.PreviousDay, calendar.Day},
	{"0 6 * * MON", schedule.PreviousWeek, calendar.Week},
	{"0 3 1 * *", schedule.PreviousMonth, calendar.Month},
	{"30 2 * * *", schedule.SinceLastRun, ""},
}

// Two schedulers, which are cut off at random moments and down for days, make each day, week and month of a year once, and what
// has come since each run, whatever the zone's clock does, and though the machine's own is put back and forth by an hour.
func TestAYear(t *testing.T) {
	t.Parallel()
	for zone, year := range map[string]int{
		"America/Sao_Paulo": 2018, // days that begin at 01:00
		"Europe/Berlin":     2024, // a leap year
		"Asia/Kathmandu":    2025,
		"Africa/Cairo":      2023,
		"Pacific/Apia":      2011, // a day that is left out
	} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			location, err := time.LoadLocation(zone)
			must(t, err)
			begin := time.Date(year, 1, 1, 12, 0, 0, 0, location)
			end := begin.AddDate(1, 0, 0)
			p := newPlan(t, begin)
			made := make([]store.Record, len(kinds))
			for i, kind := range kinds {
				d := daily(zone)
				d.Name, d.Cron, d.Window = string(kind.window), kind.cron, kind.window
				made[i] = p.create(t, d)
			}
			random := rand.New(rand.NewPCG(uint64(year), 11))
			for p.now().Before(end) {
				switch n := random.IntN(100); {
				case n < 2:
					p.pass(5 * 24 * time.Hour)
				case n < 6:
					p.pass(-time.Hour)
				case n < 10:
					p.pass(time.Hour)
				default:
					p.pass(time.Duration(random.IntN(40*60)) * time.Minute)
				}
				var both sync.WaitGroup
				for i := range 2 {
					after := time.Duration(random.IntN(20)) * time.Millisecond
					both.Go(func() {
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						if i == 0 {
							time.AfterFunc(after, cancel)
						}
						if err := p.exporter().Look(ctx); err != nil && ctx.Err() == nil {
							t.Error(err)
						}
					})
				}
				both.Wait()
				if random.IntN(3) > 0 {
					p.end(t, "succeeded")
				}
			}
			for range 20 {
				p.look(t)
				p.end(t, "succeeded")
			}
			p.look(t)
			var all int
			for i, kind := range kinds {
				windows := p.history(t, made[i].ID, store.SeriesRun)
				all += len(windows)
				wantWhole(t, windows)
				if last := windows[len(windows)-1].End; last.AddDate(0, 1, 2).Before(end) {
					t.Errorf("%s: the last window ends at %s", kind.window, last)
				}
				rules, err := made[i].Schedule()
				must(t, err)
				for _, w := range windows {
					start, ran := w.Start.In(location), w.Start.Add(rules.Lag)
					switch {
					case w.State != store.StateSucceeded || len(w.Files) != 1:
						t.Errorf("%s: window %d has %d files, and is %s", kind.window, *w.Number, len(w.Files), w.State)
					case kind.whole == "" && rules.Next(ran).After(w.End.Add(rules.Lag)):
						t.Errorf("%s: window %d is from %s to %s, between two runs", kind.window, *w.Number, start, w.End)
					case kind.whole != "" && (!kind.whole.Begin(start).Equal(start) || !kind.whole.After(start).Equal(w.End)):
						t.Errorf("%s: window %d is from %s to %s", kind.window, *w.Number, start, w.End)
					}
				}
				if days := int(math.Round(windows[len(windows)-1].End.Sub(windows[0].Start).Hours() / 24)); kind.whole == calendar.Day && (len(windows) != days || days < 364) {
					t.Errorf("%d windows were made of %d days", len(windows), days)
				}
			}
			var jobs, named int
			must(t, p.Pool.QueryRow(t.Context(), "select count(*), count(distinct (created_by, params ->> 'date_start')) from trunkline.jobs where kind = 'export'").Scan(&jobs, &named))
			if jobs != all || named != jobs {
				t.Errorf("%d export jobs of %d spans were made for %d windows", jobs, named, all)
			}
		})
	}
}

// What runs on a date that exists once in four years does so, also behind 2100, which is no leap year, and exports all that has
// come since.
func TestOnceInFourYears(t *testing.T) {
	t.Parallel()
	p := newPlan(t, time.Date(2087, 6, 1, 12, 0, 0, 0, time.UTC))
	d := daily("Europe/Berlin")
	d.Cron, d.Window = "0 2 29 2 *", schedule.SinceLastRun
	made := p.create(t, d)
	years := []int{2088, 2092, 2096, 2104}
	for _, year := range years {
		at := time.Date(year, 2, 29, 1, 0, 0, 0, time.UTC)
		for _, until := range []time.Time{at.AddDate(-1, 0, 0), at.Add(-time.Second), at, at.Add(time.Hour)} {
			p.set(until)
			p.look(t)
			p.end(t, "succeeded")
		}
	}
	p.look(t)
	windows := p.history(t, made.ID, store.SeriesRun)
	wantWhole(t, windows)
	if len(windows) != len(years) {
		t.Fatalf("%d windows were made", len(windows))
	}
	for i, year := range years {
		if want := time.Date(year, 2, 29, 0, 50, 0, 0, time.UTC); !windows[i].End.Equal(want) || windows[i].State != store.StateSucceeded {
			t.Errorf("window %d ends at %s and is %s; want %s", i+1, windows[i].End, windows[i].State, want)
		}
	}
}

// A run that has happened does not happen again for a clock that was put back, or for a scheduler whose clock is behind.
func TestARunHappensOnce(t *testing.T) {
	t.Parallel()
	run := time.Date(2026, 3, 2, 2, 30, 0, 0, time.UTC)
	p := newPlan(t, run.AddDate(0, 0, -1).Add(-time.Hour))
	d := daily("UTC")
	d.Cron, d.Window = "30 2 * * *", schedule.SinceLastRun
	made := p.create(t, d)
	for _, after := range []time.Duration{-24 * time.Hour, 0, -2 * time.Second, time.Second, -time.Hour, 3 * time.Second, 24 * time.Hour} {
		p.set(run.Add(after))
		p.look(t)
		p.end(t, "succeeded")
	}
	var ends []string
	for _, w := range p.history(t, made.ID, store.SeriesRun) {
		ends = append(ends, w.End.Format("2 15:04:05"))
	}
	if got := strings.Join(ends, ", "); got != "1 02:20:00, 2 02:20:00, 3 02:20:00" {
		t.Errorf("windows end on %s", got)
	}
	// One that was planned by a clock that was far ahead is planned anew.
	p.set(run.AddDate(10, 0, 0))
	_, err := p.store.SetEnabled(t.Context(), store.Filter{Domains: tenant.All}, false, "", "test")
	must(t, err)
	_, err = p.store.SetEnabled(t.Context(), store.Filter{Domains: tenant.All}, true, "", "test")
	must(t, err)
	p.set(run.AddDate(0, 0, 2))
	p.look(t)
	r, err := p.store.Get(t.Context(), made.ID, tenant.All)
	must(t, err)
	if want := run.AddDate(0, 0, 3); !r.NextRun.Equal(want) || r.State.Number != 4 {
		t.Errorf("it runs next at %s, want %s, and has made %d windows", r.NextRun, want, r.State.Number)
	}
}
