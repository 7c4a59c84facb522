package api

import (
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/tasks"
)

// tenant is the domain that a request is about. The zero value is none: the global gateways.
type tenant struct{ uuid, name string }

// tenant is the domain that the request names, as tenant_domain or as domain_uuid; where it names none
// (named is false), the caller's home. A caller of some domains may name those alone, and cannot find
// out which others there are.
func (r *request) tenant() (t tenant, named bool, err error) {
	name, id := r.params.get("tenant_domain"), strings.ToLower(r.params.get("domain_uuid"))
	switch {
	case name == "" && id == "":
		return r.caller.home, false, nil
	case !r.caller.all:
		t, err = r.ownTenant(name, id)
	case name == "":
		t, err = r.tenantByUUID(id)
	case strings.EqualFold(name, tasks.GlobalDomain):
	default:
		t, err = r.tenantByName(name)
	}
	if err == nil && name != "" && id != "" && t.uuid != id {
		err = fault.Invalid("domain_uuid", "is not that of tenant_domain; send one of them")
	}
	return t, true, err
}

// oneTenant is the domain that the request is about, for what cannot be about all of them.
func (r *request) oneTenant() (tenant, error) {
	t, named, err := r.tenant()
	if err != nil || named || t.uuid != "" {
		return t, err
	}
	if r.caller.all {
		return tenant{}, fault.Errorf(fault.MissingParameters, "tenant_domain; this token has no domain of its own")
	}
	return tenant{}, fault.Errorf(fault.MissingParameters, "tenant_domain; this token has several: %s", r.caller.names())
}

// ownTenant is the one among the caller's domains that has the name, or else the uuid.
func (r *request) ownTenant(name, id string) (tenant, error) {
	parameter := "tenant_domain"
	if name == "" {
		parameter = "domain_uuid"
	}
	i := slices.IndexFunc(r.caller.domains, func(t tenant) bool {
		return name != "" && strings.EqualFold(t.name, name) || name == "" && t.uuid == id
	})
	if i < 0 {
		return tenant{}, fault.Errorf(fault.Forbidden, "%s: these credentials are for %s alone", parameter, r.caller.names())
	}
	return r.caller.domains[i], nil
}

func (r *request) tenantByName(name string) (tenant, error) {
	domain, err := r.s.db.DomainByName(r.context(), name)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return tenant{}, fault.Errorf(fault.NotFound, "tenant_domain: there is no domain %q in FusionPBX", shortened(name))
	}
	return tenant{uuid: domain.UUID, name: domain.Name}, err
}

func (r *request) tenantByUUID(id string) (tenant, error) {
	if !isUUID(id) {
		return tenant{}, fault.Invalid("domain_uuid", "is not a UUID")
	}
	domain, err := r.s.db.DomainByUUID(r.context(), id)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return tenant{}, fault.Errorf(fault.NotFound, "domain_uuid: there is no such domain in FusionPBX")
	}
	return tenant{uuid: domain.UUID, name: domain.Name}, err
}

// isUUID reports whether the text is a UUID as Postgres prints one, in either case: not in the braces
// and with the prefix that other readers take too.
func isUUID(text string) bool { return len(text) == uuidLength && uuid.Validate(text) == nil }

const uuidLength = len("00000000-0000-0000-0000-000000000000")
