package web

import (
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

// Tenant is the domain that the request names, else (named is false) the caller's home.
func (r *Request) Tenant() (d tenant.Domain, named bool, err error) {
	return r.Caller.Tenant(r.Context(), r.front.DB, r.Params.Get("tenant_domain"), r.Params.Get("domain_uuid"))
}

// OneTenant is Tenant for what cannot be about several domains: a caller without a home has to name one.
func (r *Request) OneTenant() (tenant.Domain, error) {
	d, named, err := r.Tenant()
	switch {
	case err != nil || named || d.UUID != "":
		return d, err
	case r.Caller.Domains.All:
		return d, fault.Missing("tenant_domain; this token has no domain of its own")
	}
	return d, fault.Missing("tenant_domain; this token has several: " + r.Caller.Domains.Names())
}

// DomainsOrGlobal are the domain that the request names, which may be that of the global gateways, else all that the
// caller sees.
func (r *Request) DomainsOrGlobal() (tenant.Domains, error) {
	d, named, err := r.Tenant()
	switch {
	case err != nil:
		return tenant.Domains{}, err
	case named:
		return tenant.Only(d), nil
	}
	return r.Caller.Domains, nil
}

// Domains are the domain that the request names, else all that the caller sees.
func (r *Request) Domains() (tenant.Domains, error) {
	domains, err := r.DomainsOrGlobal()
	if err == nil && !domains.All && domains.HoldUUID("") {
		return tenant.Domains{}, fault.Invalid("tenant_domain", "%s is for gateways; name a domain, or leave tenant_domain out for all", tenant.Global)
	}
	return domains, err
}
