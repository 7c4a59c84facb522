// Package access is who may call: whose address a request comes from, what credentials it shows, who has
// them and which domains and scopes are theirs, and the login gate that keeps passwords from being
// guessed. Of HTTP it knows a request's headers and no more; what a refusal looks like is package api's.
package access

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/whitelist"
)

// Locator finds out which address a request comes from.
type Locator struct {
	trusted *whitelist.Set // the proxies whose X-Forwarded-For is believed
}

// NewLocator returns a locator that believes these proxies, and no other, who it is that they speak for.
func NewLocator(proxies []netip.Prefix) Locator {
	return Locator{trusted: whitelist.NewSet(proxies...)}
}

// forwardingHeaders are what a proxy adds to a request.
var forwardingHeaders = []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"}

// Locate returns the caller's address: the peer's or, if that is a trusted proxy, the right-most
// address in X-Forwarded-For that is not one. What stands further left is the caller's own words. The
// peer is a request's RemoteAddr.
//
// A request whose address cannot be known is refused. The one that matters is nginx on this host
// before a front end that does not trust it: everybody would be 127.0.0.1.
func (l Locator) Locate(remote string, header http.Header) (netip.Addr, error) {
	peer, ok := ParseAddress(remote)
	if !ok {
		return netip.Addr{}, fault.Errorf(fault.UnknownAddress, "the caller's address cannot be read")
	}
	forwarded := func(name string) bool { return len(header.Values(name)) > 0 }
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
	return l.behind(peer, header.Values("X-Forwarded-For"))
}

// Untrusted is the peer if it says for whom it speaks and is not believed, as a proxy on another host may
// be that the settings do not name: all its callers are then one address. It may as well be a caller who
// makes it up, and is not refused.
func (l Locator) Untrusted(remote string, header http.Header) (peer netip.Addr, untrusted bool) {
	if len(header.Values("X-Forwarded-For")) == 0 {
		return peer, false
	}
	peer, known := ParseAddress(remote)
	return peer, known && !peer.IsLoopback() && !l.trusted.Contains(peer)
}

// Secure fails unless what is said to the peer stays between it and us: by TLS, through a trusted proxy that says that
// it was asked by https, or on this host.
func (l Locator) Secure(remote string, header http.Header, overTLS bool) error {
	peer, known := ParseAddress(remote)
	if known && l.trusted.Contains(peer) && len(header.Values("X-Forwarded-For")) > 0 {
		protos := header.Values("X-Forwarded-Proto")
		switch {
		case len(protos) == 1 && strings.EqualFold(strings.TrimSpace(protos[0]), "https"):
			return nil
		case len(protos) == 0:
			return fault.Errorf(fault.Forbidden, "the proxy %s does not say whether it was asked by https; have it set X-Forwarded-Proto, as deploy/nginx-trunkline.conf does", peer)
		}
		return errPlain
	}
	if overTLS || known && peer.IsLoopback() {
		return nil
	}
	return errPlain
}

var errPlain error = fault.Errorf(fault.Forbidden, "this came by plain HTTP, where others can read what is typed; use https:// (TRUNKLINE_TLS_CERT, or a proxy of TRUNKLINE_TRUSTED_PROXIES before Trunkline), or open this from its own host, as by ssh -L")

// Network is what counts as one address: of IPv6 the /64, since whoever has one address of it has them all.
func Network(addr netip.Addr) string {
	if !addr.Is6() || addr.Is4In6() {
		return addr.Unmap().String()
	}
	return netip.PrefixFrom(addr.WithZone(""), networkBits).Masked().String()
}

// networkBits is how much of an IPv6 address counts.
const networkBits = 64

// behind walks the hops from the right. All lines of the header are one list.
func (l Locator) behind(peer netip.Addr, lines []string) (netip.Addr, error) {
	hop := peer
	for _, text := range slices.Backward(strings.Split(strings.Join(lines, ","), ",")) {
		var ok bool
		if hop, ok = ParseAddress(text); !ok {
			return netip.Addr{}, fault.Errorf(fault.UnknownAddress, "X-Forwarded-For, as the proxy %s sends it, holds something that is no address; have it send addresses only", peer)
		}
		if !l.trusted.Contains(hop) {
			break
		}
	}
	return hop, nil
}

// ParseAddress reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1,
// [2001:db8::1]:80. An IPv4 address that is written as IPv6 is IPv4; a zone is dropped.
func ParseAddress(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	addr, err := netip.ParseAddr(text)
	for _, withPort := range []string{text, text + ":0"} { // the latter if it is in brackets without a port
		if err == nil {
			break
		}
		var both netip.AddrPort
		both, err = netip.ParseAddrPort(withPort)
		addr = both.Addr()
	}
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}
