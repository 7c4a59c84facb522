package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// provisioned is the documented answer, and beside it what became of the gateway at the switches.
type provisioned struct {
	Status  string `json:"status" enum:"success"`
	Message string `json:"message"`
	gateway.Result
	JobID string `json:"job_id" format:"uuid"` // the job that did it
	// Ignored are the request's parameters that mean nothing here: what was misspelt must not look as if
	// it had been done.
	Ignored []string `json:"ignored_parameters,omitempty"`
}

func (s *Server) provisionEndpoints() []endpoint {
	return []endpoint{
		{
			id: "provisionGateway", summary: "Make, change, suspend or show a gateway", methods: []string{"GET", "POST"},
			path: "/app/gateways/provision.php", entry: signedIn, scopes: toProvision, limit: limitGateways, answer: s.provision,
			params:  provisionParams(),
			replies: []reply{{status: 200, about: "The gateway is as asked for on every switch that it is meant for.", body: provisioned{}}, notFinished},
			faults:  slices.Concat(gatewayFaults, jobFaults),
		},
		{
			id: "listGateways", summary: "List the gateways as the switches show them now", methods: []string{"GET", "POST"},
			path: "/app/gateways/provision_list.php", entry: signedIn, scopes: toRead, limit: limitGateways, answer: s.provisionList,
			params: []parameter{
				{name: "tenant_domain", about: "The domain, or global. Left out: all that the caller sees."},
				{name: "domain_uuid", about: "The same by UUID.", kind: kindUUID},
			},
			replies: []reply{{status: 200, about: "The gateways.", body: gatewayList{}}},
			faults:  append([]fault.Code{fault.NotFound}, switchFaults...),
		},
	}
}

// gatewayFaults are those of changing a gateway.
var gatewayFaults = append([]fault.Code{
	fault.MissingParameters, fault.NotFound, fault.Conflict, fault.InvalidGateway, fault.ProfileUnavailable,
	fault.GatewayNotLoaded, fault.SwitchConfiguration,
}, switchFaults...)

// provision makes or changes a gateway. What is wrong with the request is answered at once; the rest
// is a job, which is waited for.
func (s *Server) provision(r *request) error {
	t, err := r.oneTenant()
	if err != nil {
		return err
	}
	asked, err := r.gatewayOf(t)
	if err != nil {
		return err
	}
	patience, err := r.patience(s.settings.WaitDefault)
	if err != nil {
		return err
	}
	n := tasks.NewJob{
		Kind:          tasks.KindProvision,
		DomainUUID:    t.UUID,
		CreatedBy:     r.caller.ID,
		CreatedByName: r.caller.Name,
		Subject:       gatewaySubject(asked.params),
		Params:        asked.params,
		Secrets:       gateway.Secrets{Password: asked.password},
	}
	if err := r.keys(&n); err != nil {
		return err
	}
	n.BodyHash = s.tasks.Keys().BodyHash(asked.bodyParts(n.ExternalID)...)
	job, attached, err := s.tasks.Earlier(r.context(), n)
	if err != nil {
		return keyReused(n, err)
	}
	if !attached {
		if err := s.checkGateway(r, asked); err != nil {
			return err
		}
		if job, err = r.submit(n); err != nil {
			return err
		}
		if asked.params.Asks(asked.password) {
			r.domainUUID = t.UUID
			r.changed("gateway.provision", asked.params.Name+", job "+job.ID)
		}
	}
	if job, err = r.await(job, patience); err != nil {
		return err
	}
	return r.answerProvisioned(job)
}

// checkGateway refuses what the worker would refuse too, so that the caller hears of it at once.
func (s *Server) checkGateway(r *request, asked gatewayRequest) error {
	ctx := r.context()
	mode, err := s.pbx.Mode(ctx)
	if err != nil {
		return err
	}
	existing, err := s.db.GatewaysByLabel(ctx, asked.params.DomainUUID, asked.params.Name)
	if err != nil {
		return err
	}
	plan, refused := gateway.NewPlan(mode, existing, asked.params, asked.password, uuid.NewString())
	if refused != nil {
		return asked.inItsWords(refused)
	}
	if !plan.Row.Enabled() || !asked.params.Asks(asked.password) {
		return nil
	}
	enabled, err := s.db.ProfileEnabled(ctx, plan.Row.Profile())
	if err != nil {
		return err
	}
	if !enabled {
		return fault.Errorf(fault.ProfileUnavailable, "profile: there is no enabled SIP profile %q in FusionPBX; name one that is enabled, or enable it", plan.Row.Profile())
	}
	return nil
}

// inItsWords names the request's field where the failure names a column.
func (g gatewayRequest) inItsWords(refused *fault.Error) error {
	var value *gateway.ValueError
	if errors.As(refused, &value) {
		return fault.Errorf(refused.Code, "%s: %s", g.fieldOf(value.Column), value.Reason)
	}
	return refused
}

// answerProvisioned answers as the job stands.
func (r *request) answerProvisioned(job tasks.Job) error {
	if !job.State.Done() {
		return r.answerPending(job)
	}
	if err := endOf(job); err != nil {
		return err
	}
	answer := provisioned{Status: "success", Message: "Gateway configured successfully", JobID: job.ID, Ignored: r.ignored}
	if err := json.Unmarshal(job.Result, &answer.Result); err != nil {
		return fmt.Errorf("reading the result of job %s: %w", job.ID, err)
	}
	r.answer(http.StatusOK, answer)
	return nil
}
