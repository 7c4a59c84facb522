// Package token keeps the API tokens: what each may do, for which domains, and until when. Of a token's
// secret it keeps the SHA-256 alone. It knows Postgres, and nothing of HTTP.
package token

import "slices"

// Scope is one thing that a token lets its bearer do.
type Scope string

// The scopes.
const (
	ScopeRead      Scope = "read"      // status, registrations, lists, jobs, usage
	ScopeProvision Scope = "provision" // make and change gateways
	ScopeExport    Scope = "export"    // export CDRs and download the files
	ScopeAdmin     Scope = "admin"     // tokens; with all domains also the whitelist and the audit
)

// Scopes are all of them, in the order in which they are shown.
var Scopes = []Scope{ScopeRead, ScopeProvision, ScopeExport, ScopeAdmin}

// Known reports whether there is such a scope.
func (s Scope) Known() bool { return slices.Contains(Scopes, s) }
