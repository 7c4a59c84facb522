package calendar

import "time"

// aheadOfUTC is more than any zone's clock is, or ever was, ahead of UTC.
const aheadOfUTC = 24 * time.Hour

// Wall is the wall time that the clock of the moment's location shows.
func Wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// First is the first moment at which the clock of the zone shows that wall time or a later one: of a time that occurs
// twice the first, and of one that is left out the moment at which the clock is put forward. A later wall time so never
// has an earlier moment.
func First(wall time.Time, zone *time.Location) time.Time {
	for at := wall.Add(-aheadOfUTC).In(zone); ; {
		_, offset := at.Zone()
		shown := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		until := unchangedUntil(at)
		switch {
		case !until.IsZero() && !shown.Before(until):
			at = until
		case shown.Before(at): // left out by the change at that moment
			return at
		default:
			return shown
		}
	}
}

// unchangedUntil is a moment after t before which the clock of its location is not changed, zero where it never is.
// Where a zone's files have a rule in place of each change, ZoneBounds ends a span with each year too, and that of a leap
// year a day early, before the moments of 31 December themselves.
func unchangedUntil(t time.Time) time.Time {
	_, until := t.ZoneBounds()
	if !until.IsZero() && !until.After(t) {
		return t.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1).In(t.Location())
	}
	return until
}

// changedBetween is the first moment after from and before to at which the clock is changed.
func changedBetween(from, to time.Time) (time.Time, bool) {
	for at := from; ; {
		until := unchangedUntil(at)
		if until.IsZero() || !until.Before(to) {
			return time.Time{}, false
		}
		_, before := at.Zone()
		if _, offset := until.Zone(); offset != before {
			return until, true
		}
		at = until
	}
}

// Date is midnight of the moment's date in its location, as a wall time.
func Date(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// StartOfDay is the first moment of the date in the zone. Of a day that the zone left out it is that of the next one.
func StartOfDay(date time.Time, zone *time.Location) time.Time {
	return First(Date(date), zone)
}
