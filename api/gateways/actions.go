package gateways

import (
	"maps"
	"slices"
	"strconv"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/token"
)

// actions are what can be done with many gateways at once, and what each asks of one.
var actions = map[string]func(*gateway.Request){
	"enable":      func(p *gateway.Request) { p.Values["enabled"] = "true" },
	"disable":     func(p *gateway.Request) { p.Values["enabled"] = "false" },
	"delete":      func(p *gateway.Request) { p.Delete = true },
	"re-register": func(p *gateway.Request) { p.Do = gateway.Reregister },
}

func (s *Service) actionsEndpoint() web.Endpoint {
	return web.Endpoint{
		ID: "actOnGateways", Summary: "Enable, disable, delete or register again many gateways",
		Note:    "Which they are is settled when the job is accepted. Each is judged as a single request would be.",
		Methods: []string{"POST"}, Path: allPath + "/actions", Entry: web.SignedIn, Scope: token.ScopeProvision, Limit: web.LimitGateways,
		Answer: s.act, AtOnce: []web.AtOnce{web.AtOnceJobs},
		Params: slices.Concat([]web.Param{
			{Name: "action", About: "What is to be done.", Choices: slices.Sorted(maps.Keys(actions)), Required: true},
			{Name: "ids", About: "The gateways' UUIDs; instead of a filter.", Kind: web.KindUUIDs},
			{Name: "all", About: "true: all that the caller sees; instead of ids and a filter.", Kind: web.KindFlag},
			{Name: "mode", About: "each: whichever can be; the job ends partial if one cannot. all: every one or none.", Choices: []string{gateway.ModeEach, gateway.ModeAll}},
			{Name: "dry_run", About: "true: nothing is done; the items say what would be.", Kind: web.KindFlag},
			forceParam,
		}, filterParams, manyParams),
		Replies: manyReplies,
		Faults:  slices.Concat([]fault.Code{fault.TooLarge}, gatewayFaults, jobs.Faults),
	}
}

// act makes a job of what is to be done with each of the gateways that are named or chosen.
func (s *Service) act(r *web.Request) error {
	if err := noConditions(r); err != nil {
		return err
	}
	name := r.Params.Get("action")
	do, known := actions[name]
	if !known {
		if name == "" {
			return fault.Missing("action")
		}
		return fault.Invalid("action", "unknown action %.200q; use one of %v", name, slices.Sorted(maps.Keys(actions)))
	}
	asked := gateway.Bulk{Mode: gateway.ModeEach, Action: name}
	switch mode := r.Params.Get("mode"); mode {
	case "", gateway.ModeEach:
	case gateway.ModeAll:
		asked.Mode = mode
	default:
		return fault.Invalid("mode", "is neither %s nor %s", gateway.ModeEach, gateway.ModeAll)
	}
	var err error
	if asked.DryRun, err = r.Params.Flag("dry_run"); err != nil {
		return err
	}
	if asked.DryRun && name == "re-register" {
		return fault.Invalid("dry_run", "means nothing of re-register, which changes no row")
	}
	force, err := r.Params.Flag("force")
	if err != nil {
		return err
	}
	if force && name != "delete" {
		return fault.Invalid("force", "is for delete alone; leave it out")
	}
	rows, err := s.chosen(r)
	if err != nil {
		return err
	}
	body := []string{"actions", name, asked.Mode, strconv.FormatBool(asked.DryRun), strconv.FormatBool(force)}
	return s.doWithMany(r, asked, rows, body, func(p *gateway.Request) {
		p.Force = force
		do(p)
	})
}

// chosen are the gateways that the request names by their uuids, or by a filter.
func (s *Service) chosen(r *web.Request) ([]fusionpbx.Gateway, error) {
	all, err := r.Params.Flag("all")
	if err != nil {
		return nil, err
	}
	filtered := slices.ContainsFunc(filterParams, func(p web.Param) bool { return r.Params.Get(p.Name) != "" })
	byID := r.Params.Has("ids") // a list that came out empty is not all that a filter chooses
	switch {
	case byID && (filtered || all):
		return nil, fault.Invalid("ids", "is given beside a filter or all; send one of them")
	case byID:
		return s.named(r, false)
	case !filtered && !all:
		return nil, fault.Missing("ids, a filter such as profile, or all=true")
	}
	f, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	found, warnings, err := s.find(r, f)
	if err != nil {
		return nil, err
	}
	if len(warnings) > 0 && (f.state != "" || f.status != "") {
		return nil, fault.Errorf(fault.SwitchUnavailable, "which gateways have that state is not known: %s; choose them by something else, or try again", warnings[0])
	}
	if len(found) == 0 {
		return nil, fault.Errorf(fault.NotFound, "there are no such gateways")
	}
	rows, _ := rowsOf(found)
	return rows, nil
}
