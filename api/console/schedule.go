package console

import (
	"cmp"
	"maps"
	"slices"

	"trunkline/api/params"
	"trunkline/api/schedules"
	"trunkline/api/web"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
	"trunkline/internal/token"
)

var schedulePage = page{
	path: "/schedules/:id", title: "Schedule", template: "schedule", unlisted: true, live: true, scope: token.ScopeExport, show: (*Service).schedule,
	params: []web.Param{{Name: "series"}, {Name: "state"}, {Name: "number"}, {Name: "after"}, {Name: "limit"}},
}

// windowsShown is how many windows a page has if nothing else is asked for.
const windowsShown = "20"

// scheduleView is one schedule with a page of its history.
type scheduleView struct {
	schedules.Schedule
	Kind     string // of its windows, in words
	Exports  []setting
	Series   []store.Series
	States   []store.State
	Filtered bool
	Windows  []shownWindow
	Pager    pager
}

// setting is what something is asked for by, or is set to.
type setting struct{ Name, Value string }

// shownWindow is a window with what its files come to.
type shownWindow struct {
	schedules.Window
	Done       bool  // it has a file that is whole
	Rows, Late int64 // of the files that are whole
	MayRun     bool  // it can be exported again
	MaySkip    bool
}

// newWindow sums up what a window has.
func newWindow(w schedules.Window) shownWindow {
	is := shownWindow{Window: w}
	for _, f := range w.Files {
		if f.Rows != nil {
			is.Done = true
			is.Rows += *f.Rows
		}
		if f.LateRows != nil {
			is.Late += *f.LateRows
		}
	}
	is.MayRun = w.Number != nil && (w.State == store.StateSucceeded || w.State == store.StateFailed || w.State == store.StateSkipped)
	is.MaySkip = w.Number != nil && (w.State == store.StateWaiting || w.State == store.StateFailed)
	return is
}

// kindWords say what each export of a schedule covers.
var kindWords = map[schedule.Kind]string{
	schedule.PreviousDay:   "each whole day",
	schedule.PreviousWeek:  "each whole week, from Monday",
	schedule.PreviousMonth: "each whole month",
	schedule.SinceLastRun:  "what has come since the last run",
}

func (s *Service) schedule(r *web.Request) (any, error) {
	is, err := s.Schedules.Show(r)
	if err != nil {
		return nil, err
	}
	found, err := s.Schedules.Windows(r.With(params.Values{
		"series": r.Params.Get("series"), "state": r.Params.Get("state"), "number": r.Params.Get("number"),
		"after": r.Params.Get("after"), "limit": cmp.Or(r.Params.Get("limit"), windowsShown),
	}))
	if err != nil {
		return nil, err
	}
	v := scheduleView{Schedule: is, Kind: cmp.Or(kindWords[is.Window], string(is.Window)), Series: store.AllSeries, States: store.States, Filtered: filtered(r), Pager: newPager(r, found.Next)}
	for _, name := range slices.Sorted(maps.Keys(is.Export)) {
		v.Exports = append(v.Exports, setting{name, is.Export[name]})
	}
	for _, w := range found.Windows {
		v.Windows = append(v.Windows, newWindow(w))
	}
	return v, nil
}
