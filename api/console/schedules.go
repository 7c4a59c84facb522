package console

import (
	"net/url"

	"trunkline/api/params"
	"trunkline/api/schedules"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

var schedulesPage = page{
	path: "/schedules", title: "Schedules", template: "schedules", scope: token.ScopeExport, show: (*Service).schedules,
	params: append([]web.Param{{Name: "after"}, {Name: "limit"}}, scheduleFilter...),
}

// scheduleFilter are the parameters that say which schedules are meant.
var scheduleFilter = []web.Param{{Name: "tenant_domain"}, {Name: "state"}, {Name: "text"}}

// scheduleStates are what a list of schedules can be of, in the words of /v1.
var scheduleStates = []struct{ name, parameter, value string }{
	{"enabled", "enabled", "true"},
	{"paused", "enabled", "false"},
	{"failing", "failing", "true"},
}

// schedulesAsked are the filter's parameters as /v1 has them, without the state.
func schedulesAsked(r *web.Request) params.Values {
	return params.Values{"tenant_domain": r.Params.Get("tenant_domain"), "name": r.Params.Get("text")}
}

// schedulesInState are those with the state.
func schedulesInState(r *web.Request) (params.Values, error) {
	asked, name := schedulesAsked(r), r.Params.Get("state")
	if name == "" {
		return asked, nil
	}
	for _, state := range scheduleStates {
		if state.name == name {
			asked[state.parameter] = state.value
			return asked, nil
		}
	}
	return nil, fault.Invalid("state", "is none of enabled, paused and failing")
}

// scheduleList is a page of the list of schedules.
type scheduleList struct {
	States    []tally
	Filtered  bool // something is asked for
	Schedules []schedules.Schedule
	Pause     string // where those of the filter are paused and resumed; "" if there are none to be
	Resume    string
	Pager     pager
}

func (s *Service) schedules(r *web.Request) (any, error) {
	asked, err := schedulesInState(r)
	if err != nil {
		return nil, err
	}
	// The figures are of all states, whichever is shown.
	counts, err := s.Schedules.Count(r.With(schedulesAsked(r)))
	if err != nil {
		return nil, err
	}
	asked["after"], asked["limit"] = r.Params.Get("after"), r.Params.Get("limit")
	found, err := s.Schedules.List(r.With(asked))
	if err != nil {
		return nil, err
	}
	list := scheduleList{Filtered: filtered(r), Schedules: found.Schedules, Pager: newPager(r, found.Next)}
	list.States = []tally{newTally(r, "state", "", "all", int64(counts.Schedules))}
	for i, n := range []int{counts.Enabled, counts.Paused, counts.Failing} {
		state := scheduleStates[i].name
		list.States = append(list.States, newTally(r, "state", state, state, int64(n)))
	}
	if len(found.Schedules) > 0 {
		list.Pause, list.Resume = ofFilter(r, "pause"), ofFilter(r, "resume")
	}
	return list, nil
}

// ofFilter is the page on which something is done with all schedules of the address's filter, or that lists them.
func ofFilter(r *web.Request, what string) string {
	values := url.Values{}
	for _, p := range scheduleFilter {
		if value := r.Params.Get(p.Name); value != "" {
			values.Set(p.Name, value)
		}
	}
	to := home + "/schedules"
	if what != "" {
		to += "/" + what
	}
	if len(values) > 0 {
		to += "?" + values.Encode()
	}
	return to
}
