package export

import (
	"fmt"
	"slices"
	"testing"
)

func TestSum(t *testing.T) {
	t.Parallel()
	largest := slices.Repeat([]string{"999999999999999"}, 20000) // which together are more than an int64 holds
	for name, tt := range map[string]struct {
		numbers []string
		want    float64
		none    bool
	}{
		"nothing":        {nil, 0, false},
		"whole numbers":  {[]string{"1", "60", "0"}, 61, false},
		"fractions":      {[]string{"1", "-0.5", "1e2"}, 100.5, false},
		"the largest":    {largest, 20000 * 999999999999999.0, false},
		"no number":      {[]string{"1", "NaN"}, 0, true},
		"infinite":       {[]string{"1", "Infinity"}, 0, true},
		"no double":      {[]string{"1", "1e1000"}, 0, true},
		"none together":  {[]string{"1e308", "1e308"}, 0, true},
		"both infinites": {[]string{"Infinity", "-Infinity"}, 0, true},
	} {
		var s sum
		for _, number := range tt.numbers {
			s.add([]byte(number))
		}
		s.add(nil)
		if got := s.total(); (got == nil) != tt.none || got != nil && *got != tt.want {
			t.Errorf("%s: got %v, want %v", name, printed(got), tt.want)
		}
	}
}

// printed prints a number that may not be there.
func printed(f *float64) string {
	if f == nil {
		return "none"
	}
	return fmt.Sprint(*f)
}
