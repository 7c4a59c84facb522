package cdr

import "time"

// Period is a stretch of the calendar that a span is divided into.
type Period string

// The periods, as a time zone has them.
const (
	Hour  Period = "hour"
	Day   Period = "day"
	Month Period = "month"
)

// Periods are where the periods of a resolved window begin, in its time zone, in order: the first with the window itself,
// wherever in a period that is. A day is what date_start takes for one, of 23 or 25 hours where the clock is changed. An
// hour begins with each full hour of the clock and with each change of it, so that one that occurs twice is two.
func (w Window) Periods(p Period) []time.Time {
	location, ok := zone(w.TimeZone)
	if !ok {
		location = time.UTC // not reached of a resolved window
	}
	starts := []time.Time{w.Start.In(location)}
	for next := p.after(starts[0]); next.Before(w.End); next = p.after(next) {
		starts = append(starts, next)
	}
	return starts
}

// after is the beginning of the first period that begins after the moment, in its location.
func (p Period) after(t time.Time) time.Time {
	if p == Hour {
		full := t.Add(time.Hour - sinceFullHour(t))
		if _, changed := t.ZoneBounds(); !changed.IsZero() && changed.Before(full) {
			return changed
		}
		return full
	}
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	for {
		if p == Month {
			day = time.Date(day.Year(), day.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		} else {
			day = day.AddDate(0, 0, 1)
		}
		if next := startOfDay(day, t.Location()); next.After(t) { // else a day that the zone left out
			return next.In(t.Location())
		}
	}
}

// sinceFullHour is how far the clock has gone on from its last full hour.
func sinceFullHour(t time.Time) time.Duration {
	return time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

// Name is what the period that holds the moment is called: 2024-10, 2024-10-27, or of an hour its beginning,
// 2024-10-27T02:00:00+02:00.
func (p Period) Name(t time.Time) string {
	switch p {
	case Month:
		return t.Format("2006-01")
	case Day:
		return t.Format(time.DateOnly)
	}
	began := t.Add(-sinceFullHour(t))
	if changed, _ := t.ZoneBounds(); began.Before(changed) {
		began = changed
	}
	return began.Format(time.RFC3339)
}
