package gateways

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
)

// checkAll refuses what the worker would refuse too, so that the caller hears of it at once: all that is wrong with
// each of the requests, in a number of questions that does not grow with theirs. They are resolved.
func (s *Service) checkAll(ctx context.Context, all []asked) (wrong [][]error, err error) {
	mode, err := s.pbx.Mode(ctx)
	if err != nil {
		return nil, err
	}
	js, err := s.judge(ctx, mode, all)
	if err != nil {
		return nil, err
	}
	if err := s.judgeAgain(ctx, mode, all, js); err != nil {
		return nil, err
	}
	var profiles map[string]fusionpbx.Profile
	wrong = make([][]error, len(all))
	for i, g := range all {
		j := js[i]
		if len(j.wrong) == 0 && !j.passes && g.params.Asks(g.password) && j.plan.Action != gateway.Absent && !g.params.Delete && g.params.Do == "" {
			if profiles == nil {
				if profiles, err = s.db.Profiles(ctx); err != nil {
					return nil, err
				}
			}
			if err := j.plan.CheckProfile(profiles); err != nil {
				j.wrong = append(j.wrong, err)
			}
		}
		for _, err := range j.wrong {
			wrong[i] = append(wrong[i], g.inItsWords(err))
		}
	}
	return wrong, nil
}

// judged is what is to be done for a request as things stand.
type judged struct {
	plan  gateway.Plan
	wrong []error
	// passes is set if it is refused for what is there or is not, which an earlier request may change.
	passes bool
}

// judge plans each request on what stands now.
func (s *Service) judge(ctx context.Context, mode fusionpbx.GatewayMode, all []asked) ([]judged, error) {
	requests := make([]gateway.Request, len(all))
	for i, g := range all {
		requests[i] = g.params
	}
	existing, err := gateway.ExistingOfAll(ctx, s.db, requests)
	if err != nil {
		return nil, err
	}
	js := make([]judged, len(all))
	var deleted []string
	for i, g := range all {
		js[i] = s.plan(mode, existing[i], g)
		if js[i].plan.Delete {
			deleted = append(deleted, js[i].plan.Row.UUID)
		}
	}
	if len(deleted) == 0 {
		return js, nil
	}
	routes, err := s.db.OutboundRoutes(ctx, deleted)
	for i, g := range all {
		if row := js[i].plan.Row; js[i].plan.Delete {
			if refused := g.params.CheckRoutes(row, routes[row.UUID]); refused != nil {
				js[i].wrong = append(js[i].wrong, refused)
			}
		}
	}
	return js, err
}

func (s *Service) plan(mode fusionpbx.GatewayMode, existing []fusionpbx.Gateway, g asked) judged {
	if err := g.params.CheckConditions(s.tasks.Keys(), existing); err != nil {
		return judged{wrong: []error{err}, passes: true}
	}
	if g.params.Do == gateway.Reregister {
		if err := g.params.CheckReregister(existing); err != nil {
			return judged{wrong: []error{err}, passes: len(existing) == 0}
		}
		return judged{}
	}
	plan, refused := gateway.NewPlan(mode, existing, g.params, g.password, uuid.NewString())
	if refused == nil {
		return judged{plan: plan}
	}
	wrong := g.wrongValues(mode, len(existing) == 0)
	if _, ofValue := errors.AsType[*gateway.ValueError](refused); !ofValue || len(wrong) == 0 {
		wrong = append([]error{refused}, wrong...)
	}
	return judged{plan: plan, wrong: wrong, passes: len(existing) == 0}
}

// wrongValues are the faults of each of the values by itself, in the order in which a plan finds the first.
func (g asked) wrongValues(mode fusionpbx.GatewayMode, isNew bool) (wrong []error) {
	for _, column := range fusionpbx.GatewayColumns {
		value, named := g.params.Values[column]
		switch {
		case column == "password" && g.password != nil:
			value = *g.password
		case column == "gateway" && isNew && !named:
			value = g.params.Name
		}
		if err := gateway.CheckValue(mode, column, value); err != nil {
			wrong = append(wrong, err)
		}
	}
	return wrong
}

// judgeAgain looks once more at those that earlier requests may help: what was accepted before and has not ended may
// yet make it as it has to be, and what has ended may have made it since.
func (s *Service) judgeAgain(ctx context.Context, mode fusionpbx.GatewayMode, all []asked, js []judged) error {
	var keys []string
	for i, j := range js {
		if j.passes {
			keys = append(keys, orderKeys(all[i].params)...)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	pending, err := s.tasks.PendingAt(ctx, keys)
	if err != nil {
		return err
	}
	var rest []asked
	var at []int
	for i := range js {
		if !js[i].passes {
			continue
		}
		waits := false
		for _, key := range orderKeys(all[i].params) {
			waits = waits || pending[key]
		}
		if waits {
			js[i].wrong = nil // the worker sees
			continue
		}
		js[i].passes = false
		rest, at = append(rest, all[i]), append(at, i)
	}
	again, err := s.judge(ctx, mode, rest)
	for n, j := range again {
		j.passes = false
		js[at[n]] = j
	}
	return err
}
