package console

import (
	"strconv"

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
	States   []tally
	Filtered bool
	Pager    pager
}

func (s *Service) jobItems(r *web.Request) (any, error) {
	job, found, err := s.Jobs.ListItems(r)
	if err != nil {
		return nil, err
	}
	counts, err := s.Jobs.ItemCounts(r, job)
	if err != nil {
		return nil, err
	}
	next := ""
	if found.Next > 0 {
		next = strconv.Itoa(found.Next)
	}
	v := jobItems{JobID: job.ID, Items: found.Items, Filtered: filtered(r), Pager: newPager(r, next)}
	v.States = []tally{newTally(r, "state", "", "all", int64(counts.Total))}
	figures := map[tasks.ItemState]int{
		tasks.ItemQueued: counts.Queued, tasks.ItemSucceeded: counts.Succeeded, tasks.ItemFailed: counts.Failed, tasks.ItemSkipped: counts.Skipped,
	}
	for _, state := range tasks.ItemStates {
		v.States = append(v.States, newTally(r, "state", string(state), string(state), int64(figures[state])))
	}
	return v, nil
}
