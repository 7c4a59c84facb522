package api

import "testing"

func TestTally(t *testing.T) {
	t.Parallel()
	var counted tally
	counted.add("One.example", "one.example") // the same twice over
	counted.add("one.example", "two.example")
	counted.add("two.example", "", "TWO.example")
	counted.add("", "")
	counted.add()
	one, two, three := tenant{name: "one.example"}, tenant{name: "Two.Example"}, tenant{name: "three.example"}
	for _, c := range []struct {
		of   reach
		want int
	}{
		{reach{all: true}, 5},
		{reach{domains: []tenant{one}}, 2},
		{reach{domains: []tenant{two}}, 2},
		{reach{domains: []tenant{three}}, 0},
		{reach{domains: []tenant{one, two, three}}, 3}, // and not 4: one thing is both domains'
		{reach{}, 0},
	} {
		if got := counted.count(c.of); got != c.want {
			t.Errorf("%+v: got %d, want %d", c.of, got, c.want)
		}
	}
	if got := (tally{}).count(reach{domains: []tenant{one}}); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}
