package gateways

import (
	"fmt"
	"strconv"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/tasks"
)

// enable has a gateway take calls again, disable take none. What is absent is disabled already.
func (s *Service) enable(r *web.Request) error  { return s.flip(r, "enable", true) }
func (s *Service) disable(r *web.Request) error { return s.flip(r, "disable", false) }

func (s *Service) flip(r *web.Request, verb string, enabled bool) error {
	c, err := s.flipped(r, verb, enabled)
	if err != nil {
		return err
	}
	return s.change(r, c)
}

func (s *Service) flipped(r *web.Request, verb string, enabled bool) (changing, error) {
	return s.only(r, verb, !enabled, func(p *gateway.Request) { p.Values["enabled"] = strconv.FormatBool(enabled) })
}

// reregister has every switch end the gateway's registration and begin a new one.
func (s *Service) reregister(r *web.Request) error {
	c, err := s.reregistered(r)
	if err != nil {
		return err
	}
	return s.change(r, c)
}

func (s *Service) reregistered(r *web.Request) (changing, error) {
	return s.only(r, "reregister", false, func(p *gateway.Request) { p.Do = gateway.Reregister })
}

// Enable has a job do it with the gateway of the path, and does not wait for it. seen is the gateway's tag, of which it has
// to be when the job takes effect; "": any.
func (s *Service) Enable(r *web.Request, seen string) (tasks.Job, error) {
	return s.started(r, seen, func() (changing, error) { return s.flipped(r, "enable", true) })
}

// Disable is as Enable.
func (s *Service) Disable(r *web.Request, seen string) (tasks.Job, error) {
	return s.started(r, seen, func() (changing, error) { return s.flipped(r, "disable", false) })
}

// Reregister is as Enable.
func (s *Service) Reregister(r *web.Request, seen string) (tasks.Job, error) {
	return s.started(r, seen, func() (changing, error) { return s.reregistered(r) })
}

func (s *Service) started(r *web.Request, seen string, asked func() (changing, error)) (job tasks.Job, err error) {
	c, err := asked()
	if err == nil && c.absent {
		err = fault.Errorf(fault.NotFound, "there is no such gateway")
	}
	if err == nil {
		c.params.Match(seen)
		c.resolved.params.Match(seen)
		job, _, err = s.jobs.Start(r, s.jobOf(r, c))
	}
	return job, err
}

// only is one thing done with the gateway of the path. ofAbsent: it is done already if there is no such gateway.
func (s *Service) only(r *web.Request, verb string, ofAbsent bool, do func(*gateway.Request)) (c changing, err error) {
	t, err := s.ofPath(r)
	if err != nil {
		return c, err
	}
	if t.absent && !ofAbsent {
		return c, t.noGateway()
	}
	c = changing{verb: verb, named: t.asked, action: "gateway." + verb, absent: t.absent}
	c.params, c.resolved.params = t.Request, t.resolved
	for _, p := range []*gateway.Request{&c.params, &c.resolved.params} {
		p.Values = map[string]string{}
		if p.Conditions, err = conditionsOf(r); err != nil {
			return c, err
		}
		if p.IfNoneMatch {
			return c, fault.Invalid("If-None-Match", "means nothing of a gateway that there is; send If-Match")
		}
		do(p)
	}
	if c.absent && len(c.params.IfMatch) > 0 {
		return c, fault.Errorf(fault.PreconditionFailed, "If-Match: there is no such gateway")
	}
	return c, nil
}

// copy makes a gateway like the one of the path, disabled and under another name. Its password is the other's, and
// never shown.
func (s *Service) copy(r *web.Request) error {
	t, err := s.ofPath(r)
	if err != nil {
		return err
	}
	if t.absent || t.resolved.Name == "" {
		return t.noGateway()
	}
	c := changing{verb: "copy", named: t.asked, action: "gateway.copy"}
	c.params = gateway.Request{
		Name: r.Params.Get("gateway_name"), DomainUUID: t.DomainUUID, DomainName: t.DomainName, CopyOf: t.resolved.GatewayUUID,
		Values: map[string]string{"enabled": "false"},
	}
	if c.params.Conditions, err = conditionsOf(r); err != nil {
		return err
	}
	if len(c.params.IfMatch) > 0 || c.params.IfNoneMatch {
		return fault.Invalid("If-Match", "means nothing of a copy; leave it and If-None-Match out")
	}
	c.params.Only = gateway.OnlyNew
	if c.params.Name == "" {
		if c.params.Name, err = s.freeName(r, t.resolved); err != nil {
			return err
		}
	}
	c.resolved.params = c.params
	return s.change(r, c)
}

// maxCopies is how many names are tried for a copy.
const maxCopies = 100

// freeName is the first name for a copy of the gateway that none in its domain has.
func (s *Service) freeName(r *web.Request, of gateway.Request) (string, error) {
	labels := make([]fusionpbx.Label, maxCopies)
	for i := range labels {
		labels[i] = fusionpbx.Label{DomainUUID: of.DomainUUID, Name: fmt.Sprintf("%s (copy %d)", of.Name, i+1)}
	}
	labels[0].Name = of.Name + " (copy)"
	taken, err := s.db.GatewaysByLabels(r.Context(), labels)
	if err != nil {
		return "", err
	}
	for _, label := range labels {
		if len(taken[label]) == 0 {
			return label.Name, nil
		}
	}
	return "", fault.Errorf(fault.Conflict, "gateway_name: there are %d copies of %q already; name the new one", maxCopies, of.Name)
}
