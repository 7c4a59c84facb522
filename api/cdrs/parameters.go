package cdrs

import (
	"cmp"
	"strings"
	"time"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// requestOf reads what an export is asked for, and whether the file itself is wanted as the answer.
func (s *Service) requestOf(r *web.Request) (p cdr.Request, asked fileAsked, err error) {
	t, err := tenantOf(r)
	if err != nil {
		return p, asked, err
	}
	asked = asksForFile(r.Header("Accept"))
	if p, err = readContent(r.Params, t, asked); err != nil {
		return p, asked, err
	}
	p.Window = windowOf(r)
	if err := p.Resolve(r.Context(), s.db); err != nil || s.settings.ExportDays == 0 {
		return p, asked, err
	}
	return p, asked, AtMostDays(p.Window, s.settings.ExportDays)
}

// tenantOf is the domain whose CDRs are asked for; a superadmin who names none asks for all.
func tenantOf(r *web.Request) (tenant.Domain, error) {
	t, named, err := r.Tenant()
	if err != nil {
		return tenant.Domain{}, err
	}
	if named && t.UUID == "" {
		return tenant.Domain{}, fault.Invalid("tenant_domain", "%s is for gateways; leave tenant_domain out to export all domains", tenant.Global)
	}
	if !named && r.Caller.Domains.All {
		return tenant.Domain{}, nil
	}
	return r.OneTenant()
}

// windowOf is the span that the parameters ask for; it must be resolved.
func windowOf(r *web.Request) cdr.Window {
	return cdr.Window{DateStart: r.Params.Get("date_start"), DateEnd: r.Params.Get("date_end"), TimeZone: r.Params.Get("time_zone")}
}

// usualWindowOf is windowOf, or the last usualSpan if no dates are given.
func usualWindowOf(r *web.Request) cdr.Window {
	w := windowOf(r)
	if w.DateStart == "" && w.DateEnd == "" {
		now := time.Now().UTC()
		w.DateStart, w.DateEnd = now.Add(-usualSpan).Format(time.RFC3339), now.Format(time.RFC3339)
	}
	return w
}

// columnsAsked is the list of columns that is asked for: the view of FusionPBX's page has those of the page.
func columnsAsked(given params.Values) []string {
	columns := params.Split(given.Get("columns"))
	if len(columns) == 0 && strings.EqualFold(given.Get("view"), viewFusionPBX) {
		return []string{cdr.SetFusionPBX}
	}
	return columns
}

// The views of CDRs.
const (
	viewAll       = "all"
	viewFusionPBX = "fusionpbx"
)

// filterParams narrow down which CDRs are meant.
var filterParams = []web.Param{
	{Name: "view", About: "fusionpbx: what FusionPBX's own page shows, without calls that were answered elsewhere (LOSE_RACE), leg b and rows of no domain, and with its columns if none are asked for. all: every row.", Choices: []string{viewAll, viewFusionPBX}},
	{Name: "extension", About: "Calls of these extensions: their numbers, separated by commas."},
	{Name: "direction", About: "inbound, outbound or local; several are separated by commas."},
	{Name: "leg", About: "One of a call's legs.", Choices: []string{"a", "b"}},
	{Name: "answered", About: "true: answered calls alone.", Kind: web.KindFlag},
	{Name: "hangup_cause", About: "Such as NORMAL_CLEARING; several are separated by commas."},
	{Name: "min_billsec", About: "Calls of at least so many billed seconds.", Kind: web.KindNumber, Least: 0, Most: mostBillsec},
	{Name: "caller_prefix", About: "What the caller's number begins with."},
	{Name: "destination_prefix", About: "What the destination begins with."},
	{Name: "gateway", About: "Calls that were bridged to the gateway of this UUID.", Kind: web.KindUUID},
	{Name: "conference", About: "Calls in the conference of this name."},
	{Name: "queue", About: "Calls in this call centre queue: 8000@customer.example."},
}

// mostBillsec is the longest call that can be asked for, a year in seconds.
const mostBillsec = 366 * 24 * 60 * 60

// filterOf is what the parameters narrow the CDRs down to.
func filterOf(given params.Values) (c fusionpbx.CDRChoice, err error) {
	switch view := strings.ToLower(given.Get("view")); view {
	case "", viewAll:
	case viewFusionPBX:
		c.Page = true
	default:
		return c, fault.Invalid("view", "write %s or %s", viewAll, viewFusionPBX)
	}
	c.Extensions = params.Split(given.Get("extension"))
	c.Directions = params.Split(strings.ToLower(given.Get("direction")))
	c.HangupCauses = params.Split(strings.ToUpper(given.Get("hangup_cause")))
	c.Leg = strings.ToLower(given.Get("leg"))
	c.CallerPrefix, c.DestinationPrefix = given.Get("caller_prefix"), given.Get("destination_prefix")
	c.Conference, c.Queue = given.Get("conference"), given.Get("queue")
	if c.Answered, err = given.Flag("answered"); err != nil {
		return c, err
	}
	if c.MinBillsec, err = given.Number("min_billsec", 0, 0, mostBillsec); err != nil {
		return c, err
	}
	if c.Gateway = strings.ToLower(given.Get("gateway")); c.Gateway != "" && !postgres.IsUUID(c.Gateway) {
		return c, fault.Invalid("gateway", "is not a UUID; GET /v1/gateways lists those of the gateways")
	}
	return c, nil
}

// formatOf is the format that is asked for, or the usual one ("": JSON).
func formatOf(given params.Values, asked fileAsked, usual export.Format) (export.Format, error) {
	text := given.Get("format")
	if text == "" {
		return cmp.Or(asked.format, usual, export.JSON), nil
	}
	format, err := export.ParseFormat(web.Clip(text))
	if err != nil {
		return "", fault.Invalid("format", "%s", err)
	}
	if asked.format != "" && asked.format != format {
		return "", fault.Invalid("format", "is %s and Accept asks for %s; send one of them", format, asked.format)
	}
	return format, nil
}
