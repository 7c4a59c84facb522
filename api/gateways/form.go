package gateways

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/tenant"
)

// Form is what people fill in of a gateway: the parameters that make or change one, with what is said of them to callers of
// /v1, and what FusionPBX and FreeSWITCH take of each.
type Form struct {
	Fields []FormField
	Rule   string // of all fields
	// Begins are the values that the form begins with, by field: those of the gateway, but for its password, or what a
	// new one gets.
	Begins  params.Values
	Of      string // the name of the gateway that is changed or copied
	Version string // the tag of the one that is changed
}

// FormField is one of them.
type FormField struct {
	Name, Label string
	About       string
	Flag        bool     // true or false
	Choices     []string // it is one of these; "": left out
	Secret      bool     // it is never shown; left empty it stays
	Rest        bool     // most gateways do without
}

// ask is what a form calls a parameter.
type ask struct {
	name, label string
	rest        bool
}

// asks are what a form asks, in its order.
var asks = []ask{
	{"tenant_domain", "Domain", false},
	{"gateway_name", "Name", false},
	{"gateway_domain", "Carrier’s address", false},
	{"gateway_username", "Account", false},
	{"gateway_password", "Password", false},
	{"register", "Registers at the carrier", false},
	{"gateway_enabled", "Enabled", false},
	{"profile", "SIP profile", false},
	{"transport", "Transport", false},
	{"description", "Description", false},
	{"proxy", "Proxy", true},
	{"realm", "Realm", true},
	{"register_proxy", "Register proxy", true},
	{"outbound_proxy", "Outbound proxy", true},
	{"auth_username", "Name for authentication", true},
	{"from_user", "From user", true},
	{"from_domain", "From domain", true},
	{"extension", "Extension", true},
	{"extension_in_contact", "Extension in Contact", true},
	{"contact_params", "Contact parameters", true},
	{"expire_seconds", "Registration lasts, seconds", true},
	{"retry_seconds", "Retry after, seconds", true},
	{"ping", "Ping, seconds", true},
	{"ping_min", "Answered pings to be up", true},
	{"ping_max", "Most pings counted", true},
	{"contact_in_ping", "Contact in pings", true},
	{"channels", "Most calls at once", true},
	{"codec_prefs", "Codecs", true},
	{"sip_cid_type", "Header of the caller’s number", true},
	{"caller_id_in_from", "Caller in From", true},
	{"distinct_to", "Another user in To", true},
	{"supress_cng", "No comfort noise", true},
	{"context", "Context", true},
	{"hostname", "Switch that it is for", true},
	{providerCIDRs, "Networks that call without credentials", true},
	{"external_id", "The caller’s own name", true},
}

// ofNew are the fields that only a new gateway has.
var ofNew = []string{"tenant_domain", "external_id"}

// FormParams are the parameters of all fields.
func FormParams() []web.Param {
	params := make([]web.Param, len(asks))
	for i, ask := range asks {
		params[i] = web.Param{Name: ask.name}
	}
	return params
}

// NewForm is that of a new gateway.
func (s *Service) NewForm(r *web.Request) (Form, error) {
	begins := beginning(fusionpbx.NewGateway("", "", ""), nil)
	begins["register"] = ""
	begins["tenant_domain"] = r.Caller.Home.Name
	return s.form(r, Form{Begins: begins}, createParams())
}

// CopyForm is that of a new gateway which begins as the one of the path, disabled, without its names, its password and the
// networks that its carrier calls from.
func (s *Service) CopyForm(r *web.Request) (f Form, err error) {
	row, err := s.rowOfPath(r)
	if err != nil {
		return f, err
	}
	names, err := s.domainNames(r.Context(), []fusionpbx.Gateway{row})
	if err != nil {
		return f, err
	}
	begins := beginning(row, nil)
	begins["gateway_name"], begins["gateway_enabled"], begins["tenant_domain"] = "", "false", names[row.DomainUUID]
	return s.form(r, Form{Begins: begins, Of: row.Label()}, createParams())
}

// EditForm is that of the gateway of the path.
func (s *Service) EditForm(r *web.Request) (f Form, err error) {
	row, err := s.rowOfPath(r)
	if err != nil {
		return f, err
	}
	cidrs, err := gateway.CIDRs(r.Context(), s.pbx.Pool, []string{row.UUID})
	if err != nil {
		return f, err
	}
	f = Form{Begins: beginning(row, cidrs[row.UUID]), Of: row.Label(), Version: gateway.Tag(s.tasks.Keys(), row)}
	return s.form(r, f, editParams())
}

// form adds the fields that the caller may fill in, as the parameters describe them.
func (s *Service) form(r *web.Request, f Form, params []web.Param) (Form, error) {
	mode, err := s.pbx.Mode(r.Context())
	if err != nil {
		return f, err
	}
	profiles, err := s.db.ProfileNames(r.Context())
	if err != nil {
		return f, err
	}
	maps.DeleteFunc(profiles, func(name string, enabled bool) bool { return !enabled && name != f.Begins["profile"] })
	f.Rule = gateway.RuleOfAll(mode)
	for _, ask := range asks {
		i := slices.IndexFunc(params, func(p web.Param) bool { return p.Name == ask.name })
		if i < 0 && !slices.Contains(ofNew, ask.name) || i < 0 || !r.Caller.Domains.All && (ask.name == "hostname" || ask.name == providerCIDRs) {
			continue
		}
		field := FormField{Name: ask.name, Label: ask.label, Rest: ask.rest, About: about(ask.name, params[i]), Flag: params[i].Kind == web.KindFlag}
		switch ask.name {
		case "gateway_password":
			field.Secret = true
		case "profile":
			field.Choices = slices.Sorted(maps.Keys(profiles))
		case "transport":
			field.Choices = append([]string{""}, transports...)
		}
		f.Fields = append(f.Fields, field)
	}
	return f, nil
}

// about is what is said of the parameter, with what its column takes.
func about(name string, p web.Param) string {
	said := []string{p.About}
	column := map[string]string{"gateway_name": "gateway", "gateway_password": "password"}[name]
	if f := fieldNamed[name]; f != nil {
		if column = f.fills()[0]; f.host && f.read != nil {
			said = append(said, "Write one "+addressRule+".")
		}
	}
	if rule := gateway.Rule(column); rule != "" {
		said = append(said, rule)
	}
	return strings.Join(said, " ")
}

// maxBegins bounds a value that a form begins with, in bytes: a longer one is none that anybody could set.
const maxBegins = 1024

// beginning are the values of the row by field, as a form can hold them. Of an address that is proxy and realm alike there
// is one.
func beginning(row fusionpbx.Gateway, cidrs []string) params.Values {
	values := params.Values{"gateway_name": fit(row.Label()), "external_id": "", providerCIDRs: strings.Join(cidrs, ", ")}
	for _, ask := range asks {
		f := fieldNamed[ask.name]
		if f == nil {
			continue
		}
		values[f.Name] = fit(row.Get(f.fills()[0]))
		if f.Kind == web.KindFlag && values[f.Name] != "true" {
			values[f.Name] = "false" // as FusionPBX takes any other word
		}
	}
	if proxy := values["proxy"]; proxy == values["realm"] {
		values["gateway_domain"], values["proxy"], values["realm"] = proxy, "", ""
	} else {
		values["gateway_domain"] = ""
	}
	return values
}

// fit is a value as a form's field can hold it.
func fit(value string) string {
	value = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(value, ""))
	return strings.TrimSpace(strings.ToValidUTF8(value[:min(len(value), maxBegins)], ""))
}

// Differs reports whether the form was filled in with something else than it begins with; of a secret, with anything.
func (f Form) Differs(field FormField, typed params.Values) bool {
	if field.Secret {
		return typed.Raw(field.Name) != ""
	}
	return typed.Has(field.Name) && typed.Get(field.Name) != f.Begins[field.Name]
}

// addresses are the fields of which one stands for two others.
var addresses = []string{"gateway_domain", "proxy", "realm"}

// asked are the parameters by which the gateway gets what was typed, and keeps what the form began with otherwise.
func (f Form) asked(typed params.Values) params.Values {
	given := params.Values{}
	address := false
	for _, field := range f.Fields {
		switch {
		case !f.Differs(field, typed):
		case slices.Contains(addresses, field.Name):
			address = true
		default:
			given[field.Name] = typed.Raw(field.Name)
		}
	}
	if address {
		for _, name := range addresses {
			if value := typed.Get(name); value != "" || name != "gateway_domain" && typed.Get("gateway_domain") == "" {
				given[name] = value
			}
		}
	}
	if given.Has("gateway_username") && given.Has("gateway_password") && typed.Get("register") != "" {
		given["register"] = typed.Get("register") // else an account and a password would say that it is to
	}
	return given
}

// readAll is askedOf that tells all that is wrong.
func readAll(r *web.Request, t tenant.Domain) (asked, error) {
	g, wrong := readAsked(r.Params, t, r.Caller)
	return g, told(wrong)
}
