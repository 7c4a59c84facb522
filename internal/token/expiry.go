package token

import (
	"strconv"
	"strings"
	"time"
	"trunkline/internal/fault"
)

const (
	day = 24 * time.Hour
	// maxLifetime is the longest time that a token can be given before it expires.
	maxLifetime = 3650 * day
	// maxGrace is the longest time that the old secret of a rotated token stays valid.
	maxGrace = 30 * day
)

// ParseLifetime reads a length of time: a number of days such as 90d, or what time.ParseDuration reads,
// such as 24h or 1h30m. The error is an *InvalidError about the field.
func ParseLifetime(field, text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	var length time.Duration
	var err error
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		// 32 bits: so many days are far beyond every bound, and do not overflow.
		n, err = strconv.ParseUint(days, 10, 32)
		length = min(time.Duration(n), 2*maxLifetime/day) * day
	} else {
		length, err = time.ParseDuration(text)
	}
	if err != nil || length < 0 {
		return 0, invalidf(field, "%q is not a length of time; write one such as 90d or 24h", fault.Clip(text))
	}
	return length, nil
}

// ParseExpiry reads when a token is to expire: a length of time from now as ParseLifetime does, a date
// (the token is valid to the end of that day, UTC), or a time in RFC 3339. The error is an *InvalidError
// about the field.
func ParseExpiry(field, text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return date.AddDate(0, 0, 1), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	length, err := ParseLifetime(field, text)
	if err != nil {
		return time.Time{}, invalidf(field, "%q is neither a length of time, a date nor a time; write one such as 90d, 2027-01-31 or 2027-01-31T12:00:00Z", fault.Clip(text))
	}
	return now.Add(length), nil
}

// checkExpiry fails for what is past, or so far ahead that it must be a mistake.
func checkExpiry(at *time.Time, now time.Time) error {
	switch {
	case at == nil:
		return nil
	case !at.After(now):
		return invalidf("expires_at", "is past; name a later time")
	case at.Sub(now) > maxLifetime:
		return invalidf("expires_at", "is more than %d days ahead; name an earlier time, or none for a token that does not expire", maxLifetime/day)
	}
	return nil
}

func checkGrace(grace time.Duration) error {
	if grace < 0 || grace > maxGrace {
		return invalidf("grace", "is not within 0 and %dd; name a time within", maxGrace/day)
	}
	return nil
}
