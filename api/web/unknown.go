package web

import (
	"regexp"
	"strings"

	"trunkline/internal/fault"
)

// Ignoring is the part of a documented endpoint's answer that names the request's parameters which mean nothing there:
// what was misspelt must not look as if it had been done.
type Ignoring struct {
	Ignored []string `json:"ignored_parameters,omitempty"` // the request's parameters that mean nothing here
}

var (
	// limiting are names by which callers mean a tenant, or that nothing is to be done: whoever ignores one does more than
	// was asked.
	limiting = regexp.MustCompile(`domain|tenant|(^|_)(customers?|clients?|accounts?|resellers?|company|organi[sz]ation)(_?(id|name|uuid))?$|` +
		`(^|_)(dry|test|simulat|validat|preview|noop|no_op|check)`)
	// filtering are names by which they mean a part of what an endpoint answers with.
	filtering = regexp.MustCompile(`(^|_)(customer|client|account|reseller|ext$|extension|user_|agent|queue|number|phone|did|ani$|caller|callee|called|cid|` +
		`realm|source|src|destination|dest|dst|direction|inbound|outbound|leg|hangup|call|context|gateway|profile|trunk|from|to$|start|end|date|time|since|` +
		`until|after|before|day|week|month|year|min|max|duration|billsec|missed|status|state|enabled|registered|type|filter|where|query|q$|search|match|only|` +
		`exclude|include|limit|offset|page|per_page|count|first|last|id$|uuid$)|_(id|uuid|from|to|since|until)$`)
)

// betweenWords has names that are written in other ways look like ours.
var betweenWords = strings.NewReplacer("-", "_", ".", "_", " ", "_")

// refuses reports whether a parameter that the endpoint does not take is refused. Under /v1 each is; at a documented path,
// where callers send what they have, those are that would limit what is done or answered.
func (e Endpoint) refuses(name string) bool {
	name, _, _ = strings.Cut(strings.TrimSpace(name), "[")
	name = betweenWords.Replace(name)
	return !IsDocumented(e.Path) || limiting.MatchString(name) || e.Selects && filtering.MatchString(name)
}

// unknown refuses parameters and says which there are.
func (e Endpoint) unknown(names []string) error {
	var takes []string
	for _, p := range e.Params {
		if !p.Header {
			takes = append(takes, p.Name)
		}
	}
	remedy := "this endpoint takes no parameters"
	if len(takes) > 0 {
		remedy = "this endpoint takes " + strings.Join(takes, ", ")
	}
	return fault.Errorf(fault.InvalidRequest, "%s: unknown here; %s", strings.Join(names, ", "), remedy)
}
