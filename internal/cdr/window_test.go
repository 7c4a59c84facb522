package cdr

import (
	"testing"
	"time"

	"trunkline/internal/calendar"
)

func TestExportWindowEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ zone, start, end, wantStart, wantEnd string }{
		"days in UTC":                   {"UTC", "2024-01-01", "2024-01-31", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"},
		"one day":                       {"America/New_York", "2024-07-04", "2024-07-04", "2024-07-04T04:00:00Z", "2024-07-05T04:00:00Z"},
		"a day of 23 hours":             {"Europe/Berlin", "2024-03-31", "2024-03-31", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"},
		"a day of 25 hours":             {"Europe/Berlin", "2024-10-27", "2024-10-27", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"},
		"a day without midnight":        {"America/Sao_Paulo", "2017-10-15", "2017-10-15", "2017-10-15T03:00:00Z", "2017-10-16T02:00:00Z"},
		"the day before it":             {"America/Sao_Paulo", "2017-10-14", "2017-10-14", "2017-10-14T03:00:00Z", "2017-10-15T03:00:00Z"},
		"a day with two midnights":      {"America/Havana", "2024-11-03", "2024-11-03", "2024-11-03T04:00:00Z", "2024-11-04T05:00:00Z"},
		"the day before that":           {"America/Havana", "2024-11-02", "2024-11-02", "2024-11-02T04:00:00Z", "2024-11-03T04:00:00Z"},
		"a day that the zone left out":  {"Pacific/Apia", "2011-12-29", "2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"},
		"the end of a year":             {"UTC", "2023-12-31", "2023-12-31", "2023-12-31T00:00:00Z", "2024-01-01T00:00:00Z"},
		"a leap day":                    {"UTC", "2024-02-28", "2024-02-29", "2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z"},
		"date-times in the zone":        {"America/New_York", "2024-01-01 08:00:00", "2024-01-01 17:59:59", "2024-01-01T13:00:00Z", "2024-01-01T23:00:00Z"},
		"date-times with T":             {"UTC", "2024-01-01T08:00:00", "2024-01-01T17:59:59", "2024-01-01T08:00:00Z", "2024-01-01T18:00:00Z"},
		"to the minute":                 {"UTC", "2024-01-01 08:00", "2024-01-01 18:00", "2024-01-01T08:00:00Z", "2024-01-01T18:00:01Z"},
		"with a zone of their own":      {"America/New_York", "2024-01-01T08:00:00Z", "2024-01-01T10:00:00+02:00", "2024-01-01T08:00:00Z", "2024-01-01T08:00:01Z"},
		"fractions":                     {"UTC", "2024-01-01T08:00:00.25Z", "2024-01-01T08:00:00.999Z", "2024-01-01T08:00:00.25Z", "2024-01-01T08:00:01Z"},
		"a space before the zone's own": {"UTC", "2024-01-01 08:00:00-03:00", "2024-01-01 08:00-03:00", "2024-01-01T11:00:00Z", "2024-01-01T11:00:01Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			location, ok := calendar.Zone(c.zone)
			if !ok {
				t.Fatalf("no zone %s", c.zone)
			}
			start, ok1 := ParseStart(c.start, location)
			end, ok2 := parseEnd(c.end, location)
			if !ok1 || !ok2 {
				t.Fatalf("not read: %v %v", ok1, ok2)
			}
			if got := start.UTC().Format(time.RFC3339Nano); got != c.wantStart {
				t.Errorf("%s starts at %s, want %s", c.start, got, c.wantStart)
			}
			if got := end.UTC().Format(time.RFC3339Nano); got != c.wantEnd {
				t.Errorf("%s ends at %s, want %s", c.end, got, c.wantEnd)
			}
		})
	}
}

func TestDatesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "yesterday", "01/31/2024", "2024-1-1", "2024-02-30", "2024-01-01 25:00:00", "2024-01-01T00:00:00 02:00", "1704067200", "2024-01-01'--"} {
		if _, ok := ParseStart(text, time.UTC); ok {
			t.Errorf("%q is read as a start", text)
		}
		if _, ok := parseEnd(text, time.UTC); ok {
			t.Errorf("%q is read as an end", text)
		}
	}
}

// FuzzParseDates: a window's end is after its start's own second, whatever the text, and a date begins
// on that date.
func FuzzParseDates(f *testing.F) {
	for _, text := range []string{"2024-01-01", "2017-10-15", "2024-01-01 08:00", "2024-01-01T08:00:00.5+02:00", "9999-12-31", "0000-01-01"} {
		f.Add(text, "America/Sao_Paulo")
	}
	f.Add("2024-11-03", "America/Havana")
	f.Fuzz(func(t *testing.T, text, name string) {
		location, ok := calendar.Zone(name)
		if !ok {
			return
		}
		start, ok1 := ParseStart(text, location)
		end, ok2 := parseEnd(text, location)
		if ok1 != ok2 {
			t.Fatalf("%q is a start: %v, an end: %v", text, ok1, ok2)
		}
		if ok1 && end.Before(start) {
			t.Fatalf("%q in %s: from %v to %v", text, name, start, end)
		}
	})
}

func TestOpenEndStaysWithinTheCalendar(t *testing.T) {
	t.Parallel()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"9999-12-31", "9999-12-31T23:59:59Z", "0000-01-01"} {
		start, ok1 := ParseStart(text, tokyo)
		end, ok2 := parseEnd(text, tokyo)
		for _, moment := range []time.Time{start, end} {
			if _, err := moment.MarshalJSON(); err != nil || !ok1 || !ok2 {
				t.Errorf("%s: %v cannot be recorded: %v", text, moment, err)
			}
		}
	}
}
