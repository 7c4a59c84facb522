package pbxtest

import "strconv"

// SampleExtension is one extension of a sample, as a device registers.
type SampleExtension struct{ Number, Domain string }

// Extensions are the first n extensions of the sample, of its domains in turn; fewer where it has fewer.
func (s Sample) Extensions(n int) []SampleExtension {
	var all []SampleExtension
	for number := 0; len(all) < n; number++ {
		before := len(all)
		for _, d := range s.Domains {
			if number < d.Extensions && len(all) < n {
				all = append(all, SampleExtension{Number: strconv.Itoa(firstExtension + number), Domain: d.Name})
			}
		}
		if len(all) == before {
			break
		}
	}
	return all
}

// RegisterSample registers a device for each of the first n extensions of the sample.
func (s *Switch) RegisterSample(sample Sample, n int) {
	for i, e := range sample.Extensions(n) {
		s.AddRegistration(Registration{
			Profile: "internal", User: e.Number, Domain: e.Domain,
			Agent: "Yealink SIP-T46U 108.86.0.20", IP: "192.0.2." + strconv.Itoa(1+i%250), Port: 5060,
		})
	}
}
