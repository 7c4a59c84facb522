package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline/tasks"
)

// jobFilter reads which jobs a list is to show: of the caller's domains or of the one named, of a kind, in
// a state, with an external_id, made within a time.
func (r *request) jobFilter() (tasks.Filter, error) {
	f := tasks.Filter{Scope: r.caller.jobs(), Kind: tasks.Kind(r.params.get("kind")), State: tasks.State(r.params.get("state")),
		ExternalID: r.params.get("external_id"), Before: r.params.get("after")}
	if f.Kind != "" && f.Kind != tasks.KindProvision && f.Kind != tasks.KindExport {
		return f, invalidf("kind", "%q is neither %s nor %s", shortened(string(f.Kind)), tasks.KindProvision, tasks.KindExport)
	}
	if f.State != "" && !slices.Contains(tasks.States, f.State) {
		return f, invalidf("state", "%q is none of %s", shortened(string(f.State)), strings.Trim(fmt.Sprint(tasks.States), "[]"))
	}
	if len(f.ExternalID) > maxKey {
		return f, invalidf("external_id", "is longer than %d bytes", maxKey)
	}
	if f.Before != "" && !isUUID(f.Before) {
		return f, invalidf("after", "is not what the page before gave as next")
	}
	t, named, err := r.tenant()
	if err != nil {
		return f, err
	}
	if named {
		f.Scope = tasks.Scope{DomainUUIDs: []string{t.uuid}}
		if t.uuid == "" { // of no domain: global gateways, and exports of all domains
			f.Scope, f.NoDomain = tasks.Scope{All: true}, true
		}
	}
	if f.CreatedFrom, err = r.moment("created_after"); err != nil {
		return f, err
	}
	if f.CreatedBefore, err = r.moment("created_before"); err != nil {
		return f, err
	}
	if f.CreatedFrom != nil && f.CreatedBefore != nil && !f.CreatedFrom.Before(*f.CreatedBefore) {
		return f, invalidf("created_before", "is not after created_after")
	}
	f.Limit, err = r.limit()
	return f, err
}

// moment reads a time, nil where it was not given. A date is its first moment in UTC.
func (r *request) moment(parameter string) (*time.Time, error) {
	text := r.params.get(parameter)
	if text == "" {
		return nil, nil
	}
	t, ok := parseStart(text, time.UTC)
	if !ok {
		return nil, invalidf(parameter, "%q is not a time; write 2024-01-31 or 2024-01-31T18:00:00Z", shortened(text))
	}
	t = withinCalendar(t)
	return &t, nil
}

// limit reads how long a page may be.
func (r *request) limit() (int, error) {
	text := r.params.get("limit")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, invalidf("limit", "is not a number from 1 to %d", maxPage)
	}
	return n, nil
}
