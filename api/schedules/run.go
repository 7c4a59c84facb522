package schedules

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"

	"trunkline/api/cdrs"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
)

// maxNumber is the greatest number of a window that can be asked for.
const maxNumber = math.MaxInt32

// Made are windows that were asked for.
type Made struct {
	Windows []Window `json:"windows"`
	Note    string   `json:"note,omitempty"` // that they wait, since the schedule is paused
}

// windowOf reads which window is meant; number is 0 if none is.
func windowOf(r *web.Request) (of store.Series, number int64, err error) {
	of = store.Series(cmp.Or(r.Params.Get("series"), string(store.SeriesRun)))
	if of != store.SeriesRun && of != store.SeriesBackfill {
		return of, 0, fault.Invalid("series", "write %s or %s", store.SeriesRun, store.SeriesBackfill)
	}
	n, err := r.Params.Number("number", 0, 1, maxNumber)
	if err == nil && n == 0 && r.Params.Get("series") != "" {
		err = fault.Missing("number, which series needs")
	}
	return of, int64(n), err
}

// accepted answers with windows that were asked for, and says where they are listed.
func accepted(ask func(*web.Request) (Made, error)) func(*web.Request) error {
	return func(r *web.Request) error {
		made, err := ask(r)
		if err == nil {
			r.SetHeader("Location", "/v1/schedules/"+r.Path("id")+"/windows")
			r.SetHeader("Retry-After", strconv.Itoa(web.RetryAfter))
			r.Answer(http.StatusAccepted, made)
		}
		return err
	}
}

// Run runs the path's schedule now, or exports one of its windows again.
func (s *Service) Run(r *web.Request) (made Made, err error) {
	of, number, err := windowOf(r)
	if err != nil {
		return made, err
	}
	record, err := s.ofPath(r)
	if err != nil {
		return made, err
	}
	var windows []store.Window
	if number == 0 {
		windows, err = s.schedules.Run(r.Context(), record.ID, r.Caller.Domains)
	} else {
		windows = make([]store.Window, 1)
		windows[0], err = s.schedules.RunAgain(r.Context(), record.ID, r.Caller.Domains, of, number)
	}
	if err != nil {
		return made, err
	}
	return s.made(r, "schedule.run", record, windows)
}

// WouldRun are the windows that Run without a number would make now, which are not made.
func (s *Service) WouldRun(r *web.Request) ([]Window, error) {
	found, err := s.schedules.WouldRun(r.Context(), r.Path("id"), r.Caller.Domains)
	windows := make([]Window, len(found))
	for i, w := range found {
		windows[i] = windowView(w)
	}
	return windows, err
}

// Backfill exports a past span as the path's schedule would have.
func (s *Service) Backfill(r *web.Request) (made Made, err error) {
	if absent := r.Params.Absent("from", "to"); len(absent) > 0 {
		return made, fault.Missing(absent...)
	}
	record, err := s.ofPath(r)
	if err != nil {
		return made, err
	}
	asked := store.BackfillAsked{From: r.Params.Get("from"), To: r.Params.Get("to")}
	if err := s.atMostDays(r, record, asked); err != nil {
		return made, err
	}
	windows, err := s.schedules.Backfill(r.Context(), record.ID, r.Caller.Domains, asked)
	if err != nil {
		return made, err
	}
	return s.made(r, "schedule.backfill", record, windows)
}

// atMostDays refuses a span that would be exported at once, and is longer than one export may be.
func (s *Service) atMostDays(r *web.Request, of store.Record, asked store.BackfillAsked) error {
	if of.Window != schedule.SinceLastRun || s.settings.ExportDays == 0 {
		return nil
	}
	span := cdr.Window{DateStart: asked.From, DateEnd: asked.To, TimeZone: of.TimeZone}
	if span.Resolve(r.Context(), s.db, of.DomainUUID) != nil { // which the backfill says in its own words
		return nil
	}
	if cdrs.AtMostDays(span, s.settings.ExportDays) != nil {
		return fault.Invalid("to", "is more than %d days after from (TRUNKLINE_EXPORT_DAYS), and this schedule's backfill is one export; ask for shorter spans", s.settings.ExportDays)
	}
	return nil
}

// made shows windows and records that they were made.
func (s *Service) made(r *web.Request, action string, of store.Record, windows []store.Window) (made Made, err error) {
	r.Changed(action, subject(of)+", "+labels(windows), of.DomainUUID)
	made.Windows, err = s.windowViews(r, windows...)
	if !of.Enabled && slices.ContainsFunc(windows, store.Window.WaitsWhilePaused) {
		made.Note = "the schedule is paused: these windows are exported once it is resumed"
	}
	return made, err
}

// labels name windows in the record of changes: the first and the last.
func labels(windows []store.Window) string {
	switch len(windows) {
	case 0:
		return "no window"
	case 1:
		return "window " + windows[0].Label()
	}
	return fmt.Sprintf("windows %s to %s", windows[0].Label(), windows[len(windows)-1].Label())
}

// Skip leaves a window of the path's schedule out.
func (s *Service) Skip(r *web.Request) (left Made, err error) {
	if absent := r.Params.Absent("reason"); len(absent) > 0 {
		return left, fault.Missing(absent...)
	}
	of, number, err := windowOf(r)
	if err != nil {
		return left, err
	}
	record, err := s.ofPath(r)
	if err != nil {
		return left, err
	}
	skipped, err := s.schedules.Skip(r.Context(), record.ID, r.Caller.Domains, of, number, r.Params.Get("reason"))
	if err != nil {
		return left, err
	}
	r.Changed("schedule.skip", subject(record)+", window "+skipped.Label(), record.DomainUUID)
	left.Windows, err = s.windowViews(r, skipped)
	return left, err
}
