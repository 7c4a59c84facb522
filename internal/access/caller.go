package access

import (
	"cmp"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
)

// Caller is who sent a request, once the credentials were right, and what they may do. The zero value is
// nobody, who may do nothing.
type Caller struct {
	ID      string         // the uuid of the FusionPBX user or of the token
	Name    string         // for people: user@domain, or token:NAME
	Domains tenant.Domains // those that it sees; all of them: also the global gateways
	Home    tenant.Domain  // the domain that a request which names none is about; zero: it has to name one
	Scopes  []token.Scope  // what it may do
	IsToken bool           // a token of ours, and no FusionPBX user
	Creator token.Creator  // as what it makes tokens
}

// callerOfUser is a FusionPBX superadmin or admin: within its domains it may do everything.
func callerOfUser(u fusionpbx.User) Caller {
	own := tenant.Domain{UUID: u.DomainUUID, Name: u.DomainName}
	c := Caller{ID: u.UUID, Name: u.Name + "@" + u.DomainName, Domains: tenant.Only(own), Home: own, Scopes: token.Scopes}
	if u.Role == fusionpbx.RoleSuperadmin {
		c.Domains = tenant.All
	}
	return c
}

// tokenCaller is what a caller with that token is called.
func tokenCaller(t token.Token) string { return "token:" + t.Name }

// callerOfToken is a token that serves. Of the domains, which are those of the token that FusionPBX has,
// it keeps the enabled ones; a token that has none left may do nothing.
func callerOfToken(t token.Token, domains []fusionpbx.Domain) (Caller, error) {
	c := Caller{ID: t.ID, Name: tokenCaller(t), Scopes: t.Scopes, IsToken: true, Creator: token.Creator{TokenID: t.ID, Owner: t.Owner, Ends: t.SecretEnds}}
	for _, d := range domains {
		if !d.Enabled {
			continue
		}
		own := tenant.Domain{UUID: d.UUID, Name: d.Name}
		if slices.Contains(t.DomainUUIDs, d.UUID) {
			c.Domains.List = append(c.Domains.List, own)
		}
		if d.UUID == t.HomeDomainUUID {
			c.Home = own
		}
	}
	if t.AllDomains {
		c.Domains = tenant.All
		return c, nil
	}
	own := c.Domains.List
	if len(own) == 0 {
		return Caller{Name: c.Name}, fault.Errorf(fault.Forbidden, "the domains of this token were all deleted or disabled in FusionPBX; enable one, or make a new token")
	}
	slices.SortFunc(own, func(a, b tenant.Domain) int { return strings.Compare(a.Name, b.Name) })
	if len(own) == 1 {
		c.Home = own[0]
	}
	return c, nil
}

// SignedIn reports whether the request's credentials were right.
func (c Caller) SignedIn() bool { return c.ID != "" }

// Owner is whose the credentials are, a user's name or the command line's: also of what their tokens have made.
func (c Caller) Owner() string { return cmp.Or(c.Creator.Owner, c.Name) }

// May reports whether the caller has one of the scopes.
func (c Caller) May(scopes ...token.Scope) bool {
	return slices.ContainsFunc(scopes, func(s token.Scope) bool { return slices.Contains(c.Scopes, s) })
}

// Tokens are the tokens that the caller may see and change.
func (c Caller) Tokens() token.Bounds {
	return token.Bounds{Domains: c.Domains, Scopes: c.Scopes, By: c.Creator}
}
