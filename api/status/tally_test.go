package status

import (
	"testing"

	"trunkline/internal/tenant"
)

func TestTally(t *testing.T) {
	t.Parallel()
	var counted tally
	counted.add("One.example", "one.example") // the same twice over
	counted.add("one.example", "two.example")
	counted.add("two.example", "", "TWO.example")
	counted.add("", "")
	counted.add()
	one, two, three := tenant.Domain{Name: "one.example"}, tenant.Domain{Name: "Two.Example"}, tenant.Domain{Name: "three.example"}
	for _, c := range []struct {
		of   tenant.Domains
		want int
	}{
		{tenant.All, 5},
		{tenant.Only(one), 2},
		{tenant.Only(two), 2},
		{tenant.Only(three), 0},
		{tenant.Only(one, two, three), 3}, // and not 4: one thing is both domains'
		{tenant.Domains{}, 0},
	} {
		if got := counted.count(c.of); got != c.want {
			t.Errorf("%+v: got %d, want %d", c.of, got, c.want)
		}
	}
	if got := (tally{}).count(tenant.Only(one)); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}
