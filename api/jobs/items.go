package jobs

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// ItemPage is one page of a job's items, in their order.
type ItemPage struct {
	Items any `json:"items" items:"Item"`
	Next  int `json:"next,omitempty"` // the after of the next page; absent on the last one
}

// ItemCounts are how many items of a job are in each state.
type ItemCounts struct {
	Total     int `json:"total"`
	Queued    int `json:"queued"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Skipped   int `json:"skipped"` // nothing was done for them, or it was put back
}

// addItems adds what the view of a job of many has beside that of another.
func (s *Service) addItems(r *web.Request, job tasks.Job, view *Job) error {
	if job.Items == 0 {
		return nil
	}
	var err error
	if view.Counts, err = s.ItemCounts(r, job); err != nil {
		return err
	}
	page, err := s.itemPage(r, job, tasks.ItemFilter{Limit: params.DefaultPage})
	view.Items = &page
	return err
}

// ItemCounts are how many of the job's items are in each state.
func (s *Service) ItemCounts(r *web.Request, job tasks.Job) (*ItemCounts, error) {
	counts, err := s.tasks.ItemCounts(r.Context(), job)
	if err != nil {
		return nil, err
	}
	return &ItemCounts{
		Total: job.Items, Queued: counts[tasks.ItemQueued], Succeeded: counts[tasks.ItemSucceeded],
		Failed: counts[tasks.ItemFailed], Skipped: counts[tasks.ItemSkipped],
	}, nil
}

func (s *Service) itemPage(r *web.Request, job tasks.Job, f tasks.ItemFilter) (page ItemPage, err error) {
	items, next, err := s.tasks.Items(r.Context(), job, f)
	if err != nil {
		return page, err
	}
	page.Next = next
	page.Items, err = s.kinds[job.Kind].ShowItems(r, job, items)
	return page, err
}

// Items answers with a page of the items of the path's job, or with all of them as CSV.
func (s *Service) Items(r *web.Request) error {
	switch r.Params.Get("format") {
	case "csv":
		job, f, err := s.itemsAsked(r)
		if err != nil {
			return err
		}
		return s.kinds[job.Kind].ItemsFile(r, job, f.State)
	case "", "json":
		_, page, err := s.ListItems(r)
		if err == nil {
			r.Answer(http.StatusOK, page)
		}
		return err
	}
	return fault.Invalid("format", "write json or csv")
}

// ListItems is the path's job and a page of its items.
func (s *Service) ListItems(r *web.Request) (job tasks.Job, page ItemPage, err error) {
	job, f, err := s.itemsAsked(r)
	if err != nil {
		return job, page, err
	}
	if after := r.Params.Get("after"); after != "" {
		if f.After, err = strconv.Atoi(after); err != nil || f.After < 1 {
			return job, page, fault.Invalid("after", "is not what the page before gave as next")
		}
	}
	if f.Limit, err = r.Params.Limit(); err != nil {
		return job, page, err
	}
	page, err = s.itemPage(r, job, f)
	return job, page, err
}

// itemsAsked are the path's job and which of its items are asked for.
func (s *Service) itemsAsked(r *web.Request) (job tasks.Job, f tasks.ItemFilter, err error) {
	if job, err = s.OfPath(r, token.ScopeRead); err != nil {
		return job, f, err
	}
	f.State = tasks.ItemState(r.Params.Get("state"))
	switch {
	case job.Items == 0:
		return job, f, fault.Errorf(fault.NotFound, "this job has no items: only a job of kind %s has", tasks.KindBulk)
	case f.State != "" && !slices.Contains(tasks.ItemStates, f.State):
		return job, f, fault.Invalid("state", "unknown state %.200q; use one of %s", f.State, strings.Join(web.NamesOf(tasks.ItemStates), ", "))
	}
	return job, f, nil
}
