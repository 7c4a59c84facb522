package api

import (
	"slices"
	"strings"

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

// signedIn reports whether the request's credentials were right.
func (c caller) signedIn() bool { return c.id != "" }

// may reports whether the caller has one of the scopes.
func (c caller) may(scopes ...token.Scope) bool {
	return slices.ContainsFunc(scopes, func(s token.Scope) bool { return slices.Contains(c.scopes, s) })
}

// jobs is whose jobs the caller may see.
func (c caller) jobs() tasks.Scope {
	if c.all {
		return tasks.Scope{All: true}
	}
	scope := tasks.Scope{}
	for _, t := range c.domains {
		scope.DomainUUIDs = append(scope.DomainUUIDs, t.uuid)
	}
	return scope
}

// names are the caller's domains, for messages.
func (c caller) names() string {
	names := make([]string, len(c.domains))
	for i, t := range c.domains {
		names[i] = t.name
	}
	return strings.Join(names, ", ")
}
