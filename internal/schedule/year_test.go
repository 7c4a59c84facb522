package schedule

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// years are zones in a year in which something is done to their clock, but for the one that nothing is done to.
var years = map[string]int{
	"America/Sao_Paulo": 2018, "Europe/Berlin": 2024, "Asia/Kathmandu": 2024,
	"Africa/Cairo": 2023, "Pacific/Apia": 2011, "Australia/Lord_Howe": 2024,
}

// minute is what a watched clock shows for the first time, and when.
type minute struct {
	at, wall time.Time
}

// watch looks at the zone's clock each minute, from two months before the year to a month after it, and takes down the
// minutes that it had not shown: several at once where it was put forward. It knows no rule of any zone.
func watch(zone *time.Location, year int) []minute {
	var minutes []minute
	at := time.Date(year-1, 11, 1, 0, 0, 0, 0, time.UTC)
	shows := func() time.Time {
		t := at.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	for latest := shows(); at.Year() < year+1 || at.Month() < time.February; at = at.Add(time.Minute) {
		for now := shows(); latest.Before(now); {
			latest = latest.Add(time.Minute)
			minutes = append(minutes, minute{at, latest})
		}
	}
	return minutes
}

// moments are when the clock first shows what is meant, each once.
func moments(minutes []minute, meant func(wall time.Time) bool) []time.Time {
	var found []time.Time
	for _, m := range minutes {
		if meant(m.wall) {
			found = append(found, m.at)
		}
	}
	return slices.CompactFunc(found, time.Time.Equal)
}

func midnight(wall time.Time) bool { return wall.Hour() == 0 && wall.Minute() == 0 }

// crons are expressions and what they mean.
var crons = map[string]func(wall time.Time) bool{
	"15 0 * * *":   func(w time.Time) bool { return w.Hour() == 0 && w.Minute() == 15 },
	"*/15 * * * *": func(w time.Time) bool { return w.Minute()%15 == 0 },
	"10 2 * * *":   func(w time.Time) bool { return w.Hour() == 2 && w.Minute() == 10 },
	"@midnight":    midnight,
	"0 6 * * MON":  func(w time.Time) bool { return midnight(w.Add(-6*time.Hour)) && w.Weekday() == time.Monday },
	"0 3 1 * *":    func(w time.Time) bool { return midnight(w.Add(-3*time.Hour)) && w.Day() == 1 },
	"30 23 29-31 12 *": func(w time.Time) bool {
		return midnight(w.Add(30*time.Minute)) && w.AddDate(0, 0, -28).Month() == 12 && w.Month() == 12
	},
}

// ends are where the windows of a kind end, as the watched clock has it.
var ends = map[Kind]func(wall time.Time) bool{
	PreviousDay:   midnight,
	PreviousWeek:  func(w time.Time) bool { return midnight(w) && w.Weekday() == time.Monday },
	PreviousMonth: func(w time.Time) bool { return midnight(w) && w.Day() == 1 },
}

// A year of each schedule: it runs when a watched clock shows its time, and each run makes what has ended by then. That
// it begins again after each window from what is kept, or that its clock steps an hour back, changes nothing.
func TestYears(t *testing.T) {
	t.Parallel()
	for name, year := range years {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone := mustZone(t, name)
			minutes := watch(zone, year)
			bounds := map[Kind][]time.Time{}
			for kind, ends := range ends {
				bounds[kind] = moments(minutes, ends)
			}
			created := time.Date(year, 1, 1, 12, 0, 0, 0, zone)
			stop := time.Date(year+1, 1, 20, 0, 0, 0, 0, zone)
			for text, meant := range crons {
				runs := slices.DeleteFunc(moments(minutes, meant), func(at time.Time) bool { return !at.After(created) || at.After(stop) })
				cron := mustParse(t, text)
				for i, at := 0, created; ; i++ {
					if at = cron.Next(at, zone); at.After(stop) {
						if i != len(runs) {
							t.Errorf("%s runs %d times, want %d", text, i, len(runs))
						}
						break
					}
					if i >= len(runs) || !at.Equal(runs[i]) {
						t.Fatalf("%s runs at %s; want %v", text, at, runs[min(i, len(runs)-1)].In(zone))
					}
				}
				for _, lag := range []time.Duration{0, 20 * time.Minute} {
					for kind, bounds := range bounds {
						checkYear(t, Schedule{cron, zone, kind, lag}, created, runs, bounds)
					}
					ran := []time.Time{created}
					for _, run := range runs {
						if due := run.Add(-lag); due.After(ran[len(ran)-1]) {
							ran = append(ran, due)
						}
					}
					checkYear(t, Schedule{cron, zone, SinceLastRun, lag}, created, runs, ran)
				}
			}
		})
	}
}

// checkYear holds the windows of each run to the bounds, of which the first run makes the last pair that has ended.
func checkYear(t *testing.T, s Schedule, created time.Time, runs, bounds []time.Time) {
	t.Helper()
	state := s.Begin(created)
	next := slices.IndexFunc(bounds, state.Watermark.Equal) + 1
	if next == 0 {
		t.Fatalf("%s %s: begins at %v, which is no bound", s.Cron, s.Kind, state.Watermark)
	}
	for i, run := range runs {
		var want []Window
		for ; next < len(bounds) && !bounds[next].After(run.Add(-s.Lag)); next++ {
			want = append(want, Window{state.Number + int64(len(want)) + 1, bounds[next-1].UTC(), bounds[next].UTC()})
		}
		if made := slices.Collect(s.Windows(state, run)); !slices.Equal(made, want) || i == 0 && s.Kind != SinceLastRun && len(made) != 1 {
			t.Fatalf("%s %s: run %d at %s makes %v, want %v", s.Cron, s.Kind, i+1, run, made, want)
		}
		var made []Window
		for {
			rest := slices.Collect(s.Windows(state, run))
			if len(rest) == 0 {
				break
			}
			made = append(made, rest[0])
			state = State{time.UnixMicro(rest[0].End.UnixMicro()), rest[0].Number} // as a database keeps it
		}
		if !slices.Equal(made, want) {
			t.Fatalf("%s %s: begun again after each window, run %d at %s makes %v, want %v", s.Cron, s.Kind, i+1, run, made, want)
		}
		for extra := range s.Windows(state, run.Add(-time.Hour)) {
			t.Fatalf("%s %s: an hour before %s once more, %v is made", s.Cron, s.Kind, run, extra)
		}
	}
}

// Whatever is changed of a schedule and whenever it runs, by a clock that steps an hour forth and back, its windows follow
// each other without a gap, none is made twice, and none before it has ended.
func TestWindowsFollowEachOther(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) // the same each time
	kinds := []Kind{PreviousDay, PreviousWeek, PreviousMonth, SinceLastRun}
	var zones []*time.Location
	for name := range years {
		zones = append(zones, mustZone(t, name))
	}
	slices.SortFunc(zones, func(a, b *time.Location) int { return len(a.String()) - len(b.String()) })
	s := Schedule{mustParse(t, "15 0 * * *"), zones[0], PreviousDay, 0}
	clock := time.Date(2011, 1, 1, 12, 0, 0, 0, time.UTC)
	state := s.Begin(clock)
	began := state.Watermark
	var made time.Duration
	for range 20_000 {
		switch random.IntN(10) {
		case 0:
			s.Zone = zones[random.IntN(len(zones))]
		case 1:
			s.Kind = kinds[random.IntN(len(kinds))]
		case 2:
			s.Lag = time.Duration(random.IntN(48)) * time.Hour
		case 3:
			clock = clock.Add(-time.Hour)
		case 4:
			clock = clock.Add(time.Hour)
		default:
			clock = clock.Add(time.Duration(random.Int64N(int64(24 * time.Hour))))
		}
		for w := range s.Windows(state, clock) {
			if !w.Start.Equal(state.Watermark) || !w.Start.Before(w.End) || w.End.After(clock.Add(-s.Lag)) || w.Number != state.Number+1 {
				t.Fatalf("after %v the run at %s makes %v of %v", state, clock, w, s)
			}
			made += w.End.Sub(w.Start)
			if state = w.State(); random.IntN(8) == 0 {
				break // it is killed
			}
		}
	}
	if state.Number < 1000 || made != state.Watermark.Sub(began) {
		t.Errorf("%d windows of %s, from %s to %s", state.Number, made, began, state.Watermark)
	}
}
