package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/whitelist"
)

// locator finds out whose request it is.
type locator struct {
	trusted *whitelist.Set // the proxies whose X-Forwarded-For is believed
}

func newLocator(proxies []netip.Prefix) locator {
	return locator{trusted: whitelist.NewSet(proxies...)}
}

// forwardingHeaders are what a proxy adds to a request.
var forwardingHeaders = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"}

// locate returns the caller's address: the peer's or, where that is a trusted proxy, the right-most
// address in X-Forwarded-For that is not one. What stands further left is the caller's own words.
//
// A request whose address cannot be known is refused. The one that matters is nginx on this host
// before a front end that does not trust it: everybody would be 127.0.0.1.
func (l locator) locate(req *http.Request) (netip.Addr, error) {
	peer, ok := parseHop(req.RemoteAddr)
	if !ok {
		return netip.Addr{}, fault.Errorf(fault.UnknownAddress, "the caller's address cannot be read")
	}
	forwarded := func(header string) bool { return len(req.Header.Values(header)) > 0 }
	if !l.trusted.Contains(peer) {
		if peer.IsLoopback() && slices.ContainsFunc(forwardingHeaders, forwarded) {
			return netip.Addr{}, fault.Errorf(fault.UntrustedProxy, "this request came through a proxy on this host that Trunkline does not trust, so the caller's address is not known; "+
				"set TRUNKLINE_TRUSTED_PROXIES=%s and have the proxy set X-Forwarded-For", peer)
		}
		return peer, nil
	}
	if !forwarded("X-Forwarded-For") {
		if slices.ContainsFunc(forwardingHeaders, forwarded) {
			return netip.Addr{}, fault.Errorf(fault.UnknownAddress, "the proxy %s does not say whose request this is; have it set X-Forwarded-For", peer)
		}
		return peer, nil // the proxy's own request, or one from its host
	}
	return l.behind(peer, req.Header.Values("X-Forwarded-For"))
}

// behind walks the hops from the right. All lines of the header are one list.
func (l locator) behind(peer netip.Addr, lines []string) (netip.Addr, error) {
	hop := peer
	for _, text := range slices.Backward(strings.Split(strings.Join(lines, ","), ",")) {
		var ok bool
		if hop, ok = parseHop(text); !ok {
			return netip.Addr{}, fault.Errorf(fault.UnknownAddress, "X-Forwarded-For, as the proxy %s sends it, holds something that is no address; have it send addresses only", peer)
		}
		if !l.trusted.Contains(hop) {
			break
		}
	}
	return hop, nil
}

// parseHop reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1,
// [2001:db8::1]:80. An IPv4 address that is written as IPv6 is IPv4; a zone is dropped.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(text)
	if inner, found := strings.CutPrefix(text, "["); err != nil && found && strings.HasSuffix(inner, "]") {
		addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err == nil && addr.Is4() {
			return netip.Addr{}, false
		}
	} else if err != nil {
		var both netip.AddrPort
		both, err = netip.ParseAddrPort(text)
		addr = both.Addr()
	}
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}
