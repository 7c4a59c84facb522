package cdr

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The periods of a window go by the clock of its zone, whatever is done to it.
func TestPeriods(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone       string
		period     Period
		start, end string // of dates or moments, as callers write them
		want       string // the names
		hours      []float64
	}{
		"days":                         {"UTC", Day, "2024-02-28", "2024-03-01", "2024-02-28 2024-02-29 2024-03-01", []float64{24, 24, 24}},
		"a part of a day":              {"UTC", Day, "2024-02-28 18:00:00", "2024-02-29 05:59:59", "2024-02-28 2024-02-29", []float64{6, 6}},
		"a short and a long day":       {"Europe/Berlin", Day, "2024-03-30", "2024-03-31", "2024-03-30 2024-03-31", []float64{24, 23}},
		"the long one":                 {"Europe/Berlin", Day, "2024-10-27", "2024-10-28", "2024-10-27 2024-10-28", []float64{25, 24}},
		"a day without midnight":       {"America/Sao_Paulo", Day, "2017-10-14", "2017-10-16", "2017-10-14 2017-10-15 2017-10-16", []float64{24, 23, 24}},
		"a day with two midnights":     {"America/Havana", Day, "2024-11-02", "2024-11-03", "2024-11-02 2024-11-03", []float64{24, 25}},
		"a day that the zone left out": {"Pacific/Apia", Day, "2011-12-29", "2011-12-31", "2011-12-29 2011-12-31", []float64{24, 24}},
		"months":                       {"Europe/Berlin", Month, "2024-01-31", "2024-03-01", "2024-01 2024-02 2024-03", []float64{24, 29 * 24, 24}},
		"the month of a change":        {"Europe/Berlin", Month, "2024-10-01", "2024-10-31", "2024-10", []float64{31*24 + 1}},
		"the hour that occurs twice": {"Europe/Berlin", Hour, "2024-10-27 01:30:00", "2024-10-27 03:29:59",
			"2024-10-27T01:00:00+02:00 2024-10-27T02:00:00+02:00 2024-10-27T02:00:00+01:00 2024-10-27T03:00:00+01:00", []float64{0.5, 1, 1, 0.5}},
		"the hour that is left out": {"Europe/Berlin", Hour, "2024-03-31 01:00:00", "2024-03-31 03:59:59",
			"2024-03-31T01:00:00+01:00 2024-03-31T03:00:00+02:00", []float64{1, 1}},
		"half an hour that occurs twice": {"Australia/Lord_Howe", Hour, "2024-04-07T01:00:00+11:00", "2024-04-07T02:59:59+10:30",
			"2024-04-07T01:00:00+11:00 2024-04-07T01:30:00+10:30 2024-04-07T02:00:00+10:30", []float64{1, 0.5, 1}},
		"hours of a zone between": {"Asia/Kolkata", Hour, "2024-01-01 00:00:00", "2024-01-01 01:59:59",
			"2024-01-01T00:00:00+05:30 2024-01-01T01:00:00+05:30", []float64{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			location, _ := zone(c.zone)
			w := Window{TimeZone: c.zone}
			var ok1, ok2 bool
			w.Start, ok1 = ParseStart(c.start, location)
			if w.End, ok2 = parseEnd(c.end, location); !ok1 || !ok2 {
				t.Fatal("the window is not read")
			}
			starts := w.Periods(c.period)
			var names []string
			var hours []float64
			for i, start := range starts {
				names = append(names, c.period.Name(start))
				hours = append(hours, append(slices.Clone(starts), w.End)[i+1].Sub(start).Hours())
			}
			if got := strings.Join(names, " "); got != c.want || !slices.Equal(hours, c.hours) || !starts[0].Equal(w.Start) {
				t.Errorf("got %s of %v hours\nwant %s of %v", got, hours, c.want, c.hours)
			}
		})
	}
}

// FuzzPeriods: periods follow each other in any zone, and each moment of one has its name.
func FuzzPeriods(f *testing.F) {
	for _, name := range []string{"Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia"} {
		f.Add(name, int64(1_730_000_000))
	}
	f.Fuzz(func(t *testing.T, name string, at int64) {
		if _, ok := zone(name); !ok || at < 0 || at > 1<<33 {
			return
		}
		w := Window{TimeZone: name, Start: time.Unix(at, 0), End: time.Unix(at, 0).Add(72 * time.Hour)}
		for _, p := range []Period{Hour, Day, Month} {
			starts := w.Periods(p)
			for i, start := range starts {
				end := append(slices.Clone(starts), w.End)[i+1]
				if !start.Before(end) || p.Name(start) != p.Name(end.Add(-time.Second).In(start.Location())) && end.Sub(start) >= time.Second {
					t.Fatalf("%s of %s: %v to %v", p, name, start, end)
				}
			}
		}
	})
}
