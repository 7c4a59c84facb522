package gateways

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gateway"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// GatewayPage is one page of gateways, by name.
type GatewayPage struct {
	Gateways []FoundGateway `json:"gateways"`
	Counts   map[string]int `json:"counts"`             // how many there are in each state, on all pages together
	Next     string         `json:"next,omitempty"`     // the after of the next page; absent on the last one
	Warnings []string       `json:"warnings,omitempty"` // a switch that does not answer, so that what it has loaded is UNKNOWN
}

// FoundGateway is a gateway in a list.
type FoundGateway struct {
	GatewayUUID   string          `json:"gateway_uuid" format:"uuid"` // FusionPBX's, and the name that FreeSWITCH knows
	GatewayName   string          `json:"gateway_name"`               // the label
	TenantDomain  string          `json:"tenant_domain"`              // its domain, or global
	DomainUUID    string          `json:"domain_uuid,omitempty" format:"uuid"`
	ExternalIDs   []string        `json:"external_ids"`   // by which callers know it
	GatewayDomain string          `json:"gateway_domain"` // the carrier's address
	Profile       string          `json:"profile"`        // the SIP profile
	Enabled       bool            `json:"enabled"`
	Description   string          `json:"description,omitempty"`
	State         string          `json:"state"`                         // FreeSWITCH's word for the registration, NOT_LOADED or UNKNOWN
	Status        string          `json:"status" enum:"UP,DOWN,UNKNOWN"` // UP if it is up on every switch that it is meant for; UNKNOWN if one does not answer
	Switches      []gateway.Shown `json:"switches"`
}

// states are what the state of a gateway can be.
var states = []string{
	freeswitch.StateUnreged, freeswitch.StateTrying, freeswitch.StateRegister, freeswitch.StateReged, freeswitch.StateUnregister, freeswitch.StateFailed,
	freeswitch.StateFailWait, freeswitch.StateExpired, freeswitch.StateNoReg, freeswitch.StateDown, freeswitch.StateTimeout, gateway.StateNotLoaded, gateway.StateUnknown,
}

// StateNames are what the state of a gateway can be, in the order of a registration.
func StateNames() []string { return slices.Clone(states) }

var statuses = []string{freeswitch.StatusUp, statusDown, gateway.StateUnknown}

// filterParams are by which gateways are chosen.
var filterParams = []web.Param{
	{Name: "tenant_domain", About: "Those of the domain, or global for those of none. Left out: all that the caller sees."},
	{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
	{Name: "profile", About: "Those of a SIP profile."},
	{Name: "state", About: "Those in a state.", Choices: states},
	{Name: "status", About: "Those that are up, down, or not known to be either.", Choices: statuses},
	{Name: "enabled", About: "Those that are enabled, or not.", Kind: web.KindFlag},
	{Name: "external_id", About: "The one that has the caller's own name."},
	{Name: "text", About: "Those with the text in name, description, proxy or account, in any case of letters."},
}

// filter chooses gateways; the zero value of a field chooses all.
type filter struct {
	domains                      tenant.Domains
	profile, state, status, text string
	enabled                      *bool
	externalID                   string
}

// filterOf reads which gateways a request is about.
func filterOf(r *web.Request) (filter, error) {
	f := filter{
		profile: r.Params.Get("profile"), state: strings.ToUpper(r.Params.Get("state")),
		status: strings.ToUpper(r.Params.Get("status")), text: strings.ToLower(r.Params.Get("text")), externalID: r.Params.Get("external_id"),
	}
	var err error
	switch f.domains, err = r.DomainsOrGlobal(); {
	case err != nil:
		return f, err
	case f.state != "" && !slices.Contains(states, f.state):
		return f, fault.Invalid("state", "unknown state %.200q; use one of %s", f.state, strings.Join(states, ", "))
	case f.status != "" && !slices.Contains(statuses, f.status):
		return f, fault.Invalid("status", "unknown status %.200q; use one of %s", f.status, strings.Join(statuses, ", "))
	}
	if text := r.Params.Get("enabled"); text != "" {
		enabled, err := params.ParseFlag("enabled", text)
		if err != nil {
			return f, err
		}
		f.enabled = &enabled
	}
	return f, nil
}

// searched are the columns that a list and its filter need.
var searched = []string{"gateway", "username", "proxy", "realm", "profile", "hostname", "enabled", "description"}

// found is a gateway that a filter chose.
type found struct {
	row    fusionpbx.Gateway // searched columns alone
	shown  []gateway.Shown   // by the switches that it is meant for
	state  string
	status string
}

// find reads the gateways that the filter chooses, in the order of their names, and has each switch asked once for
// its list. It returns what the switches that do not answer say.
func (s *Service) find(r *web.Request, f filter) (all []found, warnings []string, err error) {
	ctx := r.Context()
	rows, err := s.filtered(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	views := s.viewSwitches(ctx, slices.ContainsFunc(rows, func(row fusionpbx.Gateway) bool { return row.Get("hostname") != "" }))
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for _, view := range views {
		if view.err != nil {
			warnings = append(warnings, view.err.Error())
		}
	}
	all = make([]found, 0, len(rows))
	for _, row := range rows {
		one := found{row: row, shown: shownBy(row, views)}
		one.state, one.status = gateway.StateOf(one.shown)
		if (f.state == "" || one.state == f.state) && (f.status == "" || one.status == f.status) {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return comparePlaces(a.place(), b.place()) })
	return all, warnings, nil
}

// filtered are the rows that the filter chooses as far as they say, whatever the switches do, with the searched columns
// alone.
func (s *Service) filtered(ctx context.Context, f filter) ([]fusionpbx.Gateway, error) {
	rows, err := s.db.GatewaysIn(ctx, f.domains, searched...)
	if err != nil {
		return nil, err
	}
	if f.externalID != "" {
		named, err := gateway.WithExternalID(ctx, s.pbx.Pool, f.externalID)
		if err != nil {
			return nil, err
		}
		rows = slices.DeleteFunc(rows, func(row fusionpbx.Gateway) bool { return !slices.Contains(named, row.UUID) })
	}
	return slices.DeleteFunc(rows, func(row fusionpbx.Gateway) bool { return !f.holds(row) }), nil
}

func rowsOf(all []found) (rows []fusionpbx.Gateway, uuids []string) {
	rows, uuids = make([]fusionpbx.Gateway, len(all)), make([]string, len(all))
	for i, one := range all {
		rows[i], uuids[i] = one.row, one.row.UUID
	}
	return rows, uuids
}

// holds reports whether the filter chooses the row, as far as the row says.
func (f filter) holds(row fusionpbx.Gateway) bool {
	switch {
	case f.profile != "" && row.Profile() != f.profile, f.enabled != nil && row.Enabled() != *f.enabled:
		return false
	case f.text == "":
		return true
	}
	return slices.ContainsFunc([]string{"gateway", "description", "proxy", "username"}, func(column string) bool {
		return strings.Contains(strings.ToLower(row.Get(column)), f.text)
	})
}

// place is where a gateway stands in the list.
type place struct{ label, uuid string }

func (f found) place() place { return place{f.row.Label(), f.row.UUID} }

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(a.uuid, b.uuid))
}

// next is the place as the after of a page.
func (p place) next() string { return base64.RawURLEncoding.EncodeToString([]byte(p.uuid + p.label)) }

// parsePlace reads what next has written.
func parsePlace(text string) (place, error) {
	const uuidLength = 36
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(plain) < uuidLength || !postgres.IsUUID(string(plain[:uuidLength])) || !params.IsText(string(plain)) {
		return place{}, fault.Invalid("after", "is not what the page before gave as next")
	}
	return place{label: string(plain[uuidLength:]), uuid: string(plain[:uuidLength])}, nil
}

// Search lists the gateways that the caller may see and asks for.
func (s *Service) Search(r *web.Request) (GatewayPage, error) { return s.search(r, false) }

// SearchOfAll is Search with Counts of what the caller asks for in any state, whichever is listed: the switches are asked
// once for both.
func (s *Service) SearchOfAll(r *web.Request) (GatewayPage, error) { return s.search(r, true) }

func (s *Service) search(r *web.Request, countAll bool) (page GatewayPage, err error) {
	f, err := filterOf(r)
	if err != nil {
		return page, err
	}
	limit, err := r.Params.Limit()
	if err != nil {
		return page, err
	}
	from := 0
	after := place{}
	if text := r.Params.Get("after"); text != "" {
		if after, err = parsePlace(text); err != nil {
			return page, err
		}
	}
	listed := f.state
	if countAll {
		f.state = ""
	}
	all, warnings, err := s.find(r, f)
	if err != nil {
		return page, err
	}
	page = GatewayPage{Counts: map[string]int{}, Warnings: warnings}
	for _, one := range all {
		page.Counts[one.state]++
	}
	if countAll && listed != "" {
		all = slices.DeleteFunc(all, func(one found) bool { return one.state != listed })
	}
	for _, one := range all {
		if after.uuid != "" && comparePlaces(one.place(), after) <= 0 {
			from++
		}
	}
	all = all[from:]
	if len(all) > limit {
		all = all[:limit]
		page.Next = all[limit-1].place().next()
	}
	page.Gateways, err = s.entries(r, all)
	return page, err
}

// entries are the gateways as a list shows them.
func (s *Service) entries(r *web.Request, some []found) ([]FoundGateway, error) {
	rows, uuids := rowsOf(some)
	names, err := s.domainNames(r.Context(), rows)
	if err != nil {
		return nil, err
	}
	ids, err := gateway.ExternalIDs(r.Context(), s.pbx.Pool, uuids)
	if err != nil {
		return nil, err
	}
	history, err := gateway.ReadHistory(r.Context(), s.pbx.Pool, uuids)
	if err != nil {
		return nil, err
	}
	entries := make([]FoundGateway, len(some))
	for i, one := range some {
		history.AddTo(one.row.UUID, one.shown)
		entries[i] = FoundGateway{
			GatewayUUID: one.row.UUID, GatewayName: one.row.Label(), TenantDomain: names[one.row.DomainUUID], DomainUUID: one.row.DomainUUID,
			ExternalIDs: append([]string{}, ids[one.row.UUID]...), GatewayDomain: one.row.Address(), Profile: one.row.Profile(), Enabled: one.row.Enabled(),
			Description: one.row.Get("description"), State: one.state, Status: one.status, Switches: one.shown,
		}
	}
	return entries, nil
}
