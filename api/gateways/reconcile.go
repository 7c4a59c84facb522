package gateways

import (
	"slices"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
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

// reconcile makes a job of the gateways that are named.
func (s *Service) reconcile(r *web.Request) error {
	if err := noConditions(r); err != nil {
		return err
	}
	rows, err := s.named(r, true)
	if err != nil {
		return err
	}
	asked := gateway.Bulk{Mode: gateway.ModeEach, Action: gateway.Reconcile}
	return s.doWithMany(r, asked, rows, []string{"reconcile"}, func(p *gateway.Request) { p.Do = gateway.Reconcile })
}
