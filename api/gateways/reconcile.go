package gateways

import (
	"slices"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
	"trunkline/tasks"
)

func (s *Service) reconcileEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "reconcileGateways", Summary: "Bring every switch to what the rows of these gateways say",
		Note:    "A gateway without a row is killed, for a caller of all domains alone. What is right is left alone. No row is changed.",
		Methods: []string{"POST"}, Path: "/v1/gateways/reconcile", Entry: web.SignedIn, Scope: token.ScopeProvision, Limit: web.LimitGateways,
		Answer: s.reconcile, AtOnce: []web.AtOnce{web.AtOnceJobs},
		Params:  slices.Concat([]web.Param{{Name: "ids", About: "The gateways' UUIDs.", Kind: web.KindUUIDs, Required: true}}, manyParams),
		Replies: manyReplies,
		Faults:  slices.Concat([]fault.Code{fault.MissingParameters, fault.NotFound, fault.KeySuperseded}, web.SwitchFaults, jobs.Faults),
	}
}

// reconcile makes a job of the gateways that are named, and waits for it.
func (s *Service) reconcile(r *web.Request) error {
	job, err := s.reconciliation(r)
	if err != nil {
		return err
	}
	return s.jobs.Do(r, job)
}

// Reconcile has a job bring every switch to what the rows of the gateways say that the request names by ids, and does not
// wait for it.
func (s *Service) Reconcile(r *web.Request) (tasks.Job, error) {
	asked, err := s.reconciliation(r)
	if err != nil {
		return tasks.Job{}, err
	}
	job, _, err := s.jobs.Start(r, asked)
	return job, err
}

func (s *Service) reconciliation(r *web.Request) (job jobs.Asked, err error) {
	if err := noConditions(r); err != nil {
		return job, err
	}
	rows, err := s.named(r, true)
	if err != nil {
		return job, err
	}
	asked := gateway.Bulk{Mode: gateway.ModeEach, Action: gateway.Reconcile}
	return s.jobOfMany(r, asked, rows, []string{"reconcile"}, func(p *gateway.Request) { p.Do = gateway.Reconcile })
}
