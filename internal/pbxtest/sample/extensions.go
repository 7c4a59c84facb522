package sample

import "strconv"

// Extension is one extension of a sample, as a device registers.
type Extension struct{ Number, Domain string }

// Extensions are the first n extensions of the sample, of its domains in turn; fewer if it has fewer.
func (s PBX) Extensions(n int) []Extension {
	var all []Extension
	for number := 0; len(all) < n; number++ {
		before := len(all)
		for _, d := range s.Domains {
			if number < d.Extensions && len(all) < n {
				all = append(all, Extension{Number: strconv.Itoa(firstExtension + number), Domain: d.Name})
			}
		}
		if len(all) == before {
			break
		}
	}
	return all
}
