package jobs

import (
	"slices"
	"strings"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// filter reads which jobs a list is to show: of the caller's domains or of the one named, of a kind, in
// a state, with an external_id, made within a time.
func filter(r *web.Request) (tasks.Filter, error) {
	f := tasks.Filter{Domains: r.Caller.Domains, Kind: tasks.Kind(r.Params.Get("kind")), State: tasks.State(r.Params.Get("state")),
		ExternalID: r.Params.Get("external_id")}
	if f.Kind != "" && !slices.Contains(tasks.Kinds, f.Kind) {
		return f, fault.Invalid("kind", "unknown kind %.200q; use one of %s", f.Kind, strings.Join(web.NamesOf(tasks.Kinds), ", "))
	}
	if f.State != "" && !slices.Contains(tasks.States, f.State) {
		return f, fault.Invalid("state", "unknown state %.200q; use one of %s", f.State, strings.Join(web.NamesOf(tasks.States), ", "))
	}
	if err := CheckExternalID(f.ExternalID); err != nil {
		return f, err
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
	f.After, f.Limit, err = r.Params.Page()
	return f, err
}
