package admin

import (
	"time"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// newToken is the token that the parameters describe. It can do no more than the caller. If no domain
// is named, and the caller is not of all, it is for the caller's home or else all of its own.
func (s *Service) newToken(r *web.Request) (token.New, error) {
	n := token.New{Name: r.Params.Get("name"), CreatedBy: r.Caller.Name, By: r.Caller.Creator}
	absent := r.Params.Absent("name", "scopes")
	domains := params.Split(r.Params.Get("domains"))
	all, err := r.Params.Flag("all_domains")
	if err != nil {
		return n, err
	}
	if r.Caller.Domains.All && len(domains) == 0 && !all {
		absent = append(absent, "domains (or all_domains=true)")
	}
	if len(absent) > 0 {
		return n, fault.Missing(absent...)
	}
	if n.Scopes, err = token.ParseScopes(r.Params.Get("scopes")); err != nil {
		return n, err
	}
	for _, scope := range n.Scopes {
		if !r.Caller.May(scope) {
			return n, fault.Errorf(fault.Forbidden, "scopes: these credentials lack the scope %s and cannot give it", scope)
		}
	}
	if all && !r.Caller.Domains.All {
		return n, fault.Errorf(fault.Forbidden, "all_domains: these credentials are for %s alone", r.Caller.Domains.Names())
	}
	n.AllDomains = all
	if err := s.tokenDomains(r, &n, domains); err != nil {
		return n, err
	}
	n.ExpiresAt, err = expiry(r)
	return n, err
}

// tokenDomains fills in the domains that are named, and the home.
func (s *Service) tokenDomains(r *web.Request, n *token.New, names []string) error {
	for _, name := range names {
		uuid, err := s.tokenDomain(r, "domains", name)
		if err != nil {
			return err
		}
		n.DomainUUIDs = append(n.DomainUUIDs, uuid)
	}
	if len(names) == 0 && !r.Caller.Domains.All {
		n.DomainUUIDs = r.Caller.Domains.UUIDs()
		if home := r.Caller.Home.UUID; home != "" {
			n.DomainUUIDs = []string{home}
		}
	}
	home := r.Params.Get("home_domain")
	if home == "" {
		return nil
	}
	var err error
	n.HomeDomainUUID, err = s.tokenDomain(r, "home_domain", home)
	return err
}

// tokenDomain is the domain of that name, if the caller may give it to a token.
func (s *Service) tokenDomain(r *web.Request, parameter, name string) (uuid string, err error) {
	domain, err := r.Caller.Domain(r.Context(), s.db, parameter, name)
	if err == nil && !domain.Enabled {
		err = fault.Invalid(parameter, "domain %q is disabled in FusionPBX; enable it first", domain.Name)
	}
	return domain.UUID, err
}

// expiry is when the token is to expire: expires_in or expires_at, nil if neither is given.
func expiry(r *web.Request) (*time.Time, error) {
	in, at := r.Params.Get("expires_in"), r.Params.Get("expires_at")
	switch {
	case in == "" && at == "":
		return nil, nil
	case in != "" && at != "":
		return nil, fault.Invalid("expires_in", "expires_at is there too; send one of them")
	case in != "":
		length, err := token.ParseLifetime("expires_in", in)
		return new(time.Now().Add(length)), err
	}
	expires, err := token.ParseExpiry("expires_at", at, time.Now())
	return &expires, err
}
