package console

import (
	"fmt"
	"slices"
	"strconv"

	"trunkline/api/params"
	"trunkline/api/schedules"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// scheduleAction is what is done with one schedule, or one of its windows, after its own page has asked whether it is meant.
type scheduleAction struct {
	name, title string
	ofWindow    bool // the page is below the window's
	fields      []field
	// effects say what will happen.
	effects func(s *Service, r *web.Request, a *askingSchedule) ([]string, error)
	do      func(s *Service, r *web.Request) error
	gone    bool // there is no schedule any more then
}

// askingSchedule is a page that asks whether something is meant.
type askingSchedule struct {
	schedules.Schedule
	Of      *schedules.Window // the window that it is about; nil: the schedule itself
	Title   string
	Effects []string
	Path    string // where the form is sent
	Back    string // where nothing is done
	Form    form
}

var reasonField = field{Name: "reason", Label: "Why", About: "Whoever looks at it later sees that.", Most: schedules.MaxReason}

var scheduleActions = []scheduleAction{
	{name: "run", title: "Run now", effects: runEffects, do: func(s *Service, r *web.Request) error {
		_, err := s.Schedules.Run(r.With(params.Values{}))
		return err
	}},
	{name: "pause", title: "Pause", fields: []field{reasonField}, effects: says(
		"It makes no window until it is resumed: what waits then waits, what is under way goes on, and what somebody asks for by name is still exported.",
		"Nothing is lost: once it is resumed, its next run makes all windows of the time in between.",
	), do: func(s *Service, r *web.Request) error {
		_, err := s.Schedules.Pause(r)
		return err
	}},
	{name: "resume", title: "Resume", effects: func(_ *Service, _ *web.Request, a *askingSchedule) ([]string, error) {
		effects := []string{"It runs again at its times. Its next run makes the windows of the time in between too, the oldest first, and those that wait are exported."}
		if len(a.NextRuns) > 0 {
			effects = append(effects, "It then runs at "+showOwnTime(a.NextRuns[0])+".")
		}
		return effects, nil
	}, do: func(s *Service, r *web.Request) error {
		_, err := s.Schedules.Resume(r)
		return err
	}},
	{name: "skip", title: "Skip the next window", fields: []field{needed(reasonField)}, effects: skipNextEffects, do: skipWindow},
	{name: "backfill", title: "Export a past span", fields: []field{
		{Name: "from", Label: "From this day on", Required: true, About: "As 2024-01-31, by the clock of the schedule's zone."},
		{Name: "to", Label: "To this day, which is in it", Required: true, About: "As 2024-01-31."},
	}, effects: backfillEffects, do: func(s *Service, r *web.Request) error {
		_, err := s.Schedules.Backfill(r.With(given(r, "from", "to")))
		return err
	}},
	{name: "delete", title: "Delete", gone: true, effects: func(_ *Service, _ *web.Request, a *askingSchedule) ([]string, error) {
		return []string{
			fmt.Sprintf("The schedule is deleted with its history: it has made %d windows. This cannot be undone.", a.Number),
			"Nobody exports what it would have exported from " + showOwnTime(a.Watermark) + " on. To stop it for a time, pause it.",
			"Exports that are under way go on, and files stay, here and at destinations.",
		}, nil
	}, do: func(s *Service, r *web.Request) error {
		_, err := s.Schedules.Delete(r)
		return err
	}},
	{name: "run", title: "Run the window again", ofWindow: true, effects: func(_ *Service, _ *web.Request, a *askingSchedule) ([]string, error) {
		return []string{
			fmt.Sprintf("Window %s, from %s to %s, is exported again, as the schedule is now. It keeps its number and is its next revision.", a.Of.Label, showOwnTime(a.Of.Start), showOwnTime(a.Of.End)),
			"Its file has a name of its own, so that nothing at a destination is replaced: whoever reads the files gets both.",
		}, nil
	}, do: func(s *Service, r *web.Request) error {
		asked, err := s.numbered(r)
		if err == nil {
			_, err = s.Schedules.Run(asked)
		}
		return err
	}},
	{name: "skip", title: "Skip the window", ofWindow: true, fields: []field{needed(reasonField)}, effects: func(_ *Service, _ *web.Request, a *askingSchedule) ([]string, error) {
		return []string{
			fmt.Sprintf("Window %s, from %s to %s, is left out. It keeps its number, so that whoever reads the files finds that one missing.", a.Of.Label, showOwnTime(a.Of.Start), showOwnTime(a.Of.End)),
			"It can be run again all the same.",
		}, nil
	}, do: func(s *Service, r *web.Request) error {
		asked, err := s.numbered(r)
		if err == nil {
			err = skipWindow(s, asked)
		}
		return err
	}},
}

// says has a page say the same of each schedule.
func says(effects ...string) func(*Service, *web.Request, *askingSchedule) ([]string, error) {
	return func(*Service, *web.Request, *askingSchedule) ([]string, error) { return effects, nil }
}

// needed is the field if it has to be filled in.
func needed(f field) field {
	f.Required = true
	return f
}

func skipWindow(s *Service, r *web.Request) error {
	_, err := s.Schedules.Skip(r)
	return err
}

// numbered is the request as /v1 has it, which names the path's window by its number.
func (s *Service) numbered(r *web.Request) (*web.Request, error) {
	w, err := s.Schedules.Window(r)
	if err != nil {
		return nil, err
	}
	if w.Number == nil {
		return nil, fault.Errorf(fault.Conflict, "an extra export has no number by which it could be run again or skipped; run the schedule")
	}
	asked := given(r, "reason")
	asked["series"], asked["number"] = string(w.Series), strconv.FormatInt(*w.Number, 10)
	return r.With(asked), nil
}

func runEffects(s *Service, r *web.Request, a *askingSchedule) ([]string, error) {
	windows, err := s.Schedules.WouldRun(r)
	if err != nil {
		if fault.Is(err, fault.Conflict) { // which is what would happen
			return []string{"Nothing: " + r.Words(err) + "."}, nil
		}
		return nil, err
	}
	first, last := windows[0], windows[len(windows)-1]
	span := "from " + showOwnTime(first.Start) + " to " + showOwnTime(last.End)
	if first.Number == nil {
		return []string{
			"No window is due. An extra export is made of what has come since the last one, " + span + ".",
			"It has no number and changes nothing of what is exported later: its calls are in their own window's file too, once that is due.",
		}, nil
	}
	effects := []string{"Window " + first.Label + " is made, " + span + "."}
	if len(windows) > 1 {
		effects = []string{fmt.Sprintf("%d windows are made, %s to %s, %s.", len(windows), first.Label, last.Label, span)}
	}
	if !a.Enabled {
		effects = append(effects, "The schedule is paused: they are exported once it is resumed.")
	}
	return effects, nil
}

func skipNextEffects(_ *Service, _ *web.Request, a *askingSchedule) ([]string, error) {
	effects := []string{}
	if next := a.NextWindow; next != nil {
		end := "now, less the lag"
		if next.End != nil {
			end = showOwnTime(*next.End)
		}
		effects = append(effects, fmt.Sprintf("The next window, number %d, from %s to %s, is left out.", a.Number+1, showOwnTime(next.Start), end))
	}
	return append(effects, "It keeps its number, so that whoever reads the files finds that one missing, and can be run again."), nil
}

func backfillEffects(s *Service, _ *web.Request, a *askingSchedule) ([]string, error) {
	effects := []string{
		fmt.Sprintf("The span is exported as the schedule's own windows are, cut where they end, with numbers of their own (b000001 and on). There may be up to %d at once.", s.Settings.ScheduleBackfill),
		"It ends before " + showOwnTime(a.Watermark) + ", from where on the schedule exports by itself. A span of which anything was exported is refused: no call is exported twice.",
	}
	if !a.Enabled {
		effects = append(effects, "The schedule is paused: they are exported once it is resumed.")
	}
	return effects, nil
}

// scheduleActionPages are the pages at the actions' own paths: to read one asks, and its form does it.
func scheduleActionPages() (all []page) {
	for _, a := range scheduleActions {
		below := "/schedules/:id"
		if a.ofWindow {
			below = "/schedules/:id/windows/:window"
		}
		path := below + "/" + a.name
		does := action{path: path, scope: token.ScopeExport}
		for _, f := range a.fields {
			does.params = append(does.params, web.Param{Name: f.Name, Most: f.Most})
		}
		does.do = func(s *Service, r *web.Request) (next string, err error) {
			if err := a.do(s, r); err != nil || a.gone {
				return "/schedules", err
			}
			return "/schedules/" + r.Path("id"), nil
		}
		does.again = func(s *Service, r *web.Request, f *fault.Error) (any, error) {
			asked, err := s.askingSchedule(r, a)
			asked.Form = asked.Form.blame(f)
			return asked, err
		}
		all = append(all, page{
			path: path, title: a.title, template: "scheduleaction", unlisted: true, scope: token.ScopeExport,
			show:    func(s *Service, r *web.Request) (any, error) { return s.askingSchedule(r, a) },
			actions: []action{does},
		})
	}
	return all
}

func (s *Service) askingSchedule(r *web.Request, a scheduleAction) (asked askingSchedule, err error) {
	if asked.Schedule, err = s.Schedules.Show(r); err != nil {
		return asked, err
	}
	asked.Title, asked.Back = a.title, home+"/schedules/"+asked.ID
	if a.ofWindow {
		w, err := s.Schedules.Window(r)
		if err != nil {
			return asked, err
		}
		asked.Of, asked.Back = &w, asked.Back+"/windows/"+w.ID
	}
	asked.Path = asked.Back + "/" + a.name
	asked.Form = newForm(a.name, r.Params, slices.Clone(a.fields)...)
	asked.Effects, err = a.effects(s, r, &asked)
	return asked, err
}
