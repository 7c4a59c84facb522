package gateways

import (
	"fmt"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
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
		Params: slices.Concat([]web.Param{{Name: "ids", About: "The gateways' UUIDs.", Kind: web.KindUUIDs, Required: true}}, reconcileJobParams),
		Replies: []web.Reply{
			{Status: 200, About: "The job, which has ended: its items say what became of each gateway.", Body: jobs.Job{}},
			jobs.NotFinished,
		},
		Faults: slices.Concat([]fault.Code{fault.MissingParameters, fault.NotFound}, web.SwitchFaults, jobs.Faults),
	}
}

// reconcileJobParams are those of a job; it is about several gateways, so that no external_id can name it.
var reconcileJobParams = slices.DeleteFunc(slices.Clone(jobs.Params), func(p web.Param) bool { return p.Name == "external_id" })

// reconcile makes a job of the gateways that are named. One of another tenant's is as if it were not there.
func (s *Service) reconcile(r *web.Request) error {
	ids, err := gatewayIDs(r)
	if err != nil {
		return err
	}
	rows, err := s.db.GatewaysByUUIDs(r.Context(), ids)
	if err != nil {
		return err
	}
	job := tasks.NewJob{Kind: tasks.KindBulk, Subject: "gateways", Params: gateway.Bulk{Mode: gateway.ModeEach, Action: gateway.Reconcile}}
	for _, id := range ids {
		row, there := rows[id]
		if there && !r.Caller.Domains.HoldUUID(row.DomainUUID) || !there && !r.Caller.Domains.All {
			return fault.Errorf(fault.NotFound, "ids: there is no gateway %s", id)
		}
		asked := gateway.Request{Do: gateway.Reconcile, GatewayUUID: id, Values: map[string]string{}, Name: row.Label(), DomainUUID: row.DomainUUID}
		keys := []string{gateway.UUIDKey(id)}
		if there {
			keys = orderKeys(asked)
		}
		job.Items = append(job.Items, tasks.NewItem{Params: gateway.BulkItem{Request: asked}, OrderKeys: keys})
		if !slices.Contains(job.Domains, row.DomainUUID) {
			job.Domains = append(job.Domains, row.DomainUUID)
		}
	}
	if len(job.Domains) == 1 {
		job.DomainUUID = job.Domains[0]
	} else if !r.Caller.Domains.All {
		return fault.Invalid("ids", "are of %d domains; name those of one domain at a time", len(job.Domains))
	}
	return s.jobs.Do(r, jobs.Asked{
		NewJob: job, Body: append([]string{"reconcile"}, ids...),
		Action: "gateway.reconcile", What: fmt.Sprintf("%d gateways", len(ids)),
		Answer: func(done tasks.Job) error { return s.jobs.Answer(r, done) },
	})
}

// gatewayIDs are the gateways that the request names, each once, in their order.
func gatewayIDs(r *web.Request) (ids []string, err error) {
	named := map[string]bool{}
	for _, id := range params.Split(r.Params.Get("ids")) {
		id = strings.ToLower(id)
		if freeswitch.CheckUUID(id) != nil {
			return nil, fault.Invalid("ids", "holds what is no UUID; give the gateways' UUIDs, with commas between or as an array")
		}
		if !named[id] {
			named[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fault.Missing("ids")
	}
	return ids, nil
}
