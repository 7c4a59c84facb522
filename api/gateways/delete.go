package gateways

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/postgres"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// deletedGateway is the answer of a deletion: what was deleted, or that it was absent already.
type deletedGateway struct {
	Action         string `json:"action" enum:"deleted,absent"` // absent: there was none
	GatewayUUID    string `json:"gateway_uuid,omitempty" format:"uuid"`
	GatewayName    string `json:"gateway_name,omitempty"`
	OutboundRoutes int    `json:"outbound_routes"`                // FusionPBX's dial plans that still name it: their calls fail
	JobID          string `json:"job_id,omitempty" format:"uuid"` // the job that did it
}

func (s *Service) deletionEndpoints() []web.Endpoint {
	byID := web.Endpoint{
		ID: "deleteGateway", Summary: "Delete a gateway", Note: "One that is absent is success.",
		Methods: []string{"DELETE"}, Path: "/v1/gateways/:id", Entry: web.SignedIn, Scope: token.ScopeProvision, Limit: web.LimitGateways, Answer: s.delete,
		Params:  jobs.Params,
		Replies: []web.Reply{{Status: 200, About: "It is gone from FusionPBX and from every switch.", Body: deletedGateway{}}, jobs.NotFinished},
		Faults:  slices.Concat(gatewayFaults, jobs.Faults),
	}
	byName := byID
	byName.ID, byName.Summary, byName.Path = "deleteGatewayByName", "Delete a gateway by its name", "/v1/gateways"
	byName.Params = slices.Concat([]web.Param{{Name: "gateway_name", About: "Its label.", Required: true}}, web.OneTenantParams, jobs.Params)
	return []web.Endpoint{byID, byName}
}

// delete deletes the gateway of the path's uuid, or of a name. One that is absent is success: whoever
// terminates a service may do so twice.
func (s *Service) delete(r *web.Request) error {
	p, found, err := s.toDelete(r)
	if err != nil {
		return err
	}
	return s.jobs.Do(r, jobs.Asked{
		NewJob: newJob(p, nil),
		Body:   []string{"delete", p.DomainUUID, p.Name, p.GatewayUUID, r.Params.Get("external_id")},
		Action: "gateway.delete", What: p.Name,
		Check: func() (answered bool, err error) {
			if !found {
				r.Answer(http.StatusOK, deletedGateway{Action: gateway.Absent, GatewayUUID: p.GatewayUUID, GatewayName: p.Name})
			}
			return !found, nil
		},
		Answer: func(job tasks.Job) error {
			result, err := jobs.ResultOf[gateway.Result](job)
			if err != nil {
				return err
			}
			r.Answer(http.StatusOK, deletedGateway{
				Action: result.Action, GatewayUUID: result.GatewayUUID, GatewayName: result.GatewayName,
				OutboundRoutes: result.OutboundRoutes, JobID: job.ID,
			})
			return nil
		},
	})
}

// toDelete finds the gateway among those that the caller may see. found is false if there is
// none, whether or not another tenant has it.
func (s *Service) toDelete(r *web.Request) (p gateway.Request, found bool, err error) {
	ctx := r.Context()
	p = gateway.Request{Delete: true, Values: map[string]string{}}
	if id := strings.ToLower(r.Path("id")); id != "" {
		if !postgres.IsUUID(id) {
			return p, false, fault.Invalid("the gateway in the path", "is not a UUID")
		}
		p.GatewayUUID = id
		row, err := s.db.GatewayByUUID(ctx, id)
		if errors.Is(err, fusionpbx.ErrNotFound) {
			return p, false, nil
		}
		if err != nil {
			return p, false, err
		}
		if !r.Caller.Domains.HoldUUID(row.DomainUUID) {
			return p, false, nil
		}
		p.Name, p.DomainUUID = row.Label(), row.DomainUUID
		return p, true, nil
	}
	t, err := r.OneTenant()
	if err != nil {
		return p, false, err
	}
	p.Name, p.DomainUUID, p.DomainName = r.Params.Get("gateway_name"), t.UUID, t.Name
	if p.Name == "" {
		return p, false, fault.Missing("gateway_name")
	}
	rows, err := s.db.GatewaysByLabel(ctx, p.DomainUUID, p.Name)
	if err != nil {
		return p, false, err
	}
	// A deletion looks at no value, so the mode does not matter.
	if _, refused := gateway.NewPlan(fusionpbx.ModeAuto, rows, p, nil, ""); refused != nil {
		return p, false, refused
	}
	return p, len(rows) > 0, nil
}

// newJob is a job about one gateway; those about the same one are carried out in their order. One that stops its
// calls goes first.
func newJob(p gateway.Request, password *string) tasks.NewJob {
	about := "gateway:" + p.DomainUUID + ":" + strings.ToLower(p.Name)
	return tasks.NewJob{
		Kind: tasks.KindProvision, DomainUUID: p.DomainUUID, Subject: about, OrderKeys: []string{about}, Urgent: p.Stops(),
		Params: p, Secrets: gateway.Secrets{Password: password},
	}
}
