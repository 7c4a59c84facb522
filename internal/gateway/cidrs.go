package gateway

import (
	"net/netip"
	"slices"
	"strings"

	"trunkline/internal/fault"
)

const (
	// mostCIDRs is how many networks one gateway's carrier may call from.
	mostCIDRs = 64
	// A list of carriers that call without credentials lets nobody in by the continent.
	leastBits4, leastBits6 = 8, 16
)

// ParseCIDRs reads addresses and networks with commas between, and returns them as CIDRs, masked, sorted and each once;
// none clears them. name is what the caller calls them.
func ParseCIDRs(name, text string) ([]string, error) {
	cidrs := []string{}
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		prefix, err := parsePrefix(one)
		switch {
		case err != nil:
			return nil, fault.Invalid(name, "%q is no address and no network; write such as 192.0.2.10 or 192.0.2.0/24, with commas between", fault.Clip(one))
		case prefix.Addr().Is4() && prefix.Bits() < leastBits4 || prefix.Addr().Is6() && prefix.Bits() < leastBits6:
			return nil, fault.Invalid(name, "%s is wider than /%d (IPv4) or /%d (IPv6): whoever is in it calls without credentials; name the carrier's own networks",
				prefix, leastBits4, leastBits6)
		}
		cidrs = append(cidrs, prefix.String())
	}
	slices.Sort(cidrs)
	if cidrs = slices.Compact(cidrs); len(cidrs) > mostCIDRs {
		return nil, fault.Invalid(name, "are more than %d; name wider networks", mostCIDRs)
	}
	return cidrs, nil
}

// parsePrefix reads an address or a network; what is IPv4 within IPv6 is IPv4.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, err
	}
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// canonical is a node's CIDR as ParseCIDRs writes it, or as it is if it is none.
func canonical(cidr string) string {
	if prefix, err := parsePrefix(strings.TrimSpace(cidr)); err == nil {
		return prefix.String()
	}
	return cidr
}
