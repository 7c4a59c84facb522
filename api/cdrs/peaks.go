package cdrs

import (
	"strings"
	"time"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

// maxPeaks bounds the peaks of one answer, each period and domain with one.
const maxPeaks = 100_000

// Peak is the most calls that were up at the same moment.
type Peak struct {
	Channels int64      `json:"channels"`
	At       *time.Time `json:"at,omitempty"` // when so many were up for the first time, in the time zone; absent if no call was
}

// PeriodPeak is that of one day or month in which a call was up.
type PeriodPeak struct {
	Period string `json:"period"` // 2024-10-27, or 2024-10
	Peak
}

// Peaks are that of the whole span, and of its days and months where they are asked for.
type Peaks struct {
	Peak
	Days   []PeriodPeak `json:"days,omitempty"`
	Months []PeriodPeak `json:"months,omitempty"`
}

// The choices of peaks.
const (
	peakSpan  = "span"
	peakDay   = string(calendar.Day)
	peakMonth = string(calendar.Month)
)

var peaksParam = web.Param{
	Name: "peaks", About: "The most calls that were up at the same moment, of the span, and of each day or month: span, day, month, separated by commas. Left out: none.",
}

// peaksAsked is which peaks are asked for.
type peaksAsked struct{ span, days, months bool }

// peaksOf reads the parameter peaks.
func peaksOf(r *web.Request) (p peaksAsked, err error) {
	for _, one := range params.Split(strings.ToLower(r.Params.Get("peaks"))) {
		switch one {
		case peakSpan:
			p.span = true
		case peakDay:
			p.days = true
		case peakMonth:
			p.months = true
		default:
			return p, fault.Invalid("peaks", "there are none by %.200q; write some of %s, %s, %s", one, peakSpan, peakDay, peakMonth)
		}
	}
	return p, nil
}

// any reports whether any are asked for.
func (p peaksAsked) any() bool { return p != peaksAsked{} }

// starts are where the shortest periods begin whose peaks are asked for: those of longer ones follow from theirs.
func (p peaksAsked) starts(w cdr.Window) []time.Time {
	switch {
	case p.days:
		return w.Periods(calendar.Day)
	case p.months:
		return w.Periods(calendar.Month)
	}
	return []time.Time{w.Start}
}

// check refuses more peaks than an answer may have.
func (p peaksAsked) check(found []fusionpbx.CDRPeak) error {
	if len(found) <= maxPeaks {
		return nil
	}
	return fault.Invalid("peaks", "there are more than %d; ask for those by %s, for a shorter span, or for one domain", maxPeaks, peakMonth)
}

// of are the peaks that follow from those of the periods that begin at the starts.
func (p peaksAsked) of(starts []time.Time, found []fusionpbx.CDRPeak) (peaks Peaks) {
	for _, one := range found {
		start := starts[one.Period]
		at := one.At.In(start.Location())
		peak := Peak{Channels: one.Channels, At: &at}
		peaks.Peak = higher(peaks.Peak, peak)
		if p.days {
			peaks.Days = append(peaks.Days, PeriodPeak{calendar.Day.Name(start), peak})
		}
		if !p.months {
			continue
		}
		month := calendar.Month.Name(start)
		if last := len(peaks.Months) - 1; last >= 0 && peaks.Months[last].Period == month {
			peaks.Months[last].Peak = higher(peaks.Months[last].Peak, peak)
		} else {
			peaks.Months = append(peaks.Months, PeriodPeak{month, peak})
		}
	}
	return peaks
}

// higher is the higher of two peaks, or the first.
func higher(one, later Peak) Peak {
	if later.Channels > one.Channels {
		return later
	}
	return one
}

// byDomain are the peaks of each domain, by its UUID.
func byDomain(found []fusionpbx.CDRPeak) map[string][]fusionpbx.CDRPeak {
	domains := map[string][]fusionpbx.CDRPeak{}
	for _, one := range found {
		domains[one.DomainUUID] = append(domains[one.DomainUUID], one)
	}
	return domains
}
