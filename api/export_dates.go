package api

import (
	"strings"
	"time"
	_ "time/tzdata" // a caller's or domain's zone must be known also where the system has no such files
)

// momentLayouts are the date-times that are read, besides dates: with a zone, and without, in which
// case they are in the export's zone.
var (
	zonedLayouts = []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02 15:04Z07:00"}
	localLayouts = []string{"2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04"}
)

// The first and the last moment that RFC 3339 can write; an open end is often sent as 9999-12-31.
var (
	calendarStart = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	calendarEnd   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// withinCalendar is the moment in UTC, or the end of the calendar that it lies beyond.
func withinCalendar(t time.Time) time.Time {
	switch t = t.UTC(); {
	case t.Before(calendarStart):
		return calendarStart
	case t.After(calendarEnd):
		return calendarEnd
	}
	return t
}

// parseStart reads date_start: a date begins with its first moment.
func parseStart(text string, location *time.Location) (time.Time, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return startOfDay(day, location), true
	}
	return parseMoment(text, location)
}

// parseEnd reads date_end, which is inclusive, and returns the end of the half-open window: the first
// moment of the next day, or the second after the one that was given.
func parseEnd(text string, location *time.Location) (time.Time, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return startOfDay(day.AddDate(0, 0, 1), location), true
	}
	moment, ok := parseMoment(text, location)
	return moment.Truncate(time.Second).Add(time.Second), ok
}

func parseMoment(text string, location *time.Location) (time.Time, bool) {
	for _, layout := range zonedLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	for _, layout := range localLayouts {
		if t, err := time.ParseInLocation(layout, text, location); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// startOfDay is the first moment of the date in the zone. Where the clock is put forward at midnight
// that is not 00:00, and where it is put back to midnight 00:00 occurs twice.
func startOfDay(day time.Time, location *time.Location) time.Time {
	midnight := func(in *time.Location) time.Time {
		return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, in)
	}
	t := midnight(location)
	if t.Day() != day.Day() {
		_, changed := t.ZoneBounds()
		return changed
	}
	changed, _ := t.ZoneBounds()
	before := changed.Add(-time.Second).In(location)
	if changed.IsZero() || before.Day() != day.Day() || t.Sub(before) > 24*time.Hour {
		return t
	}
	_, offset := before.Zone()
	return midnight(time.FixedZone("", offset))
}

// zone is the time zone of that name, as IANA has it. "Local" would be this server's.
func zone(name string) (*time.Location, bool) {
	if name == "" || strings.EqualFold(name, "local") {
		return nil, false
	}
	location, err := time.LoadLocation(name)
	return location, err == nil
}
