package export

import (
	"math"
	"strconv"
	"time"
)

const (
	// postgresEpoch is 2000-01-01 00:00:00 UTC, from which Postgres counts, in Unix seconds.
	postgresEpoch  = 946684800
	microsPerSec   = 1_000_000
	secondsPerDay  = 86400
	daysToPostgres = postgresEpoch / secondsPerDay
	// The far ends of each type mean infinity and -infinity.
	stampInfinity, stampNegInfinity = math.MaxInt64, math.MinInt64
	dateInfinity, dateNegInfinity   = math.MaxInt32, math.MinInt32
)

// clock writes timestamps in one zone. It keeps the last two spans between changes of the zone's
// offset, because a call's times are close together or 1970-01-01 where it was not answered.
type clock struct {
	zone  *time.Location
	spans [2]span
}

// span is a time in which a zone's offset does not change: from <= t < to, in Unix seconds.
type span struct {
	from, to int64
	offset   int64 // seconds east of UTC
}

func newClock(zone *time.Location) clock {
	if zone == nil {
		zone = time.UTC
	}
	return clock{zone: zone}
}

// offset returns the zone's seconds east of UTC at a Unix time.
func (c *clock) offset(unix int64) int64 {
	if s := &c.spans[0]; unix >= s.from && unix < s.to {
		return s.offset
	}
	if s := &c.spans[1]; unix >= s.from && unix < s.to {
		c.spans[0], c.spans[1] = c.spans[1], c.spans[0]
		return c.spans[0].offset
	}
	t := time.Unix(unix, 0).In(c.zone)
	_, offset := t.Zone()
	s := span{from: math.MinInt64, to: math.MaxInt64, offset: int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		s.from = start.Unix()
	}
	if !end.IsZero() {
		s.to = end.Unix()
	}
	c.spans[0], c.spans[1] = s, c.spans[0]
	return s.offset
}

// appendTimestamptz appends microseconds since 2000 as RFC 3339 in the clock's zone, with a fraction
// only where there is one. An offset of zero is Z. An offset that is not whole minutes, as zones had
// a century ago, cannot be written in RFC 3339; such a time is written in UTC. Years after 9999 have
// more digits, years before 1 are negative (0000 is 1 BC, as in ISO 8601). Infinity is spelled as
// Postgres does.
func (c *clock) appendTimestamptz(dst []byte, micros int64) []byte {
	switch micros {
	case stampInfinity:
		return append(dst, "infinity"...)
	case stampNegInfinity:
		return append(dst, "-infinity"...)
	}
	offset := c.offset(floorDiv(micros, microsPerSec) + postgresEpoch)
	if offset%60 != 0 {
		offset = 0
	}
	dst = appendStamp(dst, micros, offset)
	if offset == 0 {
		return append(dst, 'Z')
	}
	if offset < 0 {
		dst = append(dst, '-')
		offset = -offset
	} else {
		dst = append(dst, '+')
	}
	dst = append2(dst, int(offset/3600))
	dst = append(dst, ':')
	return append2(dst, int(offset/60%60))
}

// appendTimestamp appends a timestamp without time zone: as appendTimestamptz, without an offset.
func appendTimestamp(dst []byte, micros int64) []byte {
	switch micros {
	case stampInfinity:
		return append(dst, "infinity"...)
	case stampNegInfinity:
		return append(dst, "-infinity"...)
	}
	return appendStamp(dst, micros, 0)
}

// appendDate appends days since 2000 as YYYY-MM-DD.
func appendDate(dst []byte, days int32) []byte {
	switch days {
	case dateInfinity:
		return append(dst, "infinity"...)
	case dateNegInfinity:
		return append(dst, "-infinity"...)
	}
	return appendDay(dst, int64(days)+daysToPostgres)
}

// appendStamp appends the date and time of day, offset seconds east of UTC.
func appendStamp(dst []byte, micros, offset int64) []byte {
	seconds := floorDiv(micros, microsPerSec)
	fraction := micros - seconds*microsPerSec
	seconds += postgresEpoch + offset
	day := floorDiv(seconds, secondsPerDay)
	ofDay := int(seconds - day*secondsPerDay)

	dst = append(appendDay(dst, day), 'T')
	dst = append(append2(dst, ofDay/3600), ':')
	dst = append(append2(dst, ofDay/60%60), ':')
	dst = append2(dst, ofDay%60)
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(microsPerSec / 10); fraction > 0; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit))
		fraction %= unit
	}
	return dst
}

// appendDay appends a day, counted from 1970-01-01, in the proleptic Gregorian calendar. Years are
// taken to begin in March, so that the leap day is the last of its year, in cycles of 400 years.
func appendDay(dst []byte, day int64) []byte {
	const (
		daysPerCycle   = 146097
		marchOfYear0   = 719468 // days from 0000-03-01 to 1970-01-01
		daysPerYear    = 365
		yearsPerCycle  = 400
		daysPer4Years  = 1461
		daysPerCentury = 36524
	)
	day += marchOfYear0
	cycle := floorDiv(day, daysPerCycle)
	ofCycle := day - cycle*daysPerCycle
	yearOfCycle := (ofCycle - ofCycle/(daysPer4Years-1) + ofCycle/daysPerCentury - ofCycle/(daysPerCycle-1)) / daysPerYear
	ofYear := int(ofCycle - (daysPerYear*yearOfCycle + yearOfCycle/4 - yearOfCycle/100))
	monthFromMarch := (5*ofYear + 2) / 153
	ofMonth := ofYear - (153*monthFromMarch+2)/5 + 1
	month := monthFromMarch + 3
	year := cycle*yearsPerCycle + yearOfCycle
	if month > 12 {
		month -= 12
		year++
	}
	switch {
	case year > 9999 || year < -9999:
		dst = strconv.AppendInt(dst, year, 10)
	case year < 0:
		dst = append4(append(dst, '-'), int(-year))
	default:
		dst = append4(dst, int(year))
	}
	dst = append2(append(dst, '-'), month)
	return append2(append(dst, '-'), ofMonth)
}

// floorDiv divides and rounds down, for a positive b.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// append4 appends a number of at least 0 and at most 9999 with four digits.
func append4(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/1000), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

// append2 appends a number of at least 0 and at most 99 with two digits.
func append2(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}
