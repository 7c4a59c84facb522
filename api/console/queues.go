package console

import (
	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/token"
)

var queuesPage = page{
	path: "/queues", title: "Queues", template: "queues", overall: true, scope: token.ScopeRead, live: true, show: (*Service).queues,
	actions: []action{
		{path: "/queues/:name/pause", scope: token.ScopeAdmin, params: []web.Param{{Name: "reason"}}, do: (*Service).pauseQueue},
		{path: "/queues/:name/resume", scope: token.ScopeAdmin, do: (*Service).resumeQueue},
	},
}

// queues are how the queues stand, and who serves them.
type queues struct {
	Queues    []jobs.Queue
	Workers   []jobs.Worker
	MayChange bool
}

func (s *Service) queues(r *web.Request) (any, error) {
	list, err := s.Jobs.Queues(r)
	if err != nil {
		return nil, err
	}
	workers, err := s.Jobs.Workers(r)
	return queues{Queues: list.Queues, Workers: workers.Workers, MayChange: r.Caller.May(token.ScopeAdmin)}, err
}

func (s *Service) pauseQueue(r *web.Request) (next string, err error) {
	_, err = s.Jobs.PauseQueue(r)
	return "/queues", err
}

func (s *Service) resumeQueue(r *web.Request) (next string, err error) {
	_, err = s.Jobs.ResumeQueue(r)
	return "/queues", err
}
