package main

import (
	"fmt"
	"slices"
	"time"
)

// figure prints one measured value.
func figure(name string, value float64, unit string) {
	fmt.Printf("BENCH %s %.3f %s\n", name, value, unit)
}

// figures gathers what several pairs gave for each of several figures. The zero value has none.
type figures struct {
	names  []string // in the order in which they came
	units  map[string]string
	values map[string][]float64
}

func (f *figures) add(name string, value float64, unit string) {
	if f.values == nil {
		f.units, f.values = map[string]string{}, map[string][]float64{}
	}
	if !slices.Contains(f.names, name) {
		f.names = append(f.names, name)
	}
	f.units[name], f.values[name] = unit, append(f.values[name], value)
}

// print prints the median of each.
func (f *figures) print() {
	for _, name := range f.names {
		figure(name, median(f.values[name]), f.units[name])
	}
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile is the value below which the given part of the values lies, by nearest rank.
func quantile(values []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
