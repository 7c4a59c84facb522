package dial

import (
	"net"
	"net/netip"
	"slices"
)

// network is a span of addresses that are not those of the public internet.
type network struct {
	prefix netip.Prefix
	is     string // what it is, for people
}

// special are the networks of IANA's registries of special-purpose addresses, and what clouds answer their own machines at.
var special = []network{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared by a carrier's customers"},
	{netip.MustParsePrefix("127.0.0.0/8"), "this host itself"},
	{netip.MustParsePrefix("168.63.129.16/32"), "of a cloud's metadata"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, with a cloud's metadata"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved for protocols, with a cloud's metadata"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "of former 6to4 relays"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for measurements"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved or broadcast"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "this host itself"},
	{netip.MustParsePrefix("2001::/23"), "reserved for protocols"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
	{netip.MustParsePrefix("fc00::/7"), "unique-local"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// global is what of IPv6 is assigned to the public internet: what lies outside is refused, whatever it will be one day.
var global = netip.MustParsePrefix("2000::/3")

// The networks whose addresses hold one of IPv4.
var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
	teredo = netip.MustParsePrefix("2001::/32")
)

// within are the addresses to which a packet for this one goes, or may: those of IPv4 that it holds, else itself.
func within(addr netip.Addr) []netip.Addr {
	addr = addr.Unmap()
	if addr.Is4() {
		return []netip.Addr{addr}
	}
	b := addr.As16()
	ipv4 := func(at int) netip.Addr { return netip.AddrFrom4([4]byte(b[at : at+4])) }
	switch plain := addr.WithZone(""); {
	case nat64.Contains(plain):
		return []netip.Addr{ipv4(12)}
	case sixTo4.Contains(plain):
		return []netip.Addr{ipv4(2)}
	case teredo.Contains(plain):
		for i := 12; i < 16; i++ {
			b[i] ^= 0xff // it hides the client's address from those who would rewrite it
		}
		return []netip.Addr{ipv4(4), ipv4(12)}
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, below any network
		return []netip.Addr{addr, ipv4(12)}
	}
	return []netip.Addr{addr}
}

// specialIs says what an address is that holds no other, "" if it is a public one.
func specialIs(addr netip.Addr) string {
	if addr.Zone() != "" {
		return "link-local"
	}
	if i := slices.IndexFunc(special, func(n network) bool { return n.prefix.Contains(addr) }); i >= 0 {
		return special[i].is
	}
	if addr.Is6() && !global.Contains(addr) {
		return "reserved"
	}
	return ""
}

// isOurs reports whether this host has the address, by which firewalls let it reach what others cannot.
func isOurs(addr netip.Addr) bool {
	ours, err := net.InterfaceAddrs()
	if err != nil {
		return false // nothing can be known of it; loopback is refused by its number
	}
	return slices.ContainsFunc(ours, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == addr
	})
}
