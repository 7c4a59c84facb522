package status

import (
	"strings"

	"trunkline/internal/tenant"
)

// tally counts things of which each belongs to none, one or several domains.
type tally struct {
	things int
	of     map[string][]int // the numbers of a domain's things, by its name in lower case
}

// add counts one thing. Domains are names in any case of letters; "" is no domain.
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
func (t tally) count(q tenant.Domains) int {
	switch {
	case q.All:
		return t.things
	case len(q.List) == 1:
		return len(t.of[strings.ToLower(q.List[0].Name)])
	}
	found := map[int]struct{}{} // one thing may be several domains'
	for _, domain := range q.List {
		for _, number := range t.of[strings.ToLower(domain.Name)] {
			found[number] = struct{}{}
		}
	}
	return len(found)
}
