package calendar

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The periods of a span go by the clock of its zone, whatever is done to it.
func TestPeriods(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone       string
		period     Period
		start, end string
		want       string // the names
		hours      []float64
	}{
		"days":                         {"UTC", Day, "2024-02-28 00:00", "2024-03-02 00:00", "2024-02-28 2024-02-29 2024-03-01", []float64{24, 24, 24}},
		"a part of a day":              {"UTC", Day, "2024-02-28 18:00", "2024-02-29 06:00", "2024-02-28 2024-02-29", []float64{6, 6}},
		"a short and a long day":       {"Europe/Berlin", Day, "2024-03-30 00:00", "2024-04-01 00:00", "2024-03-30 2024-03-31", []float64{24, 23}},
		"the long one":                 {"Europe/Berlin", Day, "2024-10-27 00:00", "2024-10-29 00:00", "2024-10-27 2024-10-28", []float64{25, 24}},
		"a day without midnight":       {"America/Sao_Paulo", Day, "2017-10-14 00:00", "2017-10-17 00:00", "2017-10-14 2017-10-15 2017-10-16", []float64{24, 23, 24}},
		"a day with two midnights":     {"America/Havana", Day, "2024-11-02 00:00", "2024-11-04 00:00", "2024-11-02 2024-11-03", []float64{24, 25}},
		"a day that the zone left out": {"Pacific/Apia", Day, "2011-12-29 00:00", "2012-01-01 00:00", "2011-12-29 2011-12-31", []float64{24, 24}},
		"weeks":                        {"Europe/Berlin", Week, "2024-12-28 00:00", "2025-01-13 00:00", "2024-W52 2025-W01 2025-W02", []float64{48, 168, 168}},
		"weeks of a change each":       {"Europe/Berlin", Week, "2024-03-25 00:00", "2024-04-08 00:00", "2024-W13 2024-W14", []float64{167, 168}},
		"a week of six days":           {"Pacific/Apia", Week, "2011-12-26 00:00", "2012-01-09 00:00", "2011-W52 2012-W01", []float64{144, 168}},
		"months":                       {"Europe/Berlin", Month, "2024-01-31 00:00", "2024-03-02 00:00", "2024-01 2024-02 2024-03", []float64{24, 29 * 24, 24}},
		"the month of a change":        {"Europe/Berlin", Month, "2024-10-01 00:00", "2024-11-01 00:00", "2024-10", []float64{31*24 + 1}},
		"the hour that occurs twice": {"Europe/Berlin", Hour, "2024-10-27 01:30", "2024-10-27 03:30",
			"2024-10-27T01:00:00+02:00 2024-10-27T02:00:00+02:00 2024-10-27T02:00:00+01:00 2024-10-27T03:00:00+01:00", []float64{0.5, 1, 1, 0.5}},
		"the hour that is left out": {"Europe/Berlin", Hour, "2024-03-31 01:00", "2024-03-31 04:00",
			"2024-03-31T01:00:00+01:00 2024-03-31T03:00:00+02:00", []float64{1, 1}},
		"half an hour that occurs twice": {"Australia/Lord_Howe", Hour, "2024-04-07T01:00:00+11:00", "2024-04-07T03:00:00+10:30",
			"2024-04-07T01:00:00+11:00 2024-04-07T01:30:00+10:30 2024-04-07T02:00:00+10:30", []float64{1, 0.5, 1}},
		"hours of a zone between": {"Asia/Kolkata", Hour, "2024-01-01 00:00", "2024-01-01 02:00",
			"2024-01-01T00:00:00+05:30 2024-01-01T01:00:00+05:30", []float64{1, 1}},
		// From 2038 on every zone's files have a rule in place of each change; those of some systems from this year on.
		"the last day of a leap year": {"America/New_York", Hour, "2040-12-31 18:30", "2040-12-31 20:30",
			"2040-12-31T18:00:00-05:00 2040-12-31T19:00:00-05:00 2040-12-31T20:00:00-05:00", []float64{0.5, 1, 0.5}},
		"a year that begins within an hour": {"Australia/Adelaide", Hour, "2041-01-01 10:00", "2041-01-01 12:00",
			"2041-01-01T10:00:00+10:30 2041-01-01T11:00:00+10:30", []float64{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			location := zone(t, c.zone)
			start, end := at(t, c.start, location), at(t, c.end, location)
			starts := c.period.Starts(start, end)
			var names []string
			var hours []float64
			for i, one := range starts {
				names = append(names, c.period.Name(one))
				hours = append(hours, append(slices.Clone(starts), end)[i+1].Sub(one).Hours())
			}
			if got := strings.Join(names, " "); got != c.want || !slices.Equal(hours, c.hours) || !starts[0].Equal(start) {
				t.Errorf("got %s of %v hours\nwant %s of %v", got, hours, c.want, c.hours)
			}
		})
	}
}

func TestBegin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		zone   string
		period Period
		moment string
		want   string
	}{
		"a day":                        {"Europe/Berlin", Day, "2024-05-01T23:59:59+02:00", "2024-05-01T00:00:00+02:00"},
		"its first moment":             {"Europe/Berlin", Day, "2024-05-01T00:00:00+02:00", "2024-05-01T00:00:00+02:00"},
		"a day without midnight":       {"America/Sao_Paulo", Day, "2018-11-04T12:00:00-02:00", "2018-11-04T01:00:00-02:00"},
		"a day put back over midnight": {"America/St_Johns", Day, "2010-11-06T23:30:00-03:30", "2010-11-07T00:00:00-02:30"},
		"after a day left out":         {"Pacific/Apia", Day, "2011-12-31T00:00:00+14:00", "2011-12-31T00:00:00+14:00"},
		"before a day left out":        {"Pacific/Apia", Day, "2011-12-29T23:59:59-10:00", "2011-12-29T00:00:00-10:00"},
		"a week, on its Sunday":        {"Europe/Berlin", Week, "2024-10-27T23:00:00+01:00", "2024-10-21T00:00:00+02:00"},
		"a week, on its Monday":        {"Europe/Berlin", Week, "2024-10-28T00:00:00+01:00", "2024-10-28T00:00:00+01:00"},
		"a month":                      {"Asia/Kathmandu", Month, "2024-03-31T23:59:59+05:45", "2024-03-01T00:00:00+05:45"},
		"the second of an hour":        {"Europe/Berlin", Hour, "2024-10-27T02:30:00+01:00", "2024-10-27T02:00:00+01:00"},
		"the first of an hour":         {"Europe/Berlin", Hour, "2024-10-27T02:30:00+02:00", "2024-10-27T02:00:00+02:00"},
		"half an hour put back":        {"Australia/Lord_Howe", Hour, "2024-04-07T01:45:00+10:30", "2024-04-07T01:30:00+10:30"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.period.Begin(at(t, c.moment, zone(t, c.zone))).Format(time.RFC3339); got != c.want {
				t.Errorf("the %s of %s begins at %s, want %s", c.period, c.moment, got, c.want)
			}
		})
	}
}

// FuzzPeriods: periods follow each other in any zone, and each moment of one has its beginning and its name.
func FuzzPeriods(f *testing.F) {
	for _, name := range []string{"Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia", "Australia/Adelaide"} {
		f.Add(name, int64(1_730_000_000))
		f.Add(name, time.Date(2040, 12, 31, 6, 0, 0, 0, time.UTC).Unix())
	}
	f.Fuzz(func(t *testing.T, name string, seconds int64) {
		location, ok := Zone(name)
		if !ok || seconds < 0 || seconds > 1<<33 {
			return
		}
		from := time.Unix(seconds, 0).In(location)
		to := from.Add(72 * time.Hour)
		for _, p := range []Period{Hour, Day, Week, Month} {
			starts := p.Starts(from, to)
			for i, start := range starts {
				end := append(slices.Clone(starts), to)[i+1]
				last := end.Add(-time.Second)
				if !start.Before(end) || p.Name(start) != p.Name(last) && end.Sub(start) >= time.Second {
					t.Fatalf("%s of %s: %v to %v", p, name, start, end)
				}
				if begin := p.Begin(last); i > 0 && !begin.Equal(start) || begin.After(last) {
					t.Fatalf("the %s of %v begins at %v, not %v", p, last, begin, start)
				}
			}
		}
	})
}
