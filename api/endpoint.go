package api

import (
	"net/http"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// handler answers one request, or returns why it does not.
type handler func(r *request) error

// entry is what a caller needs to get to an endpoint.
type entry int

const (
	everybody      entry = iota // nothing
	whitelisted                 // an address on the whitelist
	signedIn                    // and credentials, with one of the endpoint's scopes
	signedInOrLink              // or in their place the signature of a download's link
)

// endpoint is one path, what is asked of its callers, and what they have to know: openapi.json is made
// of it. What follows from one of its fields stands in none of the others: the errors of every request
// to such an entry, the headers of a status, the parameters in the path, username and password.
type endpoint struct {
	id      string // operationId of POST, or else of the first method
	summary string
	note    string // beyond the summary and the scopes
	methods []string
	path    string // as gin has it
	entry   entry
	scopes  []token.Scope // one of them is needed; none: any credentials do
	limit   limitClass    // what signed-in requests are counted against
	answer  handler
	params  []parameter
	replies []reply
	faults  []fault.Code // the codes with which it may fail in ways of its own
}

// group is the endpoints of one resource.
type group struct {
	name, about string
	endpoints   []endpoint
}

// parameter is one parameter of an endpoint. In a request it stands in the query, or in a body of any
// kind. A handler sees those parameters alone that its endpoint has.
type parameter struct {
	name     string
	about    string
	kind     kind
	required bool
	header   bool     // it is a header of the request instead
	choices  []string // of a text that may be nothing else
	least    int      // of a number
	most     int      // of a number, or of a text in bytes; 0 is no bound of its own
	usual    int      // of a number that is left out
}

// kind is how a parameter's text is read.
type kind int

const (
	kindText kind = iota
	kindFlag      // true or false, as people and PHP write them
	kindUUID
	kindNumber
	kindNumberOrEmpty // of which empty clears what was there
)

// reply is one answer that is no fault.
type reply struct {
	status   int
	about    string
	body     any    // a value of the type whose JSON it is; nil: there is none
	media    string // what it is in place of JSON
	file     bool   // an export's file, in any of its formats; with a body, one or the other
	location bool   // it says where what was made is
}

// The scopes that endpoints ask for.
var (
	toRead      = []token.Scope{token.ScopeRead}
	toProvision = []token.Scope{token.ScopeProvision}
	toExport    = []token.Scope{token.ScopeExport}
	toAdmin     = []token.Scope{token.ScopeAdmin}
)

// Parameters of several endpoints.
var (
	tenantParams = []parameter{
		{name: "tenant_domain", about: "The domain. Left out: all that the caller sees."},
		{name: "domain_uuid", about: "The same by UUID.", kind: kindUUID},
	}
	oneTenantParams = []parameter{
		{name: "tenant_domain", about: "The domain, or global for none (superadmin). A caller of one domain may leave it out."},
		{name: "domain_uuid", about: "The same by UUID.", kind: kindUUID},
	}
	pageParams = []parameter{
		{name: "after", about: "The next of the page before."},
		{name: "limit", about: "Entries a page.", kind: kindNumber, least: 1, most: maxPage, usual: defaultPage},
	}
	waitParams = []parameter{
		{name: "wait", about: "Seconds to wait for the job; 0 does not. More than the server allows is as much as it allows.", kind: kindNumber},
		{name: "Prefer", about: "wait=N: the same (RFC 7240).", header: true},
	}
	jobParams = append([]parameter{
		{name: "external_id", about: "The caller's own name for it, such as WHMCS's serviceid; it also is a key.", most: maxKey},
		{
			name: "Idempotency-Key", header: true, most: maxKey,
			about: "A repeated request with the same key and body attaches to the first one's job; with another body it is 422.",
		},
	}, waitParams...)
	windowParams = []parameter{
		{name: "date_start", about: "The first day, or moment.", required: true},
		{name: "date_end", about: "The last day, or moment: inclusive.", required: true},
		{name: "time_zone", about: "In which the dates are read; left out: the domain's."},
	}
)

// jobFaults are those of a job that is waited for, whatever its kind.
var jobFaults = []fault.Code{fault.KeyReused, fault.Timeout, fault.Cancelled, fault.WorkerLost, fault.ServerError}

// switchFaults are those of asking the switches.
var switchFaults = []fault.Code{fault.SwitchUnavailable, fault.SwitchTimeout, fault.ServerError}

// notFinished is the reply of whoever waits for a job that takes longer.
var notFinished = reply{
	status: http.StatusAccepted, about: "The job is not finished yet. Ask at Location, or send the same request again.", body: pending{},
}

// takes reports whether the endpoint has the parameter; credentials may come with every request that
// needs some.
func (e endpoint) takes(name string) bool {
	if name == "username" || name == "password" {
		return true
	}
	return slices.ContainsFunc(e.params, func(p parameter) bool { return p.name == name && !p.header })
}

// formOf is how answers at a path are worded.
func formOf(path string) form {
	if strings.HasPrefix(path, "/app/") || strings.HasSuffix(path, ".php") {
		return documentedForm
	}
	return problemForm
}

// entryFaults are the codes with which a request may fail before its endpoint sees it.
func (e endpoint) entryFaults() []fault.Code {
	codes := []fault.Code{fault.RateLimited}
	if e.entry == everybody {
		return codes
	}
	codes = append(codes, fault.NotWhitelisted, fault.UntrustedProxy, fault.UnknownAddress)
	if e.entry == whitelisted {
		return codes
	}
	return append(codes, fault.InvalidRequest, fault.CredentialsInQuery, fault.TooLarge, fault.AuthenticationFailed, fault.TOTPRequired,
		fault.Forbidden, fault.Unavailable)
}

// namesOf are constants as text.
func namesOf[T ~string](list []T) []string {
	names := make([]string, len(list))
	for i, one := range list {
		names[i] = string(one)
	}
	return names
}
