package gateways

import (
	"slices"

	"trunkline/api/jobs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/tenant"
)

// create makes a gateway, and changes none.
func (s *Service) create(r *web.Request) error {
	c, err := s.creation(r, askedOf)
	if err != nil {
		return err
	}
	return s.change(r, c)
}

// creation is the gateway that the request wants made, as read reads it.
func (s *Service) creation(r *web.Request, read func(*web.Request, tenant.Domain) (asked, error)) (c changing, err error) {
	t, err := r.OneTenant()
	if err != nil {
		return c, err
	}
	c = changing{verb: "create", action: "gateway.create"}
	if c.asked, err = read(r, t); err != nil {
		return c, err
	}
	if c.params.Conditions, err = conditionsOf(r); err != nil {
		return c, err
	}
	if len(c.params.IfMatch) > 0 {
		return c, fault.Invalid("If-Match", "means nothing of a gateway that is to be made; PUT or PATCH changes one that there is")
	}
	c.params.Only = gateway.OnlyNew
	c.resolved = c.asked
	if c.resolved.params, err = gateway.Resolve(r.Context(), s.pbx, c.params); err != nil {
		return c, err
	}
	if c.params.Name == "" {
		return c, fault.Missing(r.Params.Absent("gateway_name", "gateway_domain", "gateway_username", "gateway_password")...)
	}
	return c, nil
}

// put has a gateway be as the request says and no other; by an external_id it makes one too. The password is kept if
// none is given, and so is what the caller may not set.
func (s *Service) put(r *web.Request) error {
	return s.edit(r, "put", func(r *web.Request, g *asked) {
		for _, column := range fusionpbx.GatewayColumns {
			switch {
			case column == "gateway" || column == "password": // the page has no default of them
			case column == "hostname" && !r.Caller.Domains.All:
			default:
				g.params.Reset = append(g.params.Reset, column)
			}
		}
	})
}

// patch changes of a gateway what the request names.
func (s *Service) patch(r *web.Request) error {
	return s.edit(r, "patch", func(*web.Request, *asked) {})
}

func (s *Service) edit(r *web.Request, verb string, whole func(*web.Request, *asked)) error {
	c, err := s.edition(r, verb, askedOf, whole)
	if err != nil {
		return err
	}
	return s.change(r, c)
}

// edition is the change that the request wants of the gateway of the path, as read reads it.
func (s *Service) edition(r *web.Request, verb string, read func(*web.Request, tenant.Domain) (asked, error), whole func(*web.Request, *asked)) (c changing, err error) {
	t, err := s.ofPath(r)
	if err != nil {
		return c, err
	}
	makes := verb == "put" && t.ExternalID != ""
	if t.resolved.GatewayUUID == "" && makes {
		// Where it is to be made has to be clear.
		domain, err := r.OneTenant()
		if err != nil {
			return c, err
		}
		t.DomainUUID, t.DomainName = domain.UUID, domain.Name
		t.resolved = t.Request
	} else if t.absent {
		return c, t.noGateway()
	}
	if err := stays(r, t.tenant()); err != nil {
		return c, err
	}
	c = changing{verb: verb, named: t.asked, action: "gateway." + verb}
	if c.asked, err = read(r, t.tenant()); err != nil {
		return c, err
	}
	whole(r, &c.asked)
	if c.params.Conditions, err = conditionsOf(r); err != nil {
		return c, err
	}
	if c.params.IfNoneMatch && !makes {
		return c, fault.Invalid("If-None-Match", "means nothing of a gateway that there is; send If-Match")
	}
	if !makes {
		c.params.Only = gateway.OnlyExisting
	}
	c.params.ExternalID, c.params.GatewayUUID = t.ExternalID, t.GatewayUUID
	if t.GatewayUUID != "" { // else Resolve finds whether the name is another one
		if name := c.params.Name; name != "" && name != t.Name {
			c.params.Values["gateway"] = name
		}
		c.params.Name = t.Name
	}
	c.resolved = c.asked
	if c.resolved.params, err = gateway.Resolve(r.Context(), s.pbx, c.params); err != nil {
		return c, err
	}
	if c.resolved.params.Name == "" {
		return c, fault.Missing(r.Params.Absent("gateway_name", "gateway_domain", "gateway_username", "gateway_password")...)
	}
	if !c.params.Asks(c.password) {
		return c, fault.Errorf(fault.MissingParameters, "nothing is named that is to be changed; name a column of the gateway, such as description")
	}
	return c, nil
}

// stays refuses a request that names another domain than the gateway's.
func stays(r *web.Request, of tenant.Domain) error {
	t, named, err := r.Tenant()
	if err != nil || !named || t.UUID == of.UUID {
		return err
	}
	return fault.Errorf(fault.Conflict, "tenant_domain: the gateway belongs to %s and is not moved, since routes and registrations name it there; make one in the other domain, and delete this one",
		orGlobal(of.Name))
}

func orGlobal(name string) string {
	if name == "" {
		return tenant.Global
	}
	return name
}

// editParams are the columns, and what else an edit takes; external_id is in the path, or its own endpoint's.
func editParams() []web.Param {
	own := slices.DeleteFunc(provisionParams(), func(p web.Param) bool {
		return p.Name == "external_id" || p.Name == "whitelisted" || p.Name == "tenant_domain" || p.Name == "domain_uuid" || p.Name == "gateway_name"
	})
	return slices.Concat([]web.Param{{Name: "gateway_name", About: "Its label from now on; left out, it stays."}}, own, conditionParams)
}

// createParams are those of a new gateway.
func createParams() []web.Param {
	own := slices.DeleteFunc(provisionParams(), func(p web.Param) bool { return p.Name == "whitelisted" || p.Name == "gateway_name" })
	return slices.Concat([]web.Param{{Name: "gateway_name", About: "The label, unique within its domain.", Required: true}}, own, conditionParams[1:])
}

// switchParams are those of what needs no column.
func switchParams() []web.Param {
	own := slices.DeleteFunc(slices.Clone(jobs.Params), func(p web.Param) bool { return p.Name == "external_id" })
	return slices.Concat(own, conditionParams[:1])
}
