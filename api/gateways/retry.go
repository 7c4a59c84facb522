package gateways

import (
	"encoding/json"
	"fmt"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// JudgeRetry refuses a failed job that the caller may not ask for now, as it would the same request of the
// caller's, and one whose gateway was changed since. If the password is gone there is nothing to judge.
func (s *Service) JudgeRetry(r *web.Request, job tasks.Job) error {
	g, secrets := asked{}, gateway.Secrets{}
	if err := json.Unmarshal(job.Params, &g.params); err != nil {
		return fmt.Errorf("reading the parameters of job %s: %w", job.ID, err)
	}
	found, err := s.tasks.Secrets(r.Context(), job, &secrets)
	if err != nil || !found {
		return err
	}
	if err := mayAsk(r, g); err != nil {
		return err
	}
	if g.params, err = gateway.Resolve(r.Context(), s.pbx, g.params); err != nil {
		return err
	}
	rows, err := gateway.Existing(r.Context(), s.db, g.params)
	if err != nil {
		return err
	}
	if !secrets.Left.Still(rows) {
		return &fault.Error{Code: fault.Conflict, JobID: job.ID, Message: "the gateway is not known to be as this job left it: it was changed since, " +
			"or the job's worker was lost; look at the gateway, then send the request again"}
	}
	g.password = secrets.Password
	return s.check(r.Context(), g)
}
