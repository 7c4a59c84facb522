package console

import (
	"net/http"
	"slices"
	"strconv"

	"trunkline/api/params"
	"trunkline/api/schedules"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// schedulesSwitch pauses or resumes many schedules.
type schedulesSwitch struct {
	name, title, effect, ended string
	enabled                    string // of those that it changes
	fields                     []field
	do                         func(*schedules.Service, *web.Request) (schedules.Switched, error)
}

var schedulesSwitches = []schedulesSwitch{
	{
		"pause", "Pause schedules", "They make no windows until they are resumed; what is under way goes on, and nothing is lost.", "paused", "true", []field{reasonField},
		(*schedules.Service).PauseMany,
	},
	{
		"resume", "Resume schedules", "They run again at their times. The next run of each makes the windows of the time in between too.", "resumed", "false", nil,
		(*schedules.Service).ResumeMany,
	},
}

// manySchedules is a page that asks whether many schedules are meant, or says which were.
type manySchedules struct {
	Title, Effect, Path, Back string
	Filter                    []setting
	Count                     int // how many it changes, or has changed
	Named                     []schedules.Brief
	More                      int    // how many more there are
	Ended                     string // paused or resumed, once it is done; "" before
	Form                      form
}

// mostNamed is how many schedules a page names.
const mostNamed = 50

// schedulesSwitchPages are the pages that pause and resume the schedules of the filter in their address.
func schedulesSwitchPages() (all []page) {
	for _, a := range schedulesSwitches {
		path := "/schedules/" + a.name
		does := action{path: path, scope: token.ScopeExport, params: append([]web.Param{{Name: "reason", Most: schedules.MaxReason}}, scheduleFilter...)}
		does.answer = func(s *Service, r *web.Request) (shown, error) {
			done, err := s.switchSchedules(r, a)
			return shown{http.StatusOK, "schedulesmany", a.title, done}, err
		}
		does.again = func(s *Service, r *web.Request, f *fault.Error) (any, error) {
			asked, err := s.askingMany(r, a)
			asked.Form = asked.Form.blame(f)
			return asked, err
		}
		all = append(all, page{
			path: path, title: a.title, template: "schedulesmany", unlisted: true, scope: token.ScopeExport, params: scheduleFilter,
			show:    func(s *Service, r *web.Request) (any, error) { return s.askingMany(r, a) },
			actions: []action{does},
		})
	}
	return all
}

func (s *Service) askingMany(r *web.Request, a schedulesSwitch) (asked manySchedules, err error) {
	asked = manySchedules{Title: a.title, Effect: a.effect, Path: home + "/schedules/" + a.name, Back: ofFilter(r, ""), Form: newForm(a.name, r.Params, slices.Clone(a.fields)...)}
	for _, p := range scheduleFilter {
		if value := r.Params.Get(p.Name); value != "" {
			asked.Filter = append(asked.Filter, setting{p.Name, value})
		}
	}
	meant, err := schedulesInState(r)
	if err != nil {
		return asked, err
	}
	if is := meant["enabled"]; is != "" && is != a.enabled {
		return asked, nil // they are so already
	}
	meant["enabled"] = a.enabled
	counts, err := s.Schedules.Count(r.With(meant))
	if err != nil {
		return asked, err
	}
	asked.Count, meant["limit"] = counts.Schedules, strconv.Itoa(mostNamed)
	found, err := s.Schedules.List(r.With(meant))
	for _, one := range found.Schedules {
		asked.Named = append(asked.Named, schedules.Brief{ID: one.ID, DomainUUID: one.DomainUUID, Domain: one.Domain, Name: one.Name})
	}
	asked.More = asked.Count - len(asked.Named)
	return asked, err
}

func (s *Service) switchSchedules(r *web.Request, a schedulesSwitch) (done manySchedules, err error) {
	meant, err := schedulesInState(r)
	if err != nil {
		return done, err
	}
	if meant.Get("tenant_domain") == "" && meant.Get("name") == "" && r.Params.Get("state") == "" {
		meant = params.Values{"all": "true"}
	}
	meant["reason"] = r.Params.Get("reason")
	changed, err := a.do(s.Schedules, r.With(meant))
	done = manySchedules{Title: a.title, Back: ofFilter(r, ""), Count: changed.Count, Ended: a.ended, Named: changed.Schedules}
	if len(done.Named) > mostNamed {
		done.Named, done.More = done.Named[:mostNamed], len(done.Named)-mostNamed
	}
	return done, err
}
