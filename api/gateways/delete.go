package gateways

import (
	"encoding/json"
	"errors"
	"fmt"
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
		AtOnce:  []web.AtOnce{web.AtOnceJobs},
		Params:  jobs.Params,
		Replies: []web.Reply{{Status: 200, About: "It is gone from FusionPBX and from every switch.", Body: deletedGateway{}}, jobs.NotFinished},
		Faults:  slices.Concat(gatewayFaults, jobs.Faults),
	}
	byName := byID
	byName.ID, byName.Summary, byName.Path = "deleteGatewayByName", "Delete a gateway by its name", "/v1/gateways"
	byName.Params = slices.Concat([]web.Param{{Name: "gateway_name", About: "Its label; may be left out with external_id."}}, web.OneTenantParams, jobs.Params)
	return []web.Endpoint{byID, byName}
}

// delete deletes the gateway of the path's uuid, or of a name. One that is absent is success: whoever
// terminates a service may do so twice.
func (s *Service) delete(r *web.Request) error {
	d, err := s.toDelete(r)
	if err != nil {
		return err
	}
	return s.jobs.Do(r, jobs.Asked{
		NewJob: newJob(d.Request, d.Request, nil),
		Body:   append([]string{"delete", r.Params.Get("external_id")}, d.asked...),
		Stands: func(job tasks.Job) error { return s.stands(r.Context(), job) },
		Action: "gateway.delete", What: d.Name,
		Check: func() (answered bool, err error) {
			if d.absent {
				r.Answer(http.StatusOK, deletedGateway{Action: gateway.Absent, GatewayUUID: d.GatewayUUID, GatewayName: d.Name})
			}
			return d.absent, nil
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

// deletion is a gateway that is to be deleted.
type deletion struct {
	gateway.Request
	asked  []string // how the request names it
	absent bool     // there is none, as far as the caller may see, and none to come
}

// toDelete finds the gateway among those that the caller may see.
func (s *Service) toDelete(r *web.Request) (deletion, error) {
	if id := strings.ToLower(r.Path("id")); id != "" {
		return s.toDeleteByID(r, id)
	}
	d := deletion{Request: gateway.Request{Delete: true, Values: map[string]string{}}}
	t, err := r.OneTenant()
	if err != nil {
		return d, err
	}
	d.Name, d.DomainUUID, d.DomainName, d.ExternalID = r.Params.Get("gateway_name"), t.UUID, t.Name, r.Params.Get("external_id")
	d.asked = []string{"tenant", d.DomainUUID, "name", d.Name}
	if d.Request, err = gateway.Resolve(r.Context(), s.pbx, d.Request); err != nil {
		return d, err
	}
	if d.Name == "" {
		return d, fault.Missing("gateway_name")
	}
	rows, err := gateway.Existing(r.Context(), s.db, d.Request)
	if err != nil {
		return d, err
	}
	// A deletion looks at no value, so the mode does not matter.
	if _, refused := gateway.NewPlan(fusionpbx.ModeAuto, rows, d.Request, nil, ""); refused != nil {
		return d, refused
	}
	if len(rows) > 0 {
		return d, nil
	}
	_, pending, err := s.tasks.Pending(r.Context(), orderKeys(d.Request)...)
	if err != nil || pending {
		return d, err
	}
	// What ended between the two looks may have made it.
	rows, err = gateway.Existing(r.Context(), s.db, d.Request)
	d.absent = len(rows) == 0
	return d, err
}

// toDeleteByID finds it by its uuid. The row may be gone while a switch still has to be seen without it.
func (s *Service) toDeleteByID(r *web.Request, id string) (deletion, error) {
	d := deletion{Request: gateway.Request{Delete: true, Values: map[string]string{}, GatewayUUID: id}, asked: []string{"gateway", id}}
	if !postgres.IsUUID(id) {
		return d, fault.Invalid("the gateway in the path", "is not a UUID")
	}
	row, err := s.db.GatewayByUUID(r.Context(), id)
	switch {
	case err == nil && r.Caller.Domains.HoldUUID(row.DomainUUID):
		d.Name, d.DomainUUID = row.Label(), row.DomainUUID
		return d, nil
	case err == nil:
		d.absent = true // another tenant's is as if it were not there
		return d, nil
	case !errors.Is(err, fusionpbx.ErrNotFound):
		return d, err
	}
	job, pending, err := s.tasks.Pending(r.Context(), uuidKey(id))
	if d.absent = !pending || !r.Caller.Domains.HoldUUID(job.DomainUUID); err != nil || d.absent {
		return d, err
	}
	var before gateway.Request
	if err := json.Unmarshal(job.Params, &before); err != nil {
		return d, fmt.Errorf("reading the parameters of job %s: %w", job.ID, err)
	}
	d.Name, d.DomainUUID = before.Name, before.DomainUUID
	return d, nil
}

// newJob is a job about one gateway; those about the same one are carried out in their order. One that stops its
// calls goes first. The worker resolves again what was asked.
func newJob(resolved, asked gateway.Request, password *string) tasks.NewJob {
	keys := orderKeys(resolved)
	return tasks.NewJob{
		Kind: tasks.KindProvision, DomainUUID: resolved.DomainUUID, Subject: keys[0], OrderKeys: keys, Urgent: asked.Stops(),
		Params: asked, Secrets: gateway.Secrets{Password: password},
	}
}

// orderKeys are all that the gateway is known by; the first is its name.
func orderKeys(p gateway.Request) []string {
	keys := []string{labelKey(p, p.Name)}
	if name := p.NewName(); name != "" {
		keys = append(keys, labelKey(p, name))
	}
	if p.GatewayUUID != "" {
		keys = append(keys, uuidKey(p.GatewayUUID))
	}
	if p.ExternalID != "" {
		keys = append(keys, "external_id:"+p.DomainUUID+":"+strings.ToLower(p.ExternalID))
	}
	return keys
}

func labelKey(p gateway.Request, name string) string {
	return "gateway:" + p.DomainUUID + ":" + strings.ToLower(name)
}

func uuidKey(gatewayUUID string) string { return gateway.UUIDKey(gatewayUUID) }
