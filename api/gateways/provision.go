// Package gateways is gateways as callers know them: asked for, listed and deleted. It reads FusionPBX and
// the switches; what changes them is a job.
package gateways

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/batching"
	"trunkline/internal/cache"
	"trunkline/internal/config"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/pbx"
	"trunkline/internal/postgres"
	"trunkline/internal/token"
	"trunkline/internal/upload"
	"trunkline/tasks"
)

// provisioned is the documented answer, and beside it what became of the gateway at the switches.
type provisioned struct {
	Status  string `json:"status" enum:"success"`
	Message string `json:"message"`
	gateway.Result
	JobID string `json:"job_id" format:"uuid"` // the job that did it
	web.Ignoring
}

// Service answers for gateways.
type Service struct {
	settings config.Settings
	pbx      *pbx.PBX
	db       *fusionpbx.DB
	tasks    *tasks.Client
	jobs     *jobs.Service
	uploads  *upload.Store
	checks   *batching.Batches[asked, checked]
	states   *cache.Cache[[]gateway.Tally]
}

// New returns the service of that PBX's gateways, whose changes are jobs.
func New(settings config.Settings, p *pbx.PBX, t *tasks.Client, j *jobs.Service) *Service {
	s := &Service{settings: settings, pbx: p, db: p.FusionPBX, tasks: t, jobs: j, uploads: &upload.Store{Pool: p.Pool, Keys: t.Keys()}, states: newStates()}
	s.checks = batching.New(checksAtOnce, t.Accepting(), s.checkTogether)
	return s
}

// Endpoints are those of gateways.
func (s *Service) Endpoints() []web.Endpoint {
	return slices.Concat([]web.Endpoint{
		{
			ID: "provisionGateway", Summary: "Make, change, suspend or show a gateway", Methods: []string{"GET", "POST"},
			Path: "/app/gateways/provision.php", Entry: web.SignedIn, Scope: token.ScopeProvision, Limit: web.LimitGateways,
			Changes: true, Answer: s.provision, AtOnce: []web.AtOnce{web.AtOnceJobs},
			Params: provisionParams(),
			Replies: []web.Reply{
				{Status: 200, About: "The gateway is as asked for on every switch that it is meant for.", Body: provisioned{}},
				jobs.NotFinished,
			},
			Faults: slices.Concat(gatewayFaults, jobs.Faults),
		},
		{
			ID: "listGateways", Summary: "List the gateways as the switches show them now", Methods: []string{"GET", "POST"},
			Path: "/app/gateways/provision_list.php", Entry: web.SignedIn, Scope: token.ScopeRead, Limit: web.LimitGateways, Selects: true,
			Answer: web.JSON(http.StatusOK, s.List),
			Params: []web.Param{
				{Name: "tenant_domain", About: "The domain, or global. Left out: all that the caller sees."},
				{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
			},
			Replies: []web.Reply{{Status: 200, About: "The gateways.", Body: GatewayList{}}},
			Faults:  []fault.Code{fault.NotFound, fault.ServerError},
		},
		s.driftEndpoint(),
		s.reconcileEndpoint(),
		s.actionsEndpoint(),
		s.bulkEndpoint(),
	}, s.resourceEndpoints(), s.choiceEndpoints())
}

// gatewayFaults are those of changing a gateway.
var gatewayFaults = append([]fault.Code{
	fault.MissingParameters, fault.NotFound, fault.Conflict, fault.PreconditionFailed, fault.InvalidGateway, fault.ProfileUnavailable,
	fault.GatewayNotLoaded, fault.SwitchConfiguration, fault.RegistrationFailed, fault.Superseded, fault.KeySuperseded,
}, web.SwitchFaults...)

// provision makes or changes a gateway. What is wrong with the request is answered at once; the rest
// is a job, which is waited for.
func (s *Service) provision(r *web.Request) error {
	t, err := r.OneTenant()
	if err != nil {
		return err
	}
	g, err := askedOf(r, t)
	if err != nil {
		return err
	}
	resolved := g
	if resolved.params, err = gateway.Resolve(r.Context(), s.pbx, g.params); err != nil {
		return err
	}
	if resolved.params.Name == "" {
		return fault.Missing(r.Params.Absent("gateway_name", "gateway_domain", "gateway_username", "gateway_password")...)
	}
	job := jobs.Asked{
		NewJob: newJob(resolved.params, g.params, g.password),
		Body:   g.bodyParts(),
		Check:  func() (answered bool, err error) { return false, s.check(r.Context(), resolved) },
		Stands: func(job tasks.Job) error { return s.stands(r.Context(), job) },
		Answer: func(job tasks.Job) error {
			result, err := jobs.ResultOf[gateway.Result](job)
			if err != nil {
				return err
			}
			r.Answer(http.StatusOK, provisioned{
				Status: "success", Message: g.message(result), Result: result, JobID: job.ID, Ignoring: r.Ignoring,
			})
			return nil
		},
	}
	if g.params.Asks(g.password) {
		job.Action, job.What = "gateway.provision", g.params.Name
	}
	return s.jobs.Do(r, job)
}

// message is the documented one, unless nothing was asked of a gateway that no call can go through.
func (g asked) message(result gateway.Result) string {
	switch {
	case result.Action == gateway.Absent:
		return "There is no gateway of that name, so that nothing can call by it"
	case g.params.Asks(g.password) || result.GatewayState != gateway.StateNotLoaded:
		return "Gateway configured successfully"
	case result.GatewayEnabled == "true":
		return "Gateway found, and not loaded; send gateway_enabled=true to have it loaded"
	}
	return "Gateway found, and disabled; send gateway_enabled=true to enable it"
}

const (
	// checksAtOnce is how many requests are checked together, and checkTimeout how long they may take.
	checksAtOnce = 100
	checkTimeout = 20 * time.Second
)

// checked is what is wrong with a request, or why that is not known.
type checked struct {
	wrong []error
	err   error
}

// check is checkAll of one request, together with those that are asked about its domain at the same time, and the first
// that is wrong with it.
func (s *Service) check(ctx context.Context, g asked) error {
	answer, err := s.checks.Do(ctx, g.params.DomainUUID, g)
	if err = cmp.Or(err, answer.err); err != nil || len(answer.wrong) == 0 {
		return err
	}
	return answer.wrong[0]
}

// checkTogether checks requests together or, if the database refuses what one of them asks, each by itself.
func (s *Service) checkTogether(ctx context.Context, all []asked) []checked {
	ctx, stop := context.WithTimeout(ctx, checkTimeout)
	defer stop()
	wrong, err := s.checkAll(ctx, all)
	answers := make([]checked, len(all))
	refused := postgres.Refused(err)
	for i := range all {
		switch {
		case err == nil:
			answers[i].wrong = wrong[i]
		case refused && len(all) > 1:
			answers[i] = s.checkTogether(ctx, all[i:i+1])[0]
		default:
			answers[i].err = err
		}
	}
	return answers
}

// inItsWords names the request's field if the failure names a column.
func (g asked) inItsWords(err error) error {
	if value, ok := errors.AsType[*gateway.ValueError](err); ok {
		return fault.Errorf(fault.InvalidGateway, "%s: %s", g.fieldOf(value.Column), value.Reason)
	}
	return err
}
