package api

import (
	"slices"
	"strconv"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// gatewayField is one parameter of provision and the columns of v_gateways that it fills.
type gatewayField struct {
	name    string
	columns []string
	read    func(f *gatewayField, value string) (string, error) // nil: any text
	// required is a documented field: empty is as if it were not given. Of any other, empty clears the
	// column, but for a flag, which has to be true or false.
	required bool
}

// gatewayFields are the parameters that provision takes besides gateway_name and gateway_password.
// Where two fill the same column the one that names it alone wins, whatever their order in the request.
var gatewayFields = []gatewayField{
	{name: "gateway_domain", columns: []string{"proxy", "realm"}, read: readAddress, required: true},
	{name: "gateway_username", columns: []string{"username"}, required: true},
	{name: "gateway_enabled", columns: []string{"enabled"}, read: readFlag},
	{name: "enabled", columns: []string{"enabled"}, read: readFlag},
	{name: "proxy", columns: []string{"proxy"}, read: readAddress},
	{name: "realm", columns: []string{"realm"}},
	{name: "register", columns: []string{"register"}, read: readFlag},
	{name: "profile", columns: []string{"profile"}},
	{name: "transport", columns: []string{"register_transport"}, read: readTransport},
	{name: "register_transport", columns: []string{"register_transport"}, read: readTransport},
	{name: "register_proxy", columns: []string{"register_proxy"}, read: readAddress},
	{name: "outbound_proxy", columns: []string{"outbound_proxy"}, read: readAddress},
	{name: "auth_username", columns: []string{"auth_username"}},
	{name: "from_user", columns: []string{"from_user"}},
	{name: "from_domain", columns: []string{"from_domain"}, read: readAddress},
	{name: "contact_params", columns: []string{"contact_params"}},
	{name: "extension", columns: []string{"extension"}},
	{name: "extension_in_contact", columns: []string{"extension_in_contact"}, read: readFlag},
	{name: "expire_seconds", columns: []string{"expire_seconds"}, read: readNumber(1)},
	{name: "retry_seconds", columns: []string{"retry_seconds"}, read: readNumber(minRetrySeconds)},
	{name: "ping", columns: []string{"ping"}, read: readNumber(1)},
	{name: "ping_min", columns: []string{"ping_min"}, read: readNumber(0)},
	{name: "ping_max", columns: []string{"ping_max"}, read: readNumber(0)},
	{name: "contact_in_ping", columns: []string{"contact_in_ping"}, read: readFlag},
	{name: "channels", columns: []string{"channels"}, read: readNumber(0)},
	{name: "distinct_to", columns: []string{"distinct_to"}, read: readFlag},
	{name: "caller_id_in_from", columns: []string{"caller_id_in_from"}, read: readFlag},
	{name: "supress_cng", columns: []string{"supress_cng"}, read: readFlag},
	{name: "sip_cid_type", columns: []string{"sip_cid_type"}},
	{name: "codec_prefs", columns: []string{"codec_prefs"}},
	{name: "context", columns: []string{"context"}},
	{name: "hostname", columns: []string{"hostname"}},
	{name: "description", columns: []string{"description"}},
}

// provisionParams are the parameters of provision besides gatewayFields; whitelisted is one of the
// documentation's that is none.
var provisionParams = []string{
	"username", "password", "gateway_name", "gateway_password", "tenant_domain", "domain_uuid", "wait", "wait_for", "external_id", "whitelisted",
}

// maxIgnored bounds how many ignored parameters are named.
const maxIgnored = 20

// ignored names the parameters that provision does not know.
func (p params) ignored() []string {
	var names []string
	for name := range p {
		known := slices.Contains(provisionParams, name) || slices.ContainsFunc(gatewayFields, func(f gatewayField) bool { return f.name == name })
		if !known {
			names = append(names, quoted(name))
		}
	}
	slices.Sort(names)
	return names[:min(len(names), maxIgnored)]
}

const (
	// minRetrySeconds is the least that FreeSWITCH takes: of less it makes 30.
	minRetrySeconds = 5
	// maxGatewayNumber bounds the numbers of a gateway; FreeSWITCH keeps them in 32 bits.
	maxGatewayNumber = 1<<31 - 1
)

func readFlag(f *gatewayField, value string) (string, error) {
	on, err := parseFlag(f.name, value)
	return strconv.FormatBool(on), err
}

func readNumber(least int64) func(*gatewayField, string) (string, error) {
	return func(f *gatewayField, value string) (string, error) {
		if value == "" {
			return "", nil
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < least || n > maxGatewayNumber {
			return "", fault.Invalid(f.name, "is not a whole number of %d or more", least)
		}
		return strconv.FormatInt(n, 10), nil
	}
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
	params   tasks.ProvisionParams
	password *string
	names    map[string]string // a column's parameter
}

// gatewayOf reads the gateway's parameters for that tenant.
func (r *request) gatewayOf(t tenant.Domain) (gatewayRequest, error) {
	g := gatewayRequest{
		params: tasks.ProvisionParams{
			Name: r.params.get("gateway_name"), DomainUUID: t.UUID, DomainName: t.Name,
			Values: map[string]string{}, WaitFor: strings.ToLower(r.params.get("wait_for")),
		},
		names: map[string]string{"gateway": "gateway_name", "password": "gateway_password"},
	}
	if g.params.Name == "" {
		return g, fault.Missing("gateway_name")
	}
	if g.params.WaitFor != "" && g.params.WaitFor != tasks.WaitForRegistered {
		return g, fault.Invalid("wait_for", "write %s, or leave it out", tasks.WaitForRegistered)
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
	if !given.has(f.name) || f.required && value == "" {
		return nil
	}
	if f.read != nil {
		var err error
		if value, err = f.read(f, value); err != nil {
			return err
		}
	}
	for _, column := range f.columns {
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
		if slices.Contains(f.columns, column) {
			return f.name
		}
	}
	return column
}
