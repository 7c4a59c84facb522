package tenant

import "testing"

func TestDomains(t *testing.T) {
	t.Parallel()
	one, two := Domain{UUID: "1", Name: "one.example"}, Domain{UUID: "2", Name: "Two.example"}
	for name, c := range map[string]struct {
		domains              Domains
		byName, byUUID, none bool // holds TWO.EXAMPLE, the uuid 2, and what belongs to no domain
		uuids                int
		names                string
	}{
		"all":       {All, true, true, true, 0, ""},
		"none":      {Domains{}, false, false, false, 0, ""},
		"the other": {Only(one), false, false, false, 1, "one.example"},
		"both":      {Only(one, two), true, true, false, 2, "one.example, Two.example"},
	} {
		d := c.domains
		if d.Hold("TWO.EXAMPLE") != c.byName || d.HoldUUID("2") != c.byUUID || d.HoldUUID("") != c.none || d.Hold("") != c.none {
			t.Errorf("%s: holds by name %t, by uuid %t, of none %t", name, d.Hold("TWO.EXAMPLE"), d.HoldUUID("2"), d.HoldUUID(""))
		}
		if uuids := d.UUIDs(); uuids == nil || len(uuids) != c.uuids || d.Names() != c.names {
			t.Errorf("%s: uuids %v, names %q", name, uuids, d.Names())
		}
	}
	if got, found := Only(one, two).Find("two.EXAMPLE"); !found || got != two {
		t.Errorf("found %v", got)
	}
}
