package api

import (
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/token"
	"trunkline/tasks"
)

// caller is who sent a request, once the credentials were right, and what they may do.
type caller struct {
	id      string        // the uuid of the FusionPBX user or of the token
	name    string        // for people: user@domain, or token:NAME
	all     bool          // sees every domain, and the global gateways
	domains []tenant      // where not all: those it sees
	home    tenant        // the domain that a request which names none is about; zero: it has to name one
	scopes  []token.Scope // what it may do
	token   bool          // a token of ours, and no FusionPBX user
}

// callerOfUser is a FusionPBX superadmin or admin: within its domains it may do everything.
func callerOfUser(u fusionpbx.User) caller {
	own := tenant{uuid: u.DomainUUID, name: u.DomainName}
	return caller{
		id: u.UUID, name: u.Name + "@" + u.DomainName,
		all: u.Role == fusionpbx.RoleSuperadmin, domains: []tenant{own}, home: own,
		scopes: token.Scopes,
	}
}

// tokenCaller names a token where callers are named.
func tokenCaller(t token.Token) string { return "token:" + t.Name }

// callerOfToken is a token that serves. Of the domains, which are those that FusionPBX has of the
// token's, it keeps what is enabled; a token that has none left may do nothing.
func callerOfToken(t token.Token, domains []fusionpbx.Domain) (caller, error) {
	c := caller{id: t.ID, name: tokenCaller(t), all: t.AllDomains, scopes: t.Scopes, token: true}
	for _, d := range domains {
		if !d.Enabled {
			continue
		}
		own := tenant{uuid: d.UUID, name: d.Name}
		if slices.Contains(t.DomainUUIDs, d.UUID) {
			c.domains = append(c.domains, own)
		}
		if d.UUID == t.HomeDomainUUID {
			c.home = own
		}
	}
	if c.all {
		return c, nil
	}
	if len(c.domains) == 0 {
		return caller{name: c.name}, fault.Errorf(fault.Forbidden, "the domains of this token were all deleted or disabled in FusionPBX; enable one, or make a new token")
	}
	slices.SortFunc(c.domains, func(a, b tenant) int { return strings.Compare(a.name, b.name) })
	if len(c.domains) == 1 {
		c.home = c.domains[0]
	}
	return c, nil
}

// reach is which tokens the caller may see and change.
func (c caller) reach() token.Reach {
	return token.Reach{All: c.all, DomainUUIDs: c.jobs().DomainUUIDs, Scopes: c.scopes}
}

// signedIn reports whether the request's credentials were right.
func (c caller) signedIn() bool { return c.id != "" }

// may reports whether the caller has one of the scopes.
func (c caller) may(scopes ...token.Scope) bool {
	return slices.ContainsFunc(scopes, func(s token.Scope) bool { return slices.Contains(c.scopes, s) })
}

// jobs is whose jobs the caller may see.
func (c caller) jobs() tasks.Reach {
	if c.all {
		return tasks.Reach{All: true}
	}
	own := tasks.Reach{}
	for _, t := range c.domains {
		own.DomainUUIDs = append(own.DomainUUIDs, t.uuid)
	}
	return own
}

// names are the caller's domains, for messages.
func (c caller) names() string {
	names := make([]string, len(c.domains))
	for i, t := range c.domains {
		names[i] = t.name
	}
	return strings.Join(names, ", ")
}
