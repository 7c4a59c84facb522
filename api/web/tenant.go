package web

import "trunkline/internal/tenant"

// Tenant is the domain that the request names, else (named is false) the caller's home.
func (r *Request) Tenant() (d tenant.Domain, named bool, err error) {
	name, uuid := r.tenantNamed()
	return r.Caller.Tenant(r.Context(), r.front.DB, name, uuid)
}

// OneTenant is Tenant for what cannot be about several domains.
func (r *Request) OneTenant() (tenant.Domain, error) {
	name, uuid := r.tenantNamed()
	return r.Caller.OneTenant(r.Context(), r.front.DB, name, uuid)
}

// Domains are the domain that the request names, else all that the caller sees.
func (r *Request) Domains() (tenant.Domains, error) {
	name, uuid := r.tenantNamed()
	return r.Caller.Asked(r.Context(), r.front.DB, name, uuid)
}

func (r *Request) tenantNamed() (name, uuid string) {
	return r.Params.Get("tenant_domain"), r.Params.Get("domain_uuid")
}
