package api

import (
	"fmt"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// jobFilter reads which jobs a list is to show: of the caller's domains or of the one named, of a kind, in
// a state, with an external_id, made within a time.
func (r *request) jobFilter() (tasks.Filter, error) {
	f := tasks.Filter{Domains: r.caller.Domains, Kind: tasks.Kind(r.params.get("kind")), State: tasks.State(r.params.get("state")),
		ExternalID: r.params.get("external_id")}
	if f.Kind != "" && !slices.Contains(tasks.Kinds, f.Kind) {
		return f, fault.Invalid("kind", "%q is none of %v", shortened(string(f.Kind)), tasks.Kinds)
	}
	if f.State != "" && !slices.Contains(tasks.States, f.State) {
		return f, fault.Invalid("state", "%q is none of %s", shortened(string(f.State)), strings.Trim(fmt.Sprint(tasks.States), "[]"))
	}
	if len(f.ExternalID) > maxKey {
		return f, fault.Invalid("external_id", "is longer than %d bytes", maxKey)
	}
	t, named, err := r.tenant()
	if err != nil {
		return f, err
	}
	if named {
		f.Domains = tenant.Only(t)
		if t.UUID == "" { // of no domain: global gateways, and exports of all domains
			f.Domains, f.NoDomain = tenant.All, true
		}
	}
	if f.CreatedFrom, err = r.moment("created_after"); err != nil {
		return f, err
	}
	if f.CreatedBefore, err = r.moment("created_before"); err != nil {
		return f, err
	}
	if f.CreatedFrom != nil && f.CreatedBefore != nil && !f.CreatedFrom.Before(*f.CreatedBefore) {
		return f, fault.Invalid("created_before", "is not after created_after")
	}
	if f.After, err = r.after(); err != nil {
		return f, err
	}
	f.Limit, err = r.limit()
	return f, err
}
