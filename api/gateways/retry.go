package gateways

import (
	"encoding/json"
	"fmt"

	"trunkline/api/web"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// JudgeBulkRetry refuses a job of many of which the caller may not ask for an item that is to be done again. What it
// returns has the worker see whether its gateway stands as it was left, and say so of each item by itself.
func (s *Service) JudgeBulkRetry(r *web.Request, job tasks.Job) (any, error) {
	for _, state := range []tasks.ItemState{tasks.ItemFailed, tasks.ItemSkipped} {
		err := s.eachItem(r.Context(), job, state, func(items []tasks.Item) error {
			for _, item := range items {
				var asked gateway.BulkItem
				if err := json.Unmarshal(item.Params, &asked); err != nil {
					return fmt.Errorf("reading the parameters of item %d of job %s: %w", item.Number, job.ID, err)
				}
				if wrong := mayAsk(r.Caller, asked.Request); len(wrong) > 0 {
					return wrong[0]
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return gateway.Secrets{Retried: true}, nil
}

// JudgeRetry refuses a failed job that the caller may not ask for now, as it would the same request of the
// caller's, and one whose gateway was changed since. If the password is gone there is nothing to judge. What it
// returns has the worker see whether the gateway stands as it was left when it is the retry's turn.
func (s *Service) JudgeRetry(r *web.Request, job tasks.Job) (any, error) {
	g, secrets := asked{}, gateway.Secrets{}
	if err := json.Unmarshal(job.Params, &g.params); err != nil {
		return nil, fmt.Errorf("reading the parameters of job %s: %w", job.ID, err)
	}
	found, err := s.tasks.Secrets(r.Context(), job, &secrets)
	if err != nil || !found {
		return nil, err
	}
	if wrong := mayAsk(r.Caller, g.params); len(wrong) > 0 {
		return nil, wrong[0]
	}
	if g.params, err = gateway.Resolve(r.Context(), s.pbx, g.params); err != nil {
		return nil, err
	}
	rows, err := gateway.Existing(r.Context(), s.db, g.params)
	if err == nil {
		err = secrets.Left.Check(rows)
	}
	if err != nil {
		return nil, err
	}
	g.password, secrets.Retried = secrets.Password, true
	return secrets, s.check(r.Context(), g)
}
