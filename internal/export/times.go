package export

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

const (
	// postgresEpoch is 2000-01-01 00:00:00 UTC, from which Postgres counts, in Unix seconds.
	postgresEpoch = 946684800
	microsPerSec  = 1_000_000
	secondsPerDay = 86400
	// The far ends of each type mean infinity and -infinity.
	stampInfinity, stampNegInfinity = math.MaxInt64, math.MinInt64
	dateInfinity, dateNegInfinity   = math.MaxInt32, math.MinInt32
)

// appendTimestamptz appends microseconds since 2000 as RFC 3339 in the zone, with a fraction only if
// there is one. An offset of zero is Z. An offset that is not whole minutes, as zones had a century
// ago, cannot be written in RFC 3339; such a time is written in UTC. Years after 9999 have more digits,
// years before 1 are negative (0000 is 1 BC, as in ISO 8601). Infinity is spelled as Postgres does.
func appendTimestamptz(dst []byte, zone *time.Location, micros int64) []byte {
	dst, t, finite := appendInfinity(dst, zone, micros)
	if !finite {
		return dst
	}
	if _, offset := t.Zone(); offset%60 != 0 {
		t = t.UTC()
	}
	return t.AppendFormat(dst, time.RFC3339Nano)
}

// appendInfinity appends an infinite moment as Postgres spells it, or returns the moment in the zone.
func appendInfinity(dst []byte, zone *time.Location, micros int64) (_ []byte, t time.Time, finite bool) {
	switch micros {
	case stampInfinity:
		return append(dst, "infinity"...), t, false
	case stampNegInfinity:
		return append(dst, "-infinity"...), t, false
	}
	return dst, time.Unix(postgresEpoch+micros/microsPerSec, micros%microsPerSec*1000).In(zone), true
}

// appendStyled appends a moment that is not written as RFC 3339.
func appendStyled(dst []byte, style timeStyle, zone *time.Location, micros int64, zoned bool) []byte {
	dst, t, finite := appendInfinity(dst, zone, micros)
	if !finite {
		return dst
	}
	return style.append(dst, t, zoned)
}

// appendEpoch appends seconds since 1970, with a fraction only if there is one.
func appendEpoch(dst []byte, t time.Time) []byte {
	seconds, rest := t.Unix(), int64(t.Nanosecond()/1000) // in microseconds alone Postgres's last years are too many
	if seconds < 0 && rest > 0 {
		seconds, rest = seconds+1, microsPerSec-rest
	}
	if t.Unix() < 0 {
		dst, seconds = append(dst, '-'), -seconds
	}
	dst = strconv.AppendInt(dst, seconds, 10)
	if rest > 0 {
		fraction := strconv.AppendInt(nil, rest+microsPerSec, 10)[1:] // with its leading zeros
		dst = append(append(dst, '.'), bytes.TrimRight(fraction, "0")...)
	}
	return dst
}

// appendTimestamp appends a timestamp without time zone: as appendTimestamptz, without an offset.
func appendTimestamp(dst []byte, micros int64) []byte {
	dst = appendTimestamptz(dst, time.UTC, micros)
	if last := len(dst) - 1; dst[last] == 'Z' {
		return dst[:last]
	}
	return dst
}

// appendDate appends days since 2000 as YYYY-MM-DD.
func appendDate(dst []byte, days int32) []byte {
	switch days {
	case dateInfinity:
		return append(dst, "infinity"...)
	case dateNegInfinity:
		return append(dst, "-infinity"...)
	}
	return time.Unix(postgresEpoch+int64(days)*secondsPerDay, 0).UTC().AppendFormat(dst, time.DateOnly)
}
