package schedule

import (
	"iter"
	"time"

	"trunkline/internal/calendar"
	"trunkline/internal/fault"
)

// Kind is what span of time each export of a schedule covers.
type Kind string

// The kinds of windows. Days, weeks (from Monday) and months are whole ones of the schedule's zone.
const (
	PreviousDay   Kind = "previous_day"
	PreviousWeek  Kind = "previous_week"
	PreviousMonth Kind = "previous_month"
	SinceLastRun  Kind = "since_last_run"
)

// ParseKind reads a kind. Errors: fault.InvalidRequest, which names window.
func ParseKind(text string) (Kind, error) {
	switch kind := Kind(text); kind {
	case PreviousDay, PreviousWeek, PreviousMonth, SinceLastRun:
		return kind, nil
	}
	return "", fault.Invalid("window", "%.64q is not known; write %s, %s, %s or %s", text, PreviousDay, PreviousWeek, PreviousMonth, SinceLastRun)
}

// period is that of a kind, or "" of SinceLastRun.
func (k Kind) period() calendar.Period {
	switch k {
	case PreviousDay:
		return calendar.Day
	case PreviousWeek:
		return calendar.Week
	case PreviousMonth:
		return calendar.Month
	}
	return ""
}

// Window is the half-open span of time that one export covers, in UTC and whole seconds.
type Window struct {
	Number     int64 // of the schedule's windows, from 1 without a gap
	Start, End time.Time
}

// State is all that is kept of what a schedule has made.
type State struct {
	Watermark time.Time // up to where it has exported
	Number    int64     // of the last window, 0 before the first
}

// State is that of the schedule once the window is made.
func (w Window) State() State { return State{Watermark: w.End, Number: w.Number} }

// Begin is the state of a schedule that is made at the moment: its first run exports one period, the last that has ended by
// then, or what came since it was made.
func (s Schedule) Begin(created time.Time) State {
	period := s.Kind.period()
	if period == "" {
		return State{Watermark: created.UTC().Truncate(time.Second)}
	}
	due := s.Next(created).Add(-s.Lag).In(s.Zone)
	end := period.Begin(due)
	return State{Watermark: period.Begin(end.Add(-time.Second)).UTC()}
}

// NextWindow is the one that is made next. fixed is false of SinceLastRun: it ends when the schedule runs.
func (s Schedule) NextWindow(state State) (w Window, fixed bool) {
	w = Window{Number: state.Number + 1, Start: state.Watermark.UTC()}
	period := s.Kind.period()
	if period == "" {
		return w, false
	}
	w.End = period.After(state.Watermark.In(s.Zone)).UTC()
	return w, true
}

// Windows are those that a run at the moment makes, the oldest first: each begins where the one before it ended, and has
// ended itself by the moment less the lag. They depend on the moment and the state alone, not on when the schedule was to
// run: one that was down, or runs more seldom than its windows end, makes all of them, and a run at an earlier moment than
// the last one's makes none.
//
// A window ends where the next day, week or month of the zone begins, wherever the watermark is: after a change of the zone
// or the kind the first one may be shorter than the others. A day that the zone left out has no window. SinceLastRun makes
// one, up to the moment less the lag.
//
// Whoever makes an export of a window keeps its State in the same transaction, and may stop after any of them.
func (s Schedule) Windows(state State, moment time.Time) iter.Seq[Window] {
	due := moment.Add(-s.Lag).UTC().Truncate(time.Second)
	return func(yield func(Window) bool) {
		for {
			w, fixed := s.NextWindow(state)
			if !fixed {
				w.End = due
			}
			if w.End.After(due) || !w.End.After(state.Watermark) || !yield(w) {
				return
			}
			state = w.State()
		}
	}
}

// Cut are the windows of a past span, without numbers: the days, weeks or months that are in it, the first and the last of
// which may be cut off by its ends, or the span itself. Of more than most it returns one more.
func (s Schedule) Cut(start, end time.Time, most int) (windows []Window) {
	for start.Before(end) && len(windows) <= most {
		w, fixed := s.NextWindow(State{Watermark: start})
		if !fixed || w.End.After(end) {
			w.End = end
		}
		windows, start = append(windows, Window{Start: w.Start, End: w.End}), w.End
	}
	return windows
}
