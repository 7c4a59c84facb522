package api

import (
	"slices"
	"strconv"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/gateway"
	"trunkline/internal/tenant"
)

// gatewayField is one parameter of provision and the columns of v_gateways that it fills.
type gatewayField struct {
	parameter
	columns []string // nil: the one of its name
	// read is nil where the parameter's kind says how.
	read func(f *gatewayField, value string) (string, error)
	// documented is a documented field: empty is as if it were not given. Of any other, empty clears the
	// column, but for a flag, which has to be true or false.
	documented bool
}

// gatewayFields are the parameters of provision that fill columns, the password excepted.
// Where two fill the same column the one that names it alone wins, whatever their order in the request.
var gatewayFields = []gatewayField{
	{
		parameter: parameter{name: "gateway_domain", about: "The carrier's address: fills proxy and realm."},
		columns:   []string{"proxy", "realm"}, read: readAddress, documented: true,
	},
	{parameter: parameter{name: "gateway_username", about: "The account at the carrier."}, columns: []string{"username"}, documented: true},
	{parameter: parameter{name: "gateway_enabled", about: "false suspends the gateway.", kind: kindFlag}, columns: []string{"enabled"}},
	{parameter: parameter{name: "enabled", about: "The same.", kind: kindFlag}},
	{parameter: parameter{name: "proxy", about: "Instead of gateway_domain's."}, read: readAddress},
	{parameter: parameter{name: "realm", about: "Instead of gateway_domain's."}},
	{parameter: parameter{name: "register", about: "Left out: true where username and password are given.", kind: kindFlag}},
	{parameter: parameter{name: "profile", about: "The SIP profile; external where it is left out."}},
	{parameter: parameter{name: "transport", about: "udp, tcp or tls."}, columns: []string{"register_transport"}, read: readTransport},
	{parameter: parameter{name: "register_transport", about: "The same."}, read: readTransport},
	{parameter: parameter{name: "register_proxy", about: "Where REGISTER is sent, where that is not the proxy."}, read: readAddress},
	{parameter: parameter{name: "outbound_proxy", about: "Through which all requests go."}, read: readAddress},
	{parameter: parameter{name: "auth_username", about: "The name that the password is checked with, where that is not the account."}},
	{parameter: parameter{name: "from_user", about: "The user of the From header."}},
	{parameter: parameter{name: "from_domain", about: "Its host."}, read: readAddress},
	{parameter: parameter{name: "contact_params", about: "What is appended to the Contact header."}},
	{parameter: parameter{name: "extension", about: "What calls from the carrier are routed as; left out: the account."}},
	{parameter: parameter{name: "extension_in_contact", about: "Whether the Contact header names it.", kind: kindFlag}},
	{parameter: parameter{name: "expire_seconds", about: "How long a registration lasts.", kind: kindNumberOrEmpty, least: 1}},
	{parameter: parameter{name: "retry_seconds", about: "How long after a failed registration the next is tried.", kind: kindNumberOrEmpty, least: minRetrySeconds}},
	{parameter: parameter{name: "ping", about: "Seconds between OPTIONS requests to the carrier.", kind: kindNumberOrEmpty, least: 1}},
	{parameter: parameter{name: "ping_min", about: "From how many answered OPTIONS on the gateway is up; a missing answer takes one away.", kind: kindNumberOrEmpty}},
	{parameter: parameter{name: "ping_max", about: "The most answers that are counted.", kind: kindNumberOrEmpty}},
	{parameter: parameter{name: "contact_in_ping", about: "Whether an OPTIONS request has a Contact header.", kind: kindFlag}},
	{parameter: parameter{name: "channels", about: "The most calls at once; 0 is any.", kind: kindNumberOrEmpty}},
	{parameter: parameter{name: "distinct_to", about: "Whether REGISTER has another user in To than in From.", kind: kindFlag}},
	{parameter: parameter{name: "caller_id_in_from", about: "Whether the From header shows the caller instead of the account.", kind: kindFlag}},
	{parameter: parameter{name: "supress_cng", about: "Whether comfort noise is suppressed.", kind: kindFlag}},
	{parameter: parameter{name: "sip_cid_type", about: "The header that shows the caller: rpid, pid or none."}},
	{parameter: parameter{name: "codec_prefs", about: "The codecs, separated by commas."}},
	{parameter: parameter{name: "context", about: "The dial plan's context. An admin: public or its own domain."}},
	{parameter: parameter{name: "hostname", about: "The one switch that it is for. Superadmin alone."}},
	{parameter: parameter{name: "description", about: "For people."}},
}

// provisionParams are all parameters of provision.
func provisionParams() []parameter {
	params := []parameter{
		{name: "gateway_name", about: "The label, unique within its domain.", required: true},
		{name: "gateway_password", about: "The password of the account at the carrier."},
		{name: "tenant_domain", about: "The domain that the gateway belongs to; global for none (superadmin). Left out: the caller's own."},
		{name: "domain_uuid", about: "The same by UUID.", kind: kindUUID},
		{name: "wait_for", about: "registered: the job ends when the gateway is registered."},
		{name: "whitelisted", about: "Says nothing: FusionPBX's documentation lists it, and the caller's address has to be on the whitelist."},
	}
	for _, f := range gatewayFields {
		params = append(params, f.parameter)
	}
	return append(params, jobParams...)
}

const (
	// minRetrySeconds is the least that FreeSWITCH takes: of less it makes 30.
	minRetrySeconds = 5
	// maxGatewayNumber bounds the numbers of a gateway; FreeSWITCH keeps them in 32 bits.
	maxGatewayNumber = 1<<31 - 1
)

// value reads what was given.
func (f *gatewayField) value(given string) (string, error) {
	switch {
	case f.read != nil:
		return f.read(f, given)
	case f.kind == kindFlag:
		on, err := parseFlag(f.name, given)
		return strconv.FormatBool(on), err
	case f.kind == kindNumberOrEmpty && given != "":
		n, err := strconv.ParseInt(given, 10, 64)
		if err != nil || n < int64(f.least) || n > maxGatewayNumber {
			return "", fault.Invalid(f.name, "is not a whole number of %d or more", f.least)
		}
		return strconv.FormatInt(n, 10), nil
	}
	return given, nil
}

// fills are the columns of v_gateways that the field fills.
func (f *gatewayField) fills() []string {
	if f.columns == nil {
		return []string{f.name}
	}
	return f.columns
}

func readTransport(f *gatewayField, value string) (string, error) {
	value = strings.ToLower(value)
	if value != "" && !slices.Contains([]string{"udp", "tcp", "tls"}, value) {
		return "", fault.Invalid(f.name, "is none of udp, tcp and tls; FreeSWITCH would take it for udp")
	}
	return value, nil
}

func readAddress(f *gatewayField, value string) (string, error) {
	if strings.ContainsAny(value, " \t") {
		return "", fault.Invalid(f.name, "is not a host; write one such as sip.carrier.example or 192.0.2.1:5060")
	}
	return value, nil
}

// gatewayRequest is what a provision request asks for, and which of its parameters fills which column.
type gatewayRequest struct {
	params   gateway.Request
	password *string
	names    map[string]string // a column's parameter
}

// gatewayOf reads the gateway's parameters for that tenant.
func (r *request) gatewayOf(t tenant.Domain) (gatewayRequest, error) {
	g := gatewayRequest{
		params: gateway.Request{
			Name: r.params.get("gateway_name"), DomainUUID: t.UUID, DomainName: t.Name,
			Values: map[string]string{}, WaitFor: strings.ToLower(r.params.get("wait_for")),
		},
		names: map[string]string{"gateway": "gateway_name", "password": "gateway_password"},
	}
	if g.params.Name == "" {
		return g, fault.Missing("gateway_name")
	}
	if g.params.WaitFor != "" && g.params.WaitFor != gateway.WaitForRegistered {
		return g, fault.Invalid("wait_for", "write %s, or leave it out", gateway.WaitForRegistered)
	}
	if password := r.params.raw("gateway_password"); password != "" {
		g.password = &password
	}
	for i := range gatewayFields {
		if err := g.take(&gatewayFields[i], r.params); err != nil {
			return g, err
		}
	}
	return g, r.mayAsk(g)
}

// take reads one field, where it was given, into its columns.
func (g *gatewayRequest) take(f *gatewayField, given params) error {
	value := given.get(f.name)
	if !given.has(f.name) || f.documented && value == "" {
		return nil
	}
	value, err := f.value(value)
	if err != nil {
		return err
	}
	for _, column := range f.fills() {
		other := g.names[column]
		if before, taken := g.params.Values[column]; taken && before != value && other != "gateway_domain" {
			return fault.Invalid(f.name, "says something else than %s; send one of them", other)
		}
		g.params.Values[column], g.names[column] = value, f.name
	}
	return nil
}

// mayAsk keeps an admin to its own domain's calls: another context would let calls into another
// tenant's dial plan, a hostname would take the gateway from the others' switches.
func (r *request) mayAsk(g gatewayRequest) error {
	if r.caller.Domains.All {
		return nil
	}
	if _, given := g.params.Values["hostname"]; given {
		return fault.Errorf(fault.Forbidden, "hostname: only a superadmin may set it; leave it out")
	}
	if context, given := g.params.Values["context"]; given && context != "public" && context != g.params.DomainName {
		return fault.Errorf(fault.Forbidden, "context: an admin may set it to public or %s", g.params.DomainName)
	}
	return nil
}

// bodyParts are the request's parts as they count for telling whether two requests ask for the same:
// sorted, read, and without how long the caller waits.
func (g gatewayRequest) bodyParts(externalID string) []string {
	parts := []string{"tenant", g.params.DomainUUID, "name", g.params.Name, "wait_for", g.params.WaitFor, "external_id", externalID}
	if g.password != nil {
		parts = append(parts, "password", *g.password)
	}
	columns := make([]string, 0, len(g.params.Values))
	for column := range g.params.Values {
		columns = append(columns, column)
	}
	slices.Sort(columns)
	for _, column := range columns {
		parts = append(parts, "column "+column, g.params.Values[column])
	}
	return parts
}

// fieldOf is the parameter that fills a column: the one that was given, else the documented one.
func (g gatewayRequest) fieldOf(column string) string {
	if name, ok := g.names[column]; ok {
		return name
	}
	for _, f := range gatewayFields {
		if slices.Contains(f.fills(), column) {
			return f.name
		}
	}
	return column
}
