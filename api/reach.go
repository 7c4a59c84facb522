package api

import (
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/tasks"
)

// reach is the domains that a request is about.
type reach struct {
	all     bool
	domains []tenant // where not all
}

// reach is the domain that the request names, else all that the caller sees.
func (r *request) reach() (reach, error) {
	t, named, err := r.tenant()
	switch {
	case err != nil:
		return reach{}, err
	case named && t.uuid == "":
		return reach{}, fault.Invalid("tenant_domain", "%s is for gateways; name a domain, or leave tenant_domain out for all", tasks.GlobalDomain)
	case named:
		return reach{domains: []tenant{t}}, nil
	case r.caller.all:
		return reach{all: true}, nil
	}
	return reach{domains: r.caller.domains}, nil
}

// holds reports whether the domain of that name is among them, in any case of letters.
func (q reach) holds(domain string) bool {
	return q.all || slices.ContainsFunc(q.domains, func(t tenant) bool { return strings.EqualFold(t.name, domain) })
}

// uuids are the domains' uuids; nobody's where all are meant.
func (q reach) uuids() []string {
	uuids := make([]string, len(q.domains))
	for i, t := range q.domains {
		uuids[i] = t.uuid
	}
	return uuids
}

// tally counts things of which each belongs to none, one or several domains.
type tally struct {
	things int
	of     map[string][]int // the numbers of a domain's things, by its name in lower case
}

// add counts one thing. Domains are names in any case, "" is none.
func (t *tally) add(domains ...string) {
	if t.of == nil {
		t.of = map[string][]int{}
	}
	for _, domain := range domains {
		domain = strings.ToLower(domain)
		numbers := t.of[domain]
		if domain == "" || len(numbers) > 0 && numbers[len(numbers)-1] == t.things {
			continue
		}
		t.of[domain] = append(numbers, t.things)
	}
	t.things++
}

// count is how many things belong to any of the domains.
func (t tally) count(q reach) int {
	switch {
	case q.all:
		return t.things
	case len(q.domains) == 1:
		return len(t.of[strings.ToLower(q.domains[0].name)])
	}
	found := map[int]struct{}{} // one thing may be several domains'
	for _, domain := range q.domains {
		for _, number := range t.of[strings.ToLower(domain.name)] {
			found[number] = struct{}{}
		}
	}
	return len(found)
}
