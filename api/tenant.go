package api

import "trunkline/internal/tenant"

// tenant is the domain that the request names, else (named is false) the caller's home.
func (r *request) tenant() (d tenant.Domain, named bool, err error) {
	name, uuid := r.tenantNamed()
	return r.caller.Tenant(r.context(), r.s.db, name, uuid)
}

// oneTenant is tenant for what cannot be about several domains.
func (r *request) oneTenant() (tenant.Domain, error) {
	name, uuid := r.tenantNamed()
	return r.caller.OneTenant(r.context(), r.s.db, name, uuid)
}

// domains are the domain that the request names, else all that the caller sees.
func (r *request) domains() (tenant.Domains, error) {
	name, uuid := r.tenantNamed()
	return r.caller.Asked(r.context(), r.s.db, name, uuid)
}

func (r *request) tenantNamed() (name, uuid string) {
	return r.params.get("tenant_domain"), r.params.get("domain_uuid")
}
