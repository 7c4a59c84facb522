package console

import (
	"fmt"
	"strings"

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
)

// manifest is an export's manifest with what only its fields say in words.
type manifest struct {
	cdr.Manifest
	Which   []string // which calls it holds, of those that began in its window; none: all of them
	Written []string // how its rows are written
	First   string   // the keys of the first and of the last row; "": it has no rows
	Last    string
}

func manifestIn(m cdr.Manifest) manifest {
	return manifest{Manifest: m, Which: choiceInWords(m.Filter), Written: layoutInWords(m), First: keysInWords(m.FirstKey), Last: keysInWords(m.LastKey)}
}

// choiceInWords is what narrows CDRs down.
func choiceInWords(c fusionpbx.CDRChoice) (all []string) {
	say := func(is bool, words string, values ...any) {
		if is {
			all = append(all, fmt.Sprintf(words, values...))
		}
	}
	say(c.Page, "what FusionPBX’s own page shows")
	say(len(c.Extensions) > 0, "of the extensions %s", strings.Join(c.Extensions, ", "))
	say(len(c.Directions) > 0, "of the direction %s", strings.Join(c.Directions, " or "))
	say(c.Leg != "", "of leg %s", c.Leg)
	say(c.Answered, "that were answered")
	say(len(c.HangupCauses) > 0, "that ended with %s", strings.Join(c.HangupCauses, " or "))
	say(c.MinBillsec > 0, "of at least %d billed seconds", c.MinBillsec)
	say(c.CallerPrefix != "", "whose caller begins with %s", c.CallerPrefix)
	say(c.DestinationPrefix != "", "whose destination begins with %s", c.DestinationPrefix)
	say(c.Gateway != "", "through the gateway %s", c.Gateway)
	say(c.Conference != "", "in the conference %s", c.Conference)
	say(c.Queue != "", "in the queue %s", c.Queue)
	return all
}

// delimiterNames are what the delimiters of CSV are called.
var delimiterNames = map[string]string{"": "commas", ",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}

// layoutInWords is how the rows of a file are written, beyond its format.
func layoutInWords(m cdr.Manifest) (all []string) {
	l := m.Layout
	either := func(is bool, yes, no string) string {
		if is {
			return yes
		}
		return no
	}
	if m.Format == export.CSV {
		all = append(all,
			delimiterNames[l.Delimiter]+" between the cells",
			either(l.QuoteAll, "every cell in quotes", "quotes where they are needed"),
			either(l.NoHeader, "without a row of names", "with a row of names"),
			either(l.CRLF, "lines that end in CR LF", "lines that end in LF"),
			either(m.Guarded, "a ' before what a spreadsheet would run as a formula", "nothing before what a spreadsheet would run as a formula"),
		)
	}
	switch l.Dates {
	case "", export.DatesRFC3339:
		all = append(all, "times as RFC 3339 has them")
	case export.DatesEpoch:
		all = append(all, "times as seconds since 1970")
	case export.DatesPostgres:
		all = append(all, "times as Postgres prints them")
	default:
		all = append(all, "times by the pattern "+l.Dates)
	}
	switch l.Durations {
	case export.DurationsMinutes:
		all = append(all, "durations in minutes with two decimals")
	case export.DurationsMinutesUp:
		all = append(all, "durations in whole minutes, rounded up")
	default:
		all = append(all, "durations in seconds")
	}
	return all
}

// keysInWords are the values that a row is ordered by.
func keysInWords(keys []*string) string {
	values := make([]string, len(keys))
	for i, key := range keys {
		if values[i] = "none"; key != nil {
			values[i] = *key
		}
	}
	return strings.Join(values, ", ")
}
