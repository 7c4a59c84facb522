package jobs

import (
	"slices"
	"strings"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// filterParams are what filter reads.
var filterParams = []web.Param{
	{Name: "kind", About: "Those of a kind.", Choices: web.NamesOf(tasks.Kinds)},
	{Name: "state", About: "Those in a state.", Choices: web.NamesOf(tasks.States)},
	{Name: "created_after", About: "A time, or a date in UTC: those made then or later."},
	{Name: "created_before", About: "A time, or a date in UTC: those made before."},
	{Name: "external_id", About: "Those with the caller's own name.", Most: MaxKey},
	{Name: "who", About: "Those that user@domain, or token:NAME, asked for.", Most: MaxKey},
	{Name: "text", About: "Those with the text in their error or in what they are about, in any case of letters. With created_after.", Most: MaxKey},
	{Name: "tenant_domain", About: "The domain, or global for those of none. Left out: all that the caller sees."},
	{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
}

// filter reads which jobs a list is to show: of the caller's domains or of the one named, of a kind, in
// a state, with an external_id, asked for by somebody, with a text, made within a time.
func filter(r *web.Request) (tasks.Filter, error) {
	f := tasks.Filter{Domains: r.Caller.Domains, Kind: tasks.Kind(r.Params.Get("kind")), State: tasks.State(r.Params.Get("state")),
		ExternalID: r.Params.Get("external_id"), Who: r.Params.Get("who"), Text: r.Params.Get("text")}
	if f.Kind != "" && !slices.Contains(tasks.Kinds, f.Kind) {
		return f, fault.Invalid("kind", "unknown kind %.200q; use one of %s", f.Kind, strings.Join(web.NamesOf(tasks.Kinds), ", "))
	}
	if f.State != "" && !slices.Contains(tasks.States, f.State) {
		return f, fault.Invalid("state", "unknown state %.200q; use one of %s", f.State, strings.Join(web.NamesOf(tasks.States), ", "))
	}
	for _, name := range []string{"external_id", "who", "text"} {
		if len(r.Params.Get(name)) > MaxKey {
			return f, fault.Invalid(name, "is longer than %d bytes", MaxKey)
		}
	}
	t, named, err := r.Tenant()
	if err != nil {
		return f, err
	}
	if named {
		f.Domains = tenant.Only(t)
		if t.UUID == "" { // of no domain: global gateways, and exports of all domains
			f.Domains, f.NoDomain = tenant.All, true
		}
	}
	if f.CreatedFrom, err = r.Params.Time("created_after"); err != nil {
		return f, err
	}
	if f.CreatedBefore, err = r.Params.Time("created_before"); err != nil {
		return f, err
	}
	if f.CreatedFrom != nil && f.CreatedBefore != nil && !f.CreatedFrom.Before(*f.CreatedBefore) {
		return f, fault.Invalid("created_before", "is not after created_after")
	}
	if f.Text != "" && f.CreatedFrom == nil {
		return f, fault.Invalid("text", "is looked for within a span of time; give created_after too")
	}
	return f, nil
}
