package web

import (
	"slices"
	"strings"

	"trunkline/api/params"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// Entry is what a caller needs to get to an endpoint.
type Entry int

// What callers need.
const (
	Everybody      Entry = iota // nothing
	Whitelisted                 // an address on the whitelist
	SignedIn                    // and credentials, with one of the endpoint's scopes; at /v1 a session of the console is as good
	SignedInOrLink              // or in their place the signature of a download's link
	ConsoleDoor                 // nothing: what is read before one has a session of the console
	Console                     // a session of the console whose holder has one of the endpoint's scopes; a change also a page's own form
)

// Endpoint is one path, what is asked of its callers, and what they have to know: openapi.json is made
// of it. What follows from one of its fields stands in none of the others: the errors of every request
// to such an entry, the headers of a status, the parameters in the path, username and password.
type Endpoint struct {
	ID      string // operationId of POST, or else of the first method
	Summary string
	Note    string // beyond the summary and the scopes
	Methods []string
	Path    string // as gin has it
	Entry   Entry
	Scope   token.Scope // needed of the credentials; "": any do
	Also    token.Scope // needed besides; "": no other is
	Limit   Limit       // what signed-in requests are counted against
	AtOnce  []AtOnce    // what it takes places of, by Request.Place
	Changes bool        // its GET changes something too; other methods are always taken to
	Selects bool        // its parameters choose what it answers with: one that looks like a filter is not ignored
	// File: its body is a file, or a form with one, that Answer reads by Request.File. Its parameters stand in the query
	// too, and credentials come by headers alone; at the entry Console the token of its form stands before the file.
	File   bool
	Answer func(*Request) error
	// Failed words an error in place of JSON. NoSession answers who has no session, at the entry Console.
	Failed    func(r *Request, status int, f *fault.Error)
	NoSession func(*Request) error
	Params    []Param
	Replies   []Reply
	Faults    []fault.Code // the codes with which it may fail in ways of its own
}

// Group is the endpoints of one resource.
type Group struct {
	Name, About string
	Endpoints   []Endpoint
}

// Param is one parameter of an endpoint. In a request it stands in the query, or in a body of any kind. A
// handler sees those parameters alone that its endpoint has.
type Param struct {
	Name     string
	About    string
	Kind     Kind
	Required bool
	Header   bool     // it is a header of the request instead
	Choices  []string // of a text that may be nothing else
	Least    int      // of a number
	Most     int      // of a number, of a text in bytes, or of a list in entries; 0 is no bound of its own
	Usual    int      // of a number that is left out
}

// Kind is how a parameter's text is read.
type Kind int

// The kinds of parameters.
const (
	KindText  Kind = iota
	KindLines      // a text that may have several lines: a whole file
	KindFlag       // true or false, as people and PHP write them
	KindUUID
	KindUUIDs // with commas between, or in JSON an array; up to TRUNKLINE_BULK_ROWS of them, or the parameter's Most
	KindNumber
	KindNumberOrEmpty // of which empty clears what was there
)

// Reply is one answer that is no fault.
type Reply struct {
	Status   int
	About    string
	Body     any      // a value of the type whose JSON it is; nil: there is none
	Media    []string // what it is in place of JSON, or beside it
	File     bool     // an export's file, in any of its formats; with a body, one or the other
	Location bool     // it says where what was made is
	ETag     bool     // it names what stands now
}

// Parameters of several resources.
var (
	TenantParams = []Param{
		{Name: "tenant_domain", About: "The domain. Left out: all that the caller sees."},
		{Name: "domain_uuid", About: "The same by UUID.", Kind: KindUUID},
	}
	OneTenantParams = []Param{
		{Name: "tenant_domain", About: "The domain, or global for none (superadmin). A caller of one domain may leave it out."},
		{Name: "domain_uuid", About: "The same by UUID.", Kind: KindUUID},
	}
	PageParams = []Param{
		{Name: "after", About: "The next of the page before."},
		{Name: "limit", About: "Entries a page.", Kind: KindNumber, Least: 1, Most: params.MaxPage, Usual: params.DefaultPage},
	}
)

// SwitchFaults are those of asking the switches.
var SwitchFaults = []fault.Code{fault.SwitchUnavailable, fault.SwitchTimeout, fault.ServerError}

// takes reports whether the endpoint has the parameter; credentials may come with every request that
// needs some.
func (e Endpoint) takes(name string) bool {
	if name == "username" || name == "password" || name == FormToken && e.Entry == Console {
		return true
	}
	return slices.ContainsFunc(e.Params, func(p Param) bool { return p.Name == name && !p.Header })
}

// EntryFaults are the codes with which a request may fail before its endpoint sees it.
func (e Endpoint) EntryFaults() []fault.Code {
	codes := []fault.Code{fault.RateLimited}
	if e.Entry == Everybody {
		return codes
	}
	codes = append(codes, fault.NotWhitelisted, fault.UntrustedProxy, fault.UnknownAddress)
	if e.Entry == Whitelisted {
		return codes
	}
	codes = append(codes, fault.InvalidRequest, fault.CredentialsInQuery, fault.TooLarge, fault.AuthenticationFailed, fault.TOTPRequired,
		fault.Forbidden, fault.Unavailable, fault.ServerError)
	if e.takesSession() || slices.ContainsFunc(e.Methods, e.changedBy) {
		codes = append(codes, fault.CrossSite)
	}
	return codes
}

// NamesOf are constants as text.
func NamesOf[T ~string](list []T) []string {
	names := make([]string, len(list))
	for i, one := range list {
		names[i] = string(one)
	}
	return names
}

// IsDocumented reports whether answers at a path are worded as FusionPBX's documentation of the endpoints
// says; at the others errors are those of RFC 9457.
func IsDocumented(path string) bool {
	return strings.HasPrefix(path, "/app/") || strings.HasSuffix(path, ".php")
}
