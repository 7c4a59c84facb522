package cdr

import (
	"context"
	"time"

	"trunkline/internal/calendar"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// Window is a half-open span of time, Start to End in UTC. DateStart, DateEnd (inclusive) and TimeZone are
// as the caller meant them and appear in the answer.
type Window struct {
	DateStart string    `json:"date_start"` // as asked for
	DateEnd   string    `json:"date_end"`
	TimeZone  string    `json:"time_zone"`
	Start     time.Time `json:"start"` // the span, half-open
	End       time.Time `json:"end"`
}

// DateRange is the span as the documented answer words it.
func (w Window) DateRange() string { return w.DateStart + " to " + w.DateEnd }

// Resolve reads the dates, in TimeZone or else in the domain's zone ("" for the default one), and sets
// what is missing. Errors: fault.MissingParameters and fault.InvalidRequest, which name the parameter.
func (w *Window) Resolve(ctx context.Context, db *fusionpbx.DB, domainUUID string) error {
	switch {
	case w.DateStart == "" && w.DateEnd == "":
		return fault.Missing("date_start", "date_end")
	case w.DateStart == "":
		return fault.Missing("date_start")
	case w.DateEnd == "":
		return fault.Missing("date_end")
	}
	location, err := Zone(ctx, db, domainUUID, w.TimeZone)
	if err != nil {
		return err
	}
	w.TimeZone = location.String()
	const remedy = "is not a date; write 2024-01-31, 2024-01-31 18:00:00 or 2024-01-31T18:00:00+01:00 (encode + as %%2B in a form)"
	var ok bool
	if w.Start, ok = ParseStart(w.DateStart, location); !ok {
		return fault.Invalid("date_start", remedy)
	}
	if w.End, ok = parseEnd(w.DateEnd, location); !ok {
		return fault.Invalid("date_end", remedy)
	}
	if !w.Start.Before(w.End) {
		return fault.Invalid("date_end", "is before date_start")
	}
	return nil
}

// Periods are where the periods of a resolved window begin, in its time zone, in order: the first with the window itself,
// wherever in a period that is. A day is what date_start takes for one.
func (w Window) Periods(p calendar.Period) []time.Time {
	location, ok := calendar.Zone(w.TimeZone)
	if !ok {
		location = time.UTC // not reached of a resolved window
	}
	return p.Starts(w.Start.In(location), w.End)
}

// Zone is the time zone of that name or, of "", the domain's ("" for the default one). Errors: fault.InvalidRequest, which
// names time_zone.
func Zone(ctx context.Context, db *fusionpbx.DB, domainUUID, name string) (*time.Location, error) {
	given := name != ""
	if !given {
		var err error
		if name, err = db.TimeZone(ctx, domainUUID); err != nil {
			return nil, err
		}
	}
	location, ok := calendar.Zone(name)
	if !ok && given {
		return nil, fault.Invalid("time_zone", "%.200q is not known; write a name such as Europe/Paris or UTC", name)
	}
	if !ok {
		return nil, fault.Invalid("time_zone", "FusionPBX's setting domain, time_zone is %q, which is not known; correct it there or send time_zone", name)
	}
	return location, nil
}

// momentLayouts are the date-times that are read, besides dates. Those without a zone are in the export's.
var momentLayouts = []string{
	time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02 15:04Z07:00",
	"2006-01-02T15:04:05", time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04",
}

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

// ParseStart reads the start of a span, in UTC and within what RFC 3339 can write: a date begins with its
// first moment in the zone.
func ParseStart(text string, location *time.Location) (time.Time, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return withinCalendar(calendar.StartOfDay(day, location)), true
	}
	moment, ok := parseMoment(text, location)
	return withinCalendar(moment), ok
}

// parseEnd reads date_end, which is inclusive, and returns the end of the half-open window: the first
// moment of the next day, or the second after the one that was given.
func parseEnd(text string, location *time.Location) (time.Time, bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return withinCalendar(calendar.StartOfDay(day.AddDate(0, 0, 1), location)), true
	}
	moment, ok := parseMoment(text, location)
	return withinCalendar(moment.Truncate(time.Second).Add(time.Second)), ok
}

func parseMoment(text string, location *time.Location) (time.Time, bool) {
	for _, layout := range momentLayouts {
		if t, err := time.ParseInLocation(layout, text, location); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
