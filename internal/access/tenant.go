package access

import (
	"context"
	"errors"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// Domains are FusionPBX's: its database, or some that were read of it. No such domain is fusionpbx.ErrNotFound.
type Domains interface {
	DomainByName(ctx context.Context, name string) (fusionpbx.Domain, error)
	DomainByUUID(ctx context.Context, uuid string) (fusionpbx.Domain, error)
}

// Tenant is the domain that a request names, by the values of its parameters tenant_domain and
// domain_uuid, of which either or both may be empty. If it names none (named is false), it is the
// caller's home. A caller of some domains may name those alone, and cannot find out which others there
// are. Refusals are *fault.Error and name the parameter.
func (c Caller) Tenant(ctx context.Context, db Domains, name, uuid string) (d tenant.Domain, named bool, err error) {
	uuid = strings.ToLower(uuid)
	switch {
	case name == "" && uuid == "":
		return c.Home, false, nil
	case name == "":
		d, err = c.byUUID(ctx, db, uuid)
	case c.Domains.All && strings.EqualFold(name, tenant.Global):
	default:
		var found fusionpbx.Domain
		found, err = c.Domain(ctx, db, "tenant_domain", name)
		d = tenant.Domain{UUID: found.UUID, Name: found.Name}
	}
	if err == nil && name != "" && uuid != "" && d.UUID != uuid {
		err = fault.Invalid("domain_uuid", "is not that of tenant_domain; send one of them")
	}
	return d, true, err
}

// Domain is the domain of that name, if the caller may see it; the parameter is the one that named it.
func (c Caller) Domain(ctx context.Context, db Domains, parameter, name string) (fusionpbx.Domain, error) {
	if !c.Domains.All {
		own, found := c.Domains.Find(name)
		if !found {
			return fusionpbx.Domain{}, c.foreign(parameter)
		}
		return fusionpbx.Domain{UUID: own.UUID, Name: own.Name, Enabled: true}, nil
	}
	d, err := db.DomainByName(ctx, name)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return d, fault.Errorf(fault.NotFound, "%s: there is no domain %.200q in FusionPBX", parameter, name)
	}
	return d, err
}

func (c Caller) byUUID(ctx context.Context, db Domains, uuid string) (tenant.Domain, error) {
	if !c.Domains.All {
		own, found := c.Domains.FindUUID(uuid)
		if !found {
			return own, c.foreign("domain_uuid")
		}
		return own, nil
	}
	if !postgres.IsUUID(uuid) {
		return tenant.Domain{}, fault.Invalid("domain_uuid", "is not a UUID")
	}
	d, err := db.DomainByUUID(ctx, uuid)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return tenant.Domain{}, fault.Errorf(fault.NotFound, "domain_uuid: there is no such domain in FusionPBX")
	}
	return tenant.Domain{UUID: d.UUID, Name: d.Name}, err
}

// foreign refuses a domain that is not the caller's, whether or not there is such a one.
func (c Caller) foreign(parameter string) error {
	return fault.Errorf(fault.Forbidden, "%s: these credentials are for %s alone", parameter, c.Domains.Names())
}
