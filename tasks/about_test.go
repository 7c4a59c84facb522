package tasks_test

import (
	"slices"
	"testing"

	"trunkline/internal/tenant"
)

// Whatever has taken a turn at a key is found by it, also once it has ended, of those domains alone and in pages.
func TestJobsAboutAKey(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	one := request(b.keys, "one")
	one.OrderKeys = []string{"gateway:a:carrier", "gateway_uuid:1"}
	first := b.submit(t, one)
	_, err := b.Cancel(t.Context(), first.ID, tenant.All)
	must(t, err)
	other := request(b.keys, "other")
	other.OrderKeys = []string{"gateway:a:other", "gateway:a:renamed"}
	b.submit(t, other)
	many := b.submit(t, b.many("many", "gateway:a:third", "gateway:a:carrier", "gateway:a:fourth"))
	theirs := request(b.keys, "theirs")
	theirs.DomainUUID = domainB
	foreign := b.submit(t, theirs)

	own := tenant.Only(tenant.Domain{UUID: domainA})
	all := []string{foreign.ID, many.ID, first.ID}
	for name, c := range map[string]struct {
		keys    []string
		domains tenant.Domains
		limit   int
		want    []string
		next    bool
	}{
		"all":        {[]string{"gateway:a:carrier"}, tenant.All, 10, all, false},
		"its own":    {[]string{"gateway:a:carrier"}, own, 10, all[1:], false},
		"a page":     {[]string{"gateway:a:carrier", "gateway_uuid:1"}, tenant.All, 2, all[:2], true},
		"nothing":    {[]string{"gateway:a:nobody"}, tenant.All, 10, nil, false},
		"other keys": {[]string{"gateway_uuid:1"}, tenant.All, 10, all[2:], false},
	} {
		touches, next, err := b.About(t.Context(), c.keys, c.domains, "", c.limit)
		must(t, err)
		var got []string
		for _, touch := range touches {
			got = append(got, touch.Job.ID)
			if is := touch.Item != nil; is != (touch.Job.ID == many.ID) || is && touch.Item.Number != 2 {
				t.Errorf("%s: of job %s it is item %+v", name, touch.Job.ID, touch.Item)
			}
		}
		if !slices.Equal(got, c.want) || (next != "") != c.next {
			t.Errorf("%s: got %v, next %q; want %v", name, got, next, c.want)
		}
		if next == "" {
			continue
		}
		rest, last, err := b.About(t.Context(), c.keys, c.domains, next, c.limit)
		if must(t, err); len(rest) != 1 || rest[0].Job.ID != first.ID || last != "" {
			t.Errorf("%s: the next page is %+v, %q", name, rest, last)
		}
	}
	beside, err := b.KeysBeside(t.Context(), "gateway_uuid:1", "gateway:a:")
	if must(t, err); !slices.Equal(beside, []string{"gateway:a:carrier"}) {
		t.Errorf("beside it stand %v", beside)
	}
}
