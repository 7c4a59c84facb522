package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
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

func (s *Server) deletionEndpoints() []endpoint {
	byID := endpoint{
		id: "deleteGateway", summary: "Delete a gateway", note: "One that is absent is success.", methods: []string{"DELETE"}, path: "/v1/gateways/:id",
		entry: signedIn, scopes: toProvision, limit: limitGateways, answer: s.deleteGateway,
		params:  jobParams,
		replies: []reply{{status: 200, about: "It is gone from FusionPBX and from every switch.", body: deletedGateway{}}, notFinished},
		faults:  slices.Concat(gatewayFaults, jobFaults),
	}
	byName := byID
	byName.id, byName.summary, byName.path = "deleteGatewayByName", "Delete a gateway by its name", "/v1/gateways"
	byName.params = slices.Concat([]parameter{{name: "gateway_name", about: "Its label.", required: true}}, oneTenantParams, jobParams)
	return []endpoint{byID, byName}
}

// deleteGateway deletes the gateway of the path's uuid, or of a name. One that is absent is success:
// whoever terminates a service may do so twice.
func (s *Server) deleteGateway(r *request) error {
	p, found, err := r.gatewayToDelete()
	if err != nil {
		return err
	}
	patience, err := r.patience(s.settings.WaitDefault)
	if err != nil {
		return err
	}
	n := tasks.NewJob{
		Kind: tasks.KindProvision, DomainUUID: p.DomainUUID, CreatedBy: r.caller.ID, CreatedByName: r.caller.Name,
		Subject: gatewaySubject(p), Params: p, Secrets: gateway.Secrets{},
	}
	if err := r.keys(&n); err != nil {
		return err
	}
	n.BodyHash = s.tasks.Keys().BodyHash("delete", p.DomainUUID, p.Name, p.GatewayUUID, n.ExternalID)
	job, attached, err := s.tasks.Earlier(r.context(), n)
	if err != nil {
		return keyReused(n, err)
	}
	if !attached {
		if !found {
			r.answer(http.StatusOK, deletedGateway{Action: gateway.Absent, GatewayUUID: p.GatewayUUID, GatewayName: p.Name})
			return nil
		}
		if job, err = r.submit(n); err != nil {
			return err
		}
		r.domainUUID = p.DomainUUID
		r.changed("gateway.delete", p.Name+", job "+job.ID)
	}
	if job, err = r.await(job, patience); err != nil {
		return err
	}
	return r.answerDeleted(job)
}

// gatewayToDelete finds the gateway among those that the caller may see. found is false where there is
// none, whether or not another tenant has it.
func (r *request) gatewayToDelete() (p gateway.Request, found bool, err error) {
	ctx, db := r.context(), r.s.db
	p = gateway.Request{Delete: true, Values: map[string]string{}}
	if id := strings.ToLower(r.c.Param("id")); id != "" {
		if !postgres.IsUUID(id) {
			return p, false, fault.Invalid("the gateway in the path", "is not a UUID")
		}
		p.GatewayUUID = id
		row, err := db.GatewayByUUID(ctx, id)
		if errors.Is(err, fusionpbx.ErrNotFound) {
			return p, false, nil
		}
		if err != nil {
			return p, false, err
		}
		if !r.caller.Domains.All && !slices.ContainsFunc(r.caller.Domains.List, func(t tenant.Domain) bool { return t.UUID == row.DomainUUID }) {
			return p, false, nil
		}
		p.Name, p.DomainUUID = row.Label(), row.DomainUUID
		return p, true, nil
	}
	t, err := r.oneTenant()
	if err != nil {
		return p, false, err
	}
	p.Name, p.DomainUUID, p.DomainName = r.params.get("gateway_name"), t.UUID, t.Name
	if p.Name == "" {
		return p, false, fault.Missing("gateway_name")
	}
	rows, err := db.GatewaysByLabel(ctx, p.DomainUUID, p.Name)
	if err != nil {
		return p, false, err
	}
	// A deletion looks at no value, so the mode does not matter.
	if _, refused := gateway.NewPlan(fusionpbx.ModeAuto, rows, p, nil, ""); refused != nil {
		return p, false, refused
	}
	return p, len(rows) > 0, nil
}

// gatewaySubject is what jobs about one gateway share.
func gatewaySubject(p gateway.Request) string { return "gateway:" + p.DomainUUID + ":" + p.Name }

// answerDeleted answers as the job stands.
func (r *request) answerDeleted(job tasks.Job) error {
	if !job.State.Done() {
		return r.answerPending(job)
	}
	if err := endOf(job); err != nil {
		return err
	}
	var result gateway.Result
	if err := json.Unmarshal(job.Result, &result); err != nil {
		return fmt.Errorf("reading the result of job %s: %w", job.ID, err)
	}
	r.answer(http.StatusOK, deletedGateway{
		Action: result.Action, GatewayUUID: result.GatewayUUID, GatewayName: result.GatewayName,
		OutboundRoutes: result.OutboundRoutes, JobID: job.ID,
	})
	return nil
}
