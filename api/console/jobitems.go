package console

import (
	"strconv"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/tasks"
)

var jobItemsPage = page{
	path: "/jobs/:id/items", title: "Items of a job", unlisted: true, template: "jobitems", show: (*Service).jobItems,
	params: append([]web.Param{{Name: "state", Choices: web.NamesOf(tasks.ItemStates)}}, web.PageParams...),
}

// jobItems is a page of the items of a job of many.
type jobItems struct {
	JobID    string
	Items    any // as /v1/jobs/{id}/items has them
	States   []stateCount
	Filtered bool
	Pager    pager
}

func (s *Service) jobItems(r *web.Request) (any, error) {
	found, err := s.Jobs.ListItems(r)
	if err != nil {
		return nil, err
	}
	job, err := s.Jobs.Shown(r.With(params.Values{}))
	if err != nil {
		return nil, err
	}
	next := ""
	if found.Next > 0 {
		next = strconv.Itoa(found.Next)
	}
	return jobItems{
		JobID: job.JobID, Items: found.Items, Filtered: filtered(r), Pager: newPager(r, next), States: itemStates(r, *job.Counts),
	}, nil
}

// itemStates are how many of the items are in each state, and where these are listed.
func itemStates(r *web.Request, counts jobs.ItemCounts) []stateCount {
	now := r.Params.Get("state")
	states := []stateCount{{Jobs: int64(counts.Total), Path: address(r, "state", "", "after", ""), Current: now == ""}}
	figures := map[tasks.ItemState]int{
		tasks.ItemQueued: counts.Queued, tasks.ItemSucceeded: counts.Succeeded, tasks.ItemFailed: counts.Failed, tasks.ItemSkipped: counts.Skipped,
	}
	for _, state := range tasks.ItemStates {
		name := string(state)
		states = append(states, stateCount{State: name, Jobs: int64(figures[state]), Path: address(r, "state", name, "after", ""), Current: now == name})
	}
	return states
}
