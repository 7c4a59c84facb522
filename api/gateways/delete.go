package gateways

import (
	"net/http"
	"slices"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
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

// forceParam deletes what outbound routes name.
var forceParam = web.Param{Name: "force", Kind: web.KindFlag, About: "true: also if outbound routes name it, whose calls fail then. Left out, such a one is refused with their names."}

// delete deletes the gateway of the path, or of a name. One that is absent is success: whoever terminates a service
// may do so twice.
func (s *Service) delete(r *web.Request) error {
	_, job, err := s.deletion(r, "")
	if err != nil {
		return err
	}
	return s.jobs.Do(r, job)
}

// Delete has a job delete the gateway of the path, as Enable.
func (s *Service) Delete(r *web.Request, seen string) (job tasks.Job, err error) {
	d, asked, err := s.deletion(r, seen)
	if err == nil && d.absent {
		err = d.noGateway()
	}
	if err == nil {
		job, _, err = s.jobs.Start(r, asked)
	}
	return job, err
}

// Routes are the names of FusionPBX's outbound routes that send calls to the gateway of the path.
func (s *Service) Routes(r *web.Request) ([]string, error) {
	t, err := s.ofPath(r)
	if err != nil || t.absent {
		return nil, err
	}
	routes, err := s.db.OutboundRoutes(r.Context(), []string{t.GatewayUUID})
	return routes[t.GatewayUUID], err
}

// deletion is what the request wants deleted, and the job that does it. seen is the tag that it has to have; "": any, or those
// that the request's header names.
func (s *Service) deletion(r *web.Request, seen string) (d target, job jobs.Asked, err error) {
	if d, err = s.toDelete(r); err != nil {
		return d, job, err
	}
	for _, p := range []*gateway.Request{&d.Request, &d.resolved} {
		p.Delete, p.Values = true, map[string]string{}
		if p.Force, err = r.Params.Flag("force"); err != nil {
			return d, job, err
		}
		if p.Conditions, err = conditionsOf(r); err != nil {
			return d, job, err
		}
		if p.IfNoneMatch {
			return d, job, fault.Invalid("If-None-Match", "means nothing of a deletion; send If-Match")
		}
		p.Match(seen)
	}
	if d.absent && len(d.IfMatch) > 0 {
		return d, job, fault.Errorf(fault.PreconditionFailed, "If-Match: there is no such gateway")
	}
	job = jobs.Asked{
		NewJob: newJob(d.resolved, d.Request, nil),
		Body:   slices.Concat([]string{"delete", r.Params.Get("external_id")}, d.asked, conditionParts(d.Request)),
		Stands: func(job tasks.Job) error { return s.stands(r.Context(), job) },
		Action: "gateway.delete", What: d.resolved.Name,
		Check: func() (answered bool, err error) {
			if d.absent {
				r.Answer(http.StatusOK, deletedGateway{Action: gateway.Absent, GatewayUUID: d.resolved.GatewayUUID, GatewayName: d.resolved.Name})
				return true, nil
			}
			return false, s.check(r.Context(), asked{params: d.resolved})
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
	}
	return d, job, nil
}

// toDelete finds the gateway among those that the caller may see.
func (s *Service) toDelete(r *web.Request) (target, error) {
	if r.Path("id") != "" || r.Path("external_id") != "" {
		return s.ofPath(r)
	}
	t, err := r.OneTenant()
	if err != nil {
		return target{}, err
	}
	d := target{Request: gateway.Request{
		Name: r.Params.Get("gateway_name"), DomainUUID: t.UUID, DomainName: t.Name, ExternalID: r.Params.Get("external_id"),
		Delete: true, Values: map[string]string{},
	}}
	d.asked = []string{"tenant", d.DomainUUID, "name", d.Name}
	if d.resolved, err = gateway.Resolve(r.Context(), s.pbx, d.Request); err != nil {
		return d, err
	}
	if d.resolved.Name == "" {
		return d, fault.Missing("gateway_name")
	}
	rows, err := gateway.Existing(r.Context(), s.db, d.resolved)
	if err != nil {
		return d, err
	}
	if len(rows) > 0 {
		return d, nil
	}
	_, pending, err := s.tasks.Pending(r.Context(), orderKeys(d.resolved)...)
	if err != nil || pending {
		return d, err
	}
	// What ended between the two looks may have made it.
	rows, err = gateway.Existing(r.Context(), s.db, d.resolved)
	d.absent = len(rows) == 0
	return d, err
}

// newJob is a job about one gateway; those about the same one are carried out in their order. One that stops its
// calls goes first. The worker resolves again what was asked.
func newJob(resolved, asked gateway.Request, password *string) tasks.NewJob {
	keys := orderKeys(resolved)
	asked.NamesPassword = password != nil
	return tasks.NewJob{
		Kind: tasks.KindProvision, DomainUUID: resolved.DomainUUID, Subject: keys[0], OrderKeys: keys, Urgent: asked.Stops(),
		Params: asked, Secrets: gateway.Secrets{Password: password},
	}
}

// orderKeys are all that the gateway is known by; the first is its name.
func orderKeys(p gateway.Request) []string {
	var keys []string
	if p.Name != "" {
		keys = append(keys, labelKey(p, p.Name))
	}
	if name := p.NewName(); name != "" {
		keys = append(keys, labelKey(p, name))
	}
	for _, uuid := range []string{p.GatewayUUID, p.CopyOf} {
		if uuid != "" {
			keys = append(keys, gateway.UUIDKey(uuid))
		}
	}
	if p.ExternalID != "" {
		keys = append(keys, externalIDKey(p.DomainUUID, p.ExternalID))
	}
	return keys
}

func labelKey(p gateway.Request, name string) string {
	return "gateway:" + p.DomainUUID + ":" + strings.ToLower(name)
}

func externalIDKey(domainUUID, externalID string) string {
	return "external_id:" + domainUUID + ":" + strings.ToLower(externalID)
}
