package export

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-strftime"
)

// Layout is how rows are written where a format leaves a choice. The zero value is what the format documents. What is
// marked CSV means nothing in other formats.
type Layout struct {
	// Delimiter is what stands between CSV cells: a semicolon, a tab or a pipe; "" is the comma.
	Delimiter string `json:"delimiter,omitempty"`
	// QuoteAll has every CSV cell quoted; NULL then is "", as an empty text.
	QuoteAll bool `json:"quote_all,omitempty"`
	NoHeader bool `json:"no_header,omitempty"` // CSV without the row of the columns' names
	CRLF     bool `json:"crlf,omitempty"`      // CSV lines end in CR LF
	// Dates are how times are written: rfc3339 or "", epoch, postgres, or a pattern as strftime has it.
	Dates string `json:"dates,omitempty"`
	// Durations are how numbers of seconds are written: one of seconds, minutes and minutes_up; "" is as they are.
	Durations string `json:"durations,omitempty"`
}

// Delimiters are what may stand between CSV cells, by the name that is asked for.
var Delimiters = map[string]string{"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

// The ways to write times that are no pattern.
const (
	DatesRFC3339 = "rfc3339"
	// DatesEpoch are seconds since 1970 in UTC, with a fraction only if there is one.
	DatesEpoch = "epoch"
	// DatesPostgres are as Postgres prints them: 2026-01-31 18:00:00+01.
	DatesPostgres = "postgres"
)

// The ways to write durations.
const (
	DurationsSeconds = "seconds"
	// DurationsMinutes are minutes with two decimals, rounded to the nearest, and half a hundredth up.
	DurationsMinutes = "minutes"
	// DurationsMinutesUp are whole minutes, of which one that has begun counts.
	DurationsMinutesUp = "minutes_up"
)

// Durations are the ways to write durations, the usual one first.
func Durations() []string { return []string{DurationsSeconds, DurationsMinutes, DurationsMinutesUp} }

const (
	// maxPattern is the longest pattern of times, in bytes.
	maxPattern = 64
	// patternLiterals may stand in a pattern as they are: nothing that any format escapes, and no delimiter.
	patternLiterals = " -/.:_T"
	// patternDirectives may follow a % in one.
	patternDirectives = "YymdejHIMSpPfzBbAaFTDR%"
)

// Check says what of the layout makes no sense, or nothing in the format. The errors begin with the name of the
// parameter.
func (l Layout) Check(format Format) error {
	csvOnly := []struct {
		name  string
		given bool
	}{{"delimiter", l.Delimiter != ""}, {"quoting", l.QuoteAll}, {"header", l.NoHeader}, {"line_end", l.CRLF}}
	for _, choice := range csvOnly {
		if choice.given && format != CSV {
			return fmt.Errorf("%s: means nothing in %s; leave it out, or ask for CSV", choice.name, format)
		}
	}
	if l.Delimiter != "" && !slices.Contains([]string{",", ";", "\t", "|"}, l.Delimiter) {
		return errors.New("delimiter: is none of comma, semicolon, tab and pipe")
	}
	if l.Durations != "" && !slices.Contains(Durations(), l.Durations) {
		return fmt.Errorf("durations: is none of %s", strings.Join(Durations(), ", "))
	}
	if format == Parquet && (l.Dates != "" || l.Durations != "") {
		return errors.New("date_format, durations: mean nothing in PARQUET, whose columns have types; leave them out")
	}
	_, err := l.times()
	return err
}

// delimiter is what stands between CSV cells.
func (l Layout) delimiter() string { return cmp.Or(l.Delimiter, ",") }

// times is how times are written. The error begins with the parameter's name.
func (l Layout) times() (timeStyle, error) {
	switch strings.ToLower(l.Dates) {
	case "", DatesRFC3339:
		return timeStyle{}, nil
	case DatesEpoch:
		return timeStyle{epoch: true}, nil
	case DatesPostgres:
		return timeStyle{postgres: true}, nil
	}
	pattern := l.Dates
	refuse := func(why string, args ...any) (timeStyle, error) {
		return timeStyle{}, fmt.Errorf("date_format: "+why+"; write %s, %s, %s, or a pattern such as %%Y-%%m-%%d %%H:%%M:%%S",
			append(args, DatesRFC3339, DatesEpoch, DatesPostgres)...)
	}
	if len(pattern) > maxPattern {
		return refuse("is longer than %d bytes", maxPattern)
	}
	directives := 0
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' {
			if !strings.Contains(patternLiterals, pattern[i:i+1]) {
				return refuse("cannot hold %q by itself", pattern[i])
			}
			continue
		}
		if i++; i == len(pattern) || !strings.Contains(patternDirectives, pattern[i:i+1]) {
			return refuse("has a %% before what is none of %s", patternDirectives)
		}
		if pattern[i] != '%' {
			directives++
		}
	}
	if directives == 0 {
		return refuse("has no %% for a part of the time")
	}
	if strings.HasPrefix(pattern, "-") || strings.HasPrefix(pattern, "%z") {
		return refuse("begins with a sign, which a spreadsheet takes for a formula")
	}
	layout, err := strftime.Layout(pattern)
	if err != nil {
		return refuse("cannot be read (%w)", err)
	}
	return timeStyle{layout: layout}, nil
}

// timeStyle is how times are written; the zero value is RFC 3339.
type timeStyle struct {
	epoch, postgres bool
	layout          string // as package time has it
}

// isUsual reports whether times are written as RFC 3339.
func (s timeStyle) isUsual() bool { return s == timeStyle{} }

// append appends a moment in the zone that it has.
func (s timeStyle) append(dst []byte, t time.Time, zoned bool) []byte {
	switch {
	case s.epoch:
		return appendEpoch(dst, t)
	case s.postgres:
		return appendPostgres(dst, t, zoned)
	}
	return t.AppendFormat(dst, s.layout)
}

// appendPostgres appends a moment as Postgres prints it: the year before year 1 is 1 BC, and an offset has what it needs of
// minutes and seconds, which zones had a century ago.
func appendPostgres(dst []byte, t time.Time, zoned bool) []byte {
	year := t.Year()
	if year < 1 {
		dst = fmt.Appendf(dst, "%04d", 1-year)
	} else {
		dst = t.AppendFormat(dst, "2006")
	}
	dst = t.AppendFormat(dst, "-01-02 15:04:05.999999")
	if zoned {
		_, seconds := t.Zone()
		switch {
		case seconds%60 != 0:
			dst = t.AppendFormat(dst, "-07:00:00")
		case seconds%3600 != 0:
			dst = t.AppendFormat(dst, "-07:00")
		default:
			dst = t.AppendFormat(dst, "-07")
		}
	}
	if year < 1 {
		dst = append(dst, " BC"...)
	}
	return dst
}
