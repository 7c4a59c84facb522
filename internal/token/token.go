// Package token keeps the API tokens: what each may do, for which domains, and until when. Of a token's
// secret it keeps the SHA-256 alone. It knows Postgres, and nothing of HTTP.
package token

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

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

// ParseScopes reads names of scopes that are separated by commas, in any order and case, and returns
// them in the order of Scopes, each once. The error is an *InvalidError about field "scopes".
func ParseScopes(text string) ([]Scope, error) {
	var named []Scope
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.ToLower(strings.TrimSpace(item)); item != "" {
			named = append(named, Scope(item))
		}
	}
	return orderedScopes(named)
}

func orderedScopes(named []Scope) ([]Scope, error) {
	for _, s := range named {
		if !s.Known() {
			return nil, invalidf("scopes", "%q is not a scope; the scopes are %s", fault.Clip(string(s)), JoinScopes(Scopes))
		}
	}
	ordered := slices.DeleteFunc(slices.Clone(Scopes), func(s Scope) bool { return !slices.Contains(named, s) })
	if len(ordered) == 0 {
		return nil, invalidf("scopes", "no scope is named; name one or more of %s", JoinScopes(Scopes))
	}
	return ordered, nil
}

// JoinScopes writes scopes as ParseScopes reads them.
func JoinScopes(scopes []Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ",")
}

// Token is a token's row, without its secret, which nobody has.
type Token struct {
	ID   string `json:"id" format:"uuid"` // a later token has a greater one (version 7)
	Name string `json:"name"`
	Hint string `json:"hint"` // the last characters of the secret

	Scopes         []Scope  `json:"scopes"`
	AllDomains     bool     `json:"all_domains"`
	DomainUUIDs    []string `json:"-"` // one or more, unless AllDomains
	HomeDomainUUID string   `json:"-"` // the domain of a request that names none; "": it has to name one

	CreatedBy         string     `json:"created_by"`                     // for people: user@domain, token:NAME or cli:USER
	Owner             string     `json:"-"`                              // whose it is: a user, also of what the user's tokens make
	Parent            string     `json:"parent,omitempty" format:"uuid"` // the token that made it or has rotated it; absent: none did
	CreatedAt         time.Time  `json:"created_at"`
	ExpiresAt         *time.Time `json:"expires_at,omitempty"` // absent if it never does
	RotatedAt         *time.Time `json:"rotated_at,omitempty"`
	PreviousExpiresAt *time.Time `json:"previous_expires_at,omitempty"` // until when the secret before the last rotation is valid
	RevokedAt         *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt        *time.Time `json:"last_used_at,omitempty"` // to the minute
	LastUsedAddress   string     `json:"last_used_address,omitempty"`

	// SecretEnds is when the secret that Find was given ends, nil if it does not; of no meaning otherwise.
	SecretEnds *time.Time `json:"-" db:"-"`
}

// State is whether a token can be used.
type State string

// The states of a token.
const (
	StateActive  State = "active"
	StateExpired State = "expired"
	StateRevoked State = "revoked"
)

// State is the token's state at that time.
func (t Token) State(now time.Time) State {
	switch {
	case t.RevokedAt != nil:
		return StateRevoked
	case t.ExpiresAt != nil && !t.ExpiresAt.After(now):
		return StateExpired
	}
	return StateActive
}

// New is what a token is to be.
type New struct {
	Name           string // 1 to 64 printable characters, which no other token of its owner has that is not revoked
	Scopes         []Scope
	AllDomains     bool
	DomainUUIDs    []string
	HomeDomainUUID string // one of DomainUUIDs or, with AllDomains, any; "": none
	ExpiresAt      *time.Time
	CreatedBy      string  // for people
	By             Creator // for a token to end with the one that makes it
}

// Bounds say which tokens somebody may see and change: those that can do no more than they can.
type Bounds struct {
	Domains tenant.Domains // all of them: also the tokens for all domains
	Scopes  []Scope
	By      Creator // who rotates
}

// Unbounded is all tokens.
var Unbounded = Bounds{Domains: tenant.All, Scopes: Scopes}

// What the store can answer besides a token; each is a *fault.Error.
var (
	// ErrNotFound: there is no such token within the bounds.
	ErrNotFound error = fault.Errorf(fault.NotFound, "there is no such token")
	// ErrNameTaken: another token of the owner that is not revoked has the name, in whatever case.
	ErrNameTaken error = fault.Errorf(fault.Conflict, "name: another token has it, of the same owner; choose another name, or rotate or revoke that token")
	// ErrSeveral: several owners have a token of the name.
	ErrSeveral error = fault.Errorf(fault.Conflict, "several owners have a token of that name; go by its id")
	ErrUnknown error = fault.Errorf(fault.AuthenticationFailed, "this token is not known; check that it was copied whole, or make a new one")
	ErrExpired error = fault.Errorf(fault.AuthenticationFailed, "this token has expired; rotate it with a new expiry, or make a new one")
	ErrRotated error = fault.Errorf(fault.AuthenticationFailed, "this token was rotated and its old secret has expired; use the new secret")
	ErrRevoked error = fault.Errorf(fault.AuthenticationFailed, "this token was revoked; make a new one")
)

// InvalidError is a value that cannot be used. It is the cause of a fault.InvalidRequest that says so.
type InvalidError struct {
	Field   string // as the API's parameters and the table's columns are called
	Problem string // what is wrong with it and what to do
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

func invalidf(field, format string, args ...any) error {
	invalid := &InvalidError{field, fmt.Sprintf(format, args...)}
	return &fault.Error{Code: fault.InvalidRequest, Message: invalid.Error(), Cause: invalid}
}

// MaxName is the length of the longest name, in characters.
const MaxName = 64

// checked returns n as it is stored, or an *InvalidError.
func (n New) checked(now time.Time) (New, error) {
	n.Name = strings.TrimSpace(n.Name)
	if err := checkName(n.Name); err != nil {
		return n, err
	}
	var err error
	if n.Scopes, err = orderedScopes(n.Scopes); err != nil {
		return n, err
	}
	for i, id := range n.DomainUUIDs {
		if slices.Contains(n.DomainUUIDs[:i], id) {
			return n, invalidf("domains", "one is named twice; name it once")
		}
	}
	switch {
	case n.AllDomains && len(n.DomainUUIDs) > 0:
		return n, invalidf("all_domains", "domains are named beside it; give one of the two")
	case !n.AllDomains && len(n.DomainUUIDs) == 0:
		return n, invalidf("domains", "no domain is named; name one or more, or ask for all domains")
	case len(n.DomainUUIDs) > maxDomains:
		return n, invalidf("domains", "there are more than %d; ask for all domains, or make several tokens", maxDomains)
	case n.HomeDomainUUID != "" && !n.AllDomains && !slices.Contains(n.DomainUUIDs, n.HomeDomainUUID):
		return n, invalidf("home_domain", "is not one of the token's domains; name one of them")
	}
	return n, checkExpiry(n.ExpiresAt, now)
}

// maxDomains bounds the domains of one token, which are looked up when it is used.
const maxDomains = 500

func checkName(name string) error {
	switch {
	case name == "":
		return invalidf("name", "is missing; say what the token is for, such as whmcs")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return invalidf("name", "holds characters that cannot be printed; use letters, digits, spaces and signs")
	case utf8.RuneCountInString(name) > MaxName:
		return invalidf("name", "has more than %d characters; choose a shorter one", MaxName)
	case uuid.Validate(name) == nil:
		return invalidf("name", "is a UUID, which is what a token's id looks like; choose a word")
	}
	return nil
}
