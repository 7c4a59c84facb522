package api

import (
	"errors"
	"strings"

	"github.com/google/uuid"

	"trunkline/internal/fusionpbx"
	"trunkline/tasks"
)

// tenant is the domain that a request is about. The zero value is none: the global gateways.
type tenant struct{ uuid, name string }

// tenant is the domain that the request names, as tenant_domain or as domain_uuid; named is false where
// it names none. An admin may name its own alone, and cannot find out which others there are.
func (r *request) tenant() (t tenant, named bool, err error) {
	name, id := r.params.get("tenant_domain"), strings.ToLower(r.params.get("domain_uuid"))
	own := tenant{uuid: r.user.DomainUUID, name: r.user.DomainName}
	if r.user.Role != fusionpbx.RoleSuperadmin {
		if name != "" && !strings.EqualFold(name, own.name) {
			return tenant{}, false, failf(codeForbidden, "tenant_domain: an admin may name its own domain alone, %s", own.name)
		}
		if id != "" && id != own.uuid {
			return tenant{}, false, failf(codeForbidden, "domain_uuid: an admin may name its own domain alone, %s", own.name)
		}
		return own, name != "" || id != "", nil
	}
	switch {
	case name == "" && id == "":
		return own, false, nil
	case name == "":
		t, err = r.tenantByUUID(id)
	case strings.EqualFold(name, tasks.GlobalDomain):
	default:
		t, err = r.tenantByName(name)
	}
	if err == nil && name != "" && id != "" && t.uuid != id {
		err = invalidf("domain_uuid", "is not that of tenant_domain; send one of them")
	}
	return t, true, err
}

func (r *request) tenantByName(name string) (tenant, error) {
	domain, err := r.s.db.DomainByName(r.c.Request.Context(), r.s.o.Pool, name)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return tenant{}, failf(codeNotFound, "tenant_domain: there is no domain %q in FusionPBX", shortened(name))
	}
	return tenant{uuid: domain.UUID, name: domain.Name}, err
}

func (r *request) tenantByUUID(id string) (tenant, error) {
	if !isUUID(id) {
		return tenant{}, invalidf("domain_uuid", "is not a UUID")
	}
	domain, err := r.s.db.DomainByUUID(r.c.Request.Context(), r.s.o.Pool, id)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return tenant{}, failf(codeNotFound, "domain_uuid: there is no such domain in FusionPBX")
	}
	return tenant{uuid: domain.UUID, name: domain.Name}, err
}

// isUUID reports whether the text is a UUID as Postgres prints one, in either case: not in the braces
// and with the prefix that other readers take too.
func isUUID(text string) bool { return len(text) == uuidLength && uuid.Validate(text) == nil }

const uuidLength = len("00000000-0000-0000-0000-000000000000")
