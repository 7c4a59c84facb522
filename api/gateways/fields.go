package gateways

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trunkline/api/jobs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/tenant"
)

// field is one parameter of provision and the columns of v_gateways that it fills.
type field struct {
	web.Param
	columns []string // nil: the one of its name
	// read is nil if the parameter's kind says how.
	read func(f *field, value string) (string, error)
	// host is an address, without scheme and transport: they have a column of their own.
	host bool
	// documented is a documented field: empty is as if it were not given. Of any other, empty clears the
	// column, but for a flag, which has to be true or false.
	documented bool
}

// fields are the parameters of provision that fill columns, the password excepted.
// If two fill the same column the one that names it alone wins, whatever their order in the request.
var fields = []field{
	{
		Param:   web.Param{Name: "gateway_domain", About: "The carrier's address: fills proxy and realm."},
		columns: []string{"proxy", "realm"}, read: readAddress, host: true, documented: true,
	},
	{Param: web.Param{Name: "gateway_username", About: "The account at the carrier."}, columns: []string{"username"}, documented: true},
	{Param: web.Param{Name: "gateway_enabled", About: "false suspends the gateway.", Kind: web.KindFlag}, columns: []string{"enabled"}},
	{Param: web.Param{Name: "enabled", About: "The same.", Kind: web.KindFlag}},
	{Param: web.Param{Name: "proxy", About: "Where calls and registrations go, if that is not the carrier's address of gateway_domain."}, read: readAddress, host: true},
	{Param: web.Param{Name: "realm", About: "What the carrier calls itself where it asks for the password, if that is not the address of gateway_domain."}, host: true},
	{Param: web.Param{Name: "register", About: "Left out: true if username and password are given.", Kind: web.KindFlag}},
	{Param: web.Param{Name: "profile", About: "The SIP profile; external if it is left out."}},
	{Param: web.Param{Name: "transport", About: "udp, tcp or tls."}, columns: []string{"register_transport"}, read: readTransport},
	{Param: web.Param{Name: "register_transport", About: "The same."}, read: readTransport},
	{Param: web.Param{Name: "register_proxy", About: "Where REGISTER is sent, if that is not the proxy."}, read: readAddress, host: true},
	{Param: web.Param{Name: "outbound_proxy", About: "Through which all requests go."}, read: readAddress, host: true},
	{Param: web.Param{Name: "auth_username", About: "The name that the password is checked with, if that is not the account."}},
	{Param: web.Param{Name: "from_user", About: "The user of the From header."}},
	{Param: web.Param{Name: "from_domain", About: "The host of the From header."}, read: readAddress, host: true},
	{Param: web.Param{Name: "contact_params", About: "What is appended to the Contact header."}},
	{Param: web.Param{Name: "extension", About: "What calls from the carrier are routed as; left out: the account."}},
	{Param: web.Param{Name: "extension_in_contact", About: "Whether the Contact header names the extension.", Kind: web.KindFlag}},
	{Param: web.Param{Name: "expire_seconds", About: "How long a registration lasts; 5 or more.", Kind: web.KindNumberOrEmpty}},
	{Param: web.Param{Name: "retry_seconds", About: "How long after a failed registration the next is tried; 5 or more.", Kind: web.KindNumberOrEmpty}},
	{Param: web.Param{Name: "ping", About: "Seconds between OPTIONS requests to the carrier, 5 or more; 0: none.", Kind: web.KindNumberOrEmpty}},
	{Param: web.Param{Name: "ping_min", About: "From how many answered OPTIONS on the gateway is up; a missing answer takes one away.", Kind: web.KindNumberOrEmpty}},
	{Param: web.Param{Name: "ping_max", About: "The most answers that are counted.", Kind: web.KindNumberOrEmpty}},
	{Param: web.Param{Name: "contact_in_ping", About: "Whether an OPTIONS request has a Contact header.", Kind: web.KindFlag}},
	{Param: web.Param{Name: "channels", About: "The most calls at once; 0 is any.", Kind: web.KindNumberOrEmpty}},
	{Param: web.Param{Name: "distinct_to", About: "Whether REGISTER has another user in To than in From.", Kind: web.KindFlag}},
	{Param: web.Param{Name: "caller_id_in_from", About: "Whether the From header shows the caller instead of the account.", Kind: web.KindFlag}},
	{Param: web.Param{Name: "supress_cng", About: "Whether comfort noise is suppressed.", Kind: web.KindFlag}},
	{Param: web.Param{Name: "sip_cid_type", About: "The header that shows the caller: rpid, pid or none."}},
	{Param: web.Param{Name: "codec_prefs", About: "The codecs, separated by commas."}},
	{Param: web.Param{Name: "context", About: "The dial plan's context. An admin: public or its own domain."}},
	{Param: web.Param{Name: "hostname", About: "The one switch that it is for. Superadmin alone."}},
	{Param: web.Param{Name: "description", About: "For people."}},
}

// provisionParams are all parameters of provision.
func provisionParams() []web.Param {
	all := []web.Param{
		{Name: "gateway_name", About: "The label, unique within its domain. A gateway that external_id names may do without, and gets this name if it has another one."},
		{Name: "gateway_password", About: "The password of the account at the carrier."},
		{Name: "tenant_domain", About: "The domain that the gateway belongs to; global for none (superadmin). Left out: the caller's own."},
		{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
		{Name: providerCIDRs, About: "The addresses and networks, with commas between, from which its carrier calls without credentials: FusionPBX's access list providers allows them while the gateway is enabled. Empty: none. Superadmin alone."},
		{Name: "wait_for", About: "registered: the job ends when the gateway is registered."},
		{Name: "whitelisted", About: "Says nothing: FusionPBX's documentation lists it, and the caller's address has to be on the whitelist."},
	}
	for _, f := range fields {
		all = append(all, f.Param)
	}
	return append(all, jobs.Params...)
}

// maxGatewayNumber bounds the numbers of a gateway; FreeSWITCH keeps them in 32 bits.
const maxGatewayNumber = 1<<31 - 1

// value reads what was given.
func (f *field) value(given string) (string, error) {
	switch {
	case f.read != nil:
		return f.read(f, given)
	case f.Kind == web.KindFlag:
		on, err := params.ParseFlag(f.Name, given)
		return strconv.FormatBool(on), err
	case f.Kind == web.KindNumberOrEmpty && given != "":
		n, err := strconv.ParseInt(given, 10, 64)
		if err != nil || n < int64(f.Least) || n > maxGatewayNumber {
			return "", fault.Invalid(f.Name, "is not a whole number of %d or more", f.Least)
		}
		number := strconv.FormatInt(n, 10)
		if wrong, refused := errors.AsType[*gateway.ValueError](gateway.CheckValue(fusionpbx.ModeAuto, f.fills()[0], number)); refused {
			return "", fault.Invalid(f.Name, "%s", wrong.Reason)
		}
		return number, nil
	}
	return given, nil
}

// fills are the columns of v_gateways that the field fills.
func (f *field) fills() []string {
	if f.columns == nil {
		return []string{f.Name}
	}
	return f.columns
}

// transports are what a transport may be.
var transports = []string{"udp", "tcp", "tls"}

func readTransport(f *field, value string) (string, error) {
	value = strings.ToLower(value)
	if value != "" && !slices.Contains(transports, value) {
		return "", fault.Invalid(f.Name, "is unknown; use udp, tcp or tls: FreeSWITCH would take it for udp")
	}
	return value, nil
}

// addressRule is what an address is written as.
const addressRule = "such as sip.carrier.example, 192.0.2.1:5060 or [2001:db8::1]:5060, with a port from 1 to 65535 if any"

// readAddress takes a host, with a port and SIP's parameters if they are there.
func readAddress(f *field, value string) (string, error) {
	host, _, _ := strings.Cut(value, ";")
	if value != "" && (!isHostPort(host) || strings.ContainsAny(value, " \t")) {
		return "", fault.Invalid(f.Name, "is not a host; write one "+addressRule)
	}
	return value, nil
}

var (
	sipScheme    = regexp.MustCompile(`(?i)^(sips?):(//)?`)
	uriTransport = regexp.MustCompile(`(?i);transport=([^;]*)`)
)

// bareHost takes scheme and transport off an address: FreeSWITCH writes its own before and after it. sips: asks
// for TLS.
func bareHost(name, address string) (host, transport string, err error) {
	host = address
	if scheme := sipScheme.FindStringSubmatch(host); scheme != nil {
		host = host[len(scheme[0]):]
		if strings.EqualFold(scheme[1], "sips") {
			transport = "tls"
		}
		if strings.Contains(host, "@") || host == "" {
			return "", "", fault.Invalid(name, "is a SIP address and not a host; write the host alone, such as sip.carrier.example")
		}
	}
	if named := uriTransport.FindStringSubmatch(host); named != nil {
		if host = uriTransport.ReplaceAllString(host, ""); transport == "" {
			transport = named[1]
		}
	}
	return host, transport, nil
}

// asked is what a provision request asks for, and which of its parameters fills which column.
type asked struct {
	params   gateway.Request
	password *string
	names    map[string]string // a column's parameter
}

// askedOf reads the gateway's parameters for that tenant.
func askedOf(r *web.Request, t tenant.Domain) (asked, error) {
	g, wrong := readAsked(r.Params, t, r.Caller)
	if len(wrong) > 0 {
		return g, wrong[0]
	}
	return g, nil
}

// readAsked reads what the caller gives of a gateway of that tenant, and finds all that is wrong with it by itself.
func readAsked(given params.Values, t tenant.Domain, by access.Caller) (g asked, wrong []error) {
	g = asked{
		params: gateway.Request{
			Name: given.Get("gateway_name"), DomainUUID: t.UUID, DomainName: t.Name,
			Values: map[string]string{}, WaitFor: strings.ToLower(given.Get("wait_for")),
			ExternalID: given.Get("external_id"),
		},
		names: map[string]string{"gateway": "gateway_name", "password": "gateway_password"},
	}
	if g.params.WaitFor != "" && g.params.WaitFor != gateway.WaitForRegistered {
		wrong = append(wrong, fault.Invalid("wait_for", "write %s, or leave it out", gateway.WaitForRegistered))
	}
	if password := given.Raw("gateway_password"); password != "" {
		g.password = &password
	}
	for i := range fields {
		if err := g.take(&fields[i], given); err != nil {
			wrong = append(wrong, err)
		}
	}
	if given.Has(providerCIDRs) {
		cidrs, err := gateway.ParseCIDRs(providerCIDRs, given.Get(providerCIDRs))
		if err != nil {
			wrong = append(wrong, err)
		}
		g.params.CIDRs = &cidrs
	}
	return g, append(wrong, mayAsk(by, g.params)...)
}

// providerCIDRs is the parameter that keeps FusionPBX's access list of carriers in step with the gateway.
const providerCIDRs = "provider_cidrs"

// take reads one field, if it was given, into its columns.
func (g *asked) take(f *field, given params.Values) error {
	value := given.Get(f.Name)
	if !given.Has(f.Name) || f.documented && value == "" {
		return nil
	}
	transport := ""
	if f.host {
		var err error
		if value, transport, err = bareHost(f.Name, value); err != nil {
			return err
		}
	}
	value, err := f.value(value)
	if err != nil {
		return err
	}
	if transport != "" {
		inHost := field{Param: web.Param{Name: "the transport in " + f.Name}, columns: []string{"register_transport"}, read: readTransport}
		if transport, err = readTransport(&inHost, transport); err != nil {
			return err
		}
		if err := g.fill(&inHost, transport); err != nil {
			return err
		}
	}
	return g.fill(f, value)
}

// fill sets the field's columns.
func (g *asked) fill(f *field, value string) error {
	for _, column := range f.fills() {
		other := g.names[column]
		if before, taken := g.params.Values[column]; taken && before != value && other != "gateway_domain" {
			return fault.Invalid(f.Name, "says something else than %s; send one of them", other)
		}
		g.params.Values[column], g.names[column] = value, f.Name
	}
	return nil
}

// mayAsk keeps an admin to its own domain's calls: another context would let calls into another
// tenant's dial plan, a hostname would take the gateway from the others' switches, and the access list is the whole
// PBX's.
func mayAsk(by access.Caller, p gateway.Request) (wrong []error) {
	if p.CIDRs != nil && !by.Domains.All {
		wrong = append(wrong, fault.Errorf(fault.Forbidden, "%s: only a superadmin may set it, since whoever calls from there calls the whole PBX without credentials; leave it out", providerCIDRs))
	}
	for _, column := range []string{"hostname", "context"} {
		if value, given := p.Values[column]; given {
			if err := maySet(by, tenant.Domain{UUID: p.DomainUUID, Name: p.DomainName}, column, value); err != nil {
				wrong = append(wrong, err)
			}
		}
	}
	return wrong
}

// maySet refuses a value that the caller may not give a gateway of that domain.
func maySet(by access.Caller, of tenant.Domain, column, value string) error {
	switch {
	case by.Domains.All:
	case column == "hostname":
		return fault.Errorf(fault.Forbidden, "hostname: only a superadmin may set it; leave it out")
	case column == "context" && value != "public" && value != of.Name:
		return fault.Errorf(fault.Forbidden, "context: an admin may set it to public or %s", of.Name)
	}
	return nil
}

// bodyParts are the request's parts as they count for telling whether two requests ask for the same:
// sorted, read, and without how long the caller waits.
func (g asked) bodyParts() []string {
	parts := []string{"tenant", g.params.DomainUUID, "name", g.params.Name, "wait_for", g.params.WaitFor, "external_id", g.params.ExternalID}
	if g.password != nil {
		parts = append(parts, "password", *g.password)
	}
	for _, column := range slices.Sorted(maps.Keys(g.params.Values)) {
		parts = append(parts, "column "+column, g.params.Values[column])
	}
	if g.params.CIDRs != nil {
		parts = append(parts, providerCIDRs, strings.Join(*g.params.CIDRs, ","))
	}
	return append(parts, conditionParts(g.params)...)
}

// fieldOf is the parameter that fills a column: the one that was given, else the documented one.
func (g asked) fieldOf(column string) string {
	if name, ok := g.names[column]; ok {
		return name
	}
	for _, f := range fields {
		if slices.Contains(f.fills(), column) {
			return f.Name
		}
	}
	return column
}
