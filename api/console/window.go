package console

import (
	"strconv"

	"trunkline/api/deliveries"
	"trunkline/api/params"
	"trunkline/api/schedules"
	"trunkline/api/web"
	"trunkline/internal/token"
)

var windowPage = page{
	path: "/schedules/:id/windows/:window", title: "Window", template: "window", unlisted: true, scope: token.ScopeExport, show: (*Service).window,
	params: []web.Param{{Name: "from"}, {Name: "after"}},
}

const (
	// filesShown is how many files of a window a page has, and deliveriesShown how many deliveries if nothing else is asked for.
	filesShown      = 50
	deliveriesShown = "50"
	// mostFiles is the greatest number of a file that a page can begin with.
	mostFiles = 1_000_000
)

// windowView is one window of a schedule, with its files and what became of them.
type windowView struct {
	shownWindow
	Schedule  string // its name
	FilePage  []schedules.File
	FilePages pager
	Brought   []deliveries.Delivery // of its files
	Pager     pager
}

func (s *Service) window(r *web.Request) (any, error) {
	from, err := r.Params.Number("from", 1, 1, mostFiles)
	if err != nil {
		return nil, err
	}
	of, err := s.Schedules.Show(r)
	if err != nil {
		return nil, err
	}
	is, err := s.Schedules.Window(r)
	if err != nil {
		return nil, err
	}
	brought, err := s.Deliveries.Deliveries(r.With(params.Values{
		"window": is.ID, "after": r.Params.Get("after"), "limit": deliveriesShown,
	}))
	if err != nil {
		return nil, err
	}
	v := windowView{shownWindow: newWindow(is), Schedule: of.Name, Brought: brought.Deliveries, Pager: newPager(r, brought.Next)}
	v.FilePage = is.Files[min(from-1, len(is.Files)):min(from-1+filesShown, len(is.Files))]
	if from > 1 {
		v.FilePages.First = address(r, "from", "")
	}
	if from-1+filesShown < len(is.Files) {
		v.FilePages.Next = address(r, "from", strconv.Itoa(from+filesShown))
	}
	return v, nil
}
