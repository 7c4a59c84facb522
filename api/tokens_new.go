package api

import (
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// newToken is the token that the parameters describe. It can do no more than the caller, and where no
// domain is named, and the caller is not of all, it is for the caller's home or else all of its own.
func (r *request) newToken() (token.New, error) {
	n := token.New{Name: r.params.get("name"), CreatedBy: r.caller.Name}
	var absent []string
	for _, name := range []string{"name", "scopes"} {
		if r.params.get(name) == "" {
			absent = append(absent, name)
		}
	}
	domains := commaSeparated(r.params.get("domains"))
	all, err := r.flag("all_domains")
	if err != nil {
		return n, err
	}
	if r.caller.Domains.All && len(domains) == 0 && !all {
		absent = append(absent, "domains (or all_domains=true)")
	}
	if len(absent) > 0 {
		return n, fault.Missing(absent...)
	}
	if n.Scopes, err = token.ParseScopes(r.params.get("scopes")); err != nil {
		return n, tokenFailure(err)
	}
	for _, scope := range n.Scopes {
		if !r.caller.May(scope) {
			return n, fault.Errorf(fault.Forbidden, "scopes: these credentials lack the scope %s and cannot give it", scope)
		}
	}
	if all && !r.caller.Domains.All {
		return n, fault.Errorf(fault.Forbidden, "all_domains: these credentials are for %s alone", r.caller.Domains.Names())
	}
	n.AllDomains = all
	if err := r.tokenDomains(&n, domains); err != nil {
		return n, err
	}
	n.ExpiresAt, err = r.expiry()
	return n, err
}

// tokenDomains fills in the domains that are named, and the home.
func (r *request) tokenDomains(n *token.New, names []string) error {
	for _, name := range names {
		uuid, err := r.tokenDomain("domains", name)
		if err != nil {
			return err
		}
		n.DomainUUIDs = append(n.DomainUUIDs, uuid)
	}
	if len(names) == 0 && !r.caller.Domains.All {
		n.DomainUUIDs = r.caller.Domains.UUIDs()
		if home := r.caller.Home.UUID; home != "" {
			n.DomainUUIDs = []string{home}
		}
	}
	home := r.params.get("home_domain")
	if home == "" {
		return nil
	}
	var err error
	n.HomeDomainUUID, err = r.tokenDomain("home_domain", home)
	return err
}

// tokenDomain is the domain of that name, if the caller may give it to a token.
func (r *request) tokenDomain(parameter, name string) (uuid string, err error) {
	domain, err := r.caller.Domain(r.context(), r.s.db, parameter, name)
	if err == nil && !domain.Enabled {
		err = fault.Invalid(parameter, "domain %q is disabled in FusionPBX; enable it first", domain.Name)
	}
	return domain.UUID, err
}

// expiry is when the token is to expire: expires_in or expires_at, nil where neither is given.
func (r *request) expiry() (*time.Time, error) {
	in, at := r.params.get("expires_in"), r.params.get("expires_at")
	now := time.Now()
	var expires time.Time
	switch {
	case in == "" && at == "":
		return nil, nil
	case in != "" && at != "":
		return nil, fault.Invalid("expires_in", "expires_at is there too; send one of them")
	case in != "":
		length, err := token.ParseLifetime("expires_in", in)
		if err != nil {
			return nil, tokenFailure(err)
		}
		expires = now.Add(length)
	default:
		var err error
		if expires, err = token.ParseExpiry("expires_at", at, now); err != nil {
			return nil, tokenFailure(err)
		}
	}
	return &expires, nil
}
