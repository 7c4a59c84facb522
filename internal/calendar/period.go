package calendar

import (
	"fmt"
	"time"
)

// Period is a stretch of the calendar that a span is divided into.
type Period string

// The periods, as a time zone has them. A week begins on Monday.
const (
	Hour  Period = "hour"
	Day   Period = "day"
	Week  Period = "week"
	Month Period = "month"
)

// Starts are where the periods of the span begin, by the clock of start's location, in order: the first with the span
// itself, wherever in a period that is. A day has 23 or 25 hours where the clock is changed. An hour begins with each full
// hour of the clock and with each change of it, so that one that occurs twice is two.
func (p Period) Starts(start, end time.Time) []time.Time {
	starts := []time.Time{start}
	for next := p.After(start); next.Before(end); next = p.After(next) {
		starts = append(starts, next)
	}
	return starts
}

// After is the beginning of the first period that begins after the moment, in its location.
func (p Period) After(t time.Time) time.Time {
	if p == Hour {
		full := t.Add(time.Hour - sinceFullHour(t))
		if changed, ok := changedBetween(t, full); ok {
			return changed
		}
		return full
	}
	for day := Date(t); ; {
		day = p.nextDay(day)
		if next := StartOfDay(day, t.Location()); next.After(t) { // else a day that the zone left out
			return next
		}
	}
}

// Begin is the beginning of the period that holds the moment, in its location.
func (p Period) Begin(t time.Time) time.Time {
	if p == Hour {
		begin := t.Add(-sinceFullHour(t))
		for {
			changed, ok := changedBetween(begin, t.Add(1))
			if !ok {
				return begin
			}
			begin = changed
		}
	}
	// The next day has begun already where the clock was put back over midnight.
	for day := Date(t).AddDate(0, 0, 1); ; day = day.AddDate(0, 0, -1) {
		day = p.firstDay(day)
		if begin := StartOfDay(day, t.Location()); !begin.After(t) {
			return begin
		}
	}
}

// firstDay is the date with which the period that holds the date begins.
func (p Period) firstDay(date time.Time) time.Time {
	switch p {
	case Month:
		return date.AddDate(0, 0, 1-date.Day())
	case Week:
		sinceMonday := (int(date.Weekday()) + 6) % 7
		return date.AddDate(0, 0, -sinceMonday)
	}
	return date
}

// nextDay is the date with which the period after that of the date begins.
func (p Period) nextDay(date time.Time) time.Time {
	first := p.firstDay(date)
	switch p {
	case Month:
		return first.AddDate(0, 1, 0)
	case Week:
		return first.AddDate(0, 0, 7)
	}
	return first.AddDate(0, 0, 1)
}

// sinceFullHour is how far the clock has gone on from its last full hour.
func sinceFullHour(t time.Time) time.Duration {
	return time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

// Name is what the period that holds the moment is called: 2024-10, 2024-W43 as ISO 8601 counts weeks, 2024-10-27, or of
// an hour its beginning, 2024-10-27T02:00:00+02:00.
func (p Period) Name(t time.Time) string {
	switch p {
	case Month:
		return t.Format("2006-01")
	case Week:
		year, week := t.ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week)
	case Day:
		return t.Format(time.DateOnly)
	}
	return p.Begin(t).Format(time.RFC3339)
}
