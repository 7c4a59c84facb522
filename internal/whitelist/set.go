package whitelist

import (
	"errors"
	"net/netip"
	"strings"
)

// Set is a set of addresses and networks. An IPv4 address that is written as IPv6 is IPv4.
type Set struct {
	networks map[netip.Prefix]struct{}
	lengths  map[int]struct{} // the prefix lengths that occur: every request is looked up, and a file has few
}

// NewSet returns a set of these networks.
func NewSet(networks ...netip.Prefix) *Set {
	s := &Set{networks: map[netip.Prefix]struct{}{}, lengths: map[int]struct{}{}}
	for _, network := range networks {
		network = canonical(network)
		s.networks[network], s.lengths[network.Bits()] = struct{}{}, struct{}{}
	}
	return s
}

// mappedBits is the length of ::ffff:0:0/96, under which IPv6 writes IPv4.
const mappedBits = 96

// canonical is the one way of writing a network: IPv4 as IPv4, and no bits beyond its length.
func canonical(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p.Masked()
}

// Contains expects an address that is unmapped and has no zone. It does not walk the set.
func (s *Set) Contains(addr netip.Addr) bool {
	for bits := range s.lengths {
		network, err := addr.Prefix(bits)
		if err != nil {
			continue // only an IPv6 network can be so long
		}
		if _, found := s.networks[network]; found {
			return true
		}
	}
	return false
}

// Count is the number of addresses and networks.
func (s *Set) Count() int { return len(s.networks) }

// ParseNetwork reads one address or CIDR as a line of the file has it, in its canonical form: bits of
// a CIDR behind its length are dropped. The error says what to write instead and does not repeat the text.
func ParseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "%") {
		return netip.Prefix{}, errors.New("has a zone; write the address alone")
	}
	if strings.Contains(text, "/") {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return netip.Prefix{}, errors.New("is not a CIDR; write one such as 192.0.2.0/24 or 2001:db8::/32")
		}
		return canonical(network), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, errors.New("is neither an IP address nor a CIDR; write one of them a line, and # before a comment")
	}
	return single(addr), nil
}

// single is the network of one address.
func single(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen())
}

// Format writes a network as a person would: one address without a length.
func Format(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
