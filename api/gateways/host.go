package gateways

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

const (
	// maxHost and maxLabel bound a host's name and what stands between its dots (RFC 1035).
	maxHost  = 253
	maxLabel = 63
)

// hostLabel is what may stand between the dots: carriers do have names with an underscore.
var hostLabel = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$`)

// isHostPort reports whether the text is a host, or one with a port, as a SIP address has it: IPv6 in brackets.
func isHostPort(text string) bool {
	host, port, given := text, "", false
	if inside, bracketed := strings.CutPrefix(text, "["); bracketed {
		address, after, closed := strings.Cut(inside, "]")
		ip, err := netip.ParseAddr(address)
		if !closed || err != nil || !ip.Is6() || ip.Zone() != "" {
			return false
		}
		if after == "" {
			return true
		}
		port, given = strings.CutPrefix(after, ":")
		return given && isPort(port)
	}
	if host, port, given = strings.Cut(text, ":"); given && !isPort(port) {
		return false
	}
	return isHost(host)
}

// isHost reports whether the text is an address of IPv4 or a name.
func isHost(text string) bool {
	if strings.Trim(text, "0123456789.") == "" {
		ip, err := netip.ParseAddr(text)
		return err == nil && ip.Is4()
	}
	text = strings.TrimSuffix(text, ".")
	if len(text) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if len(label) > maxLabel || !hostLabel.MatchString(label) {
			return false
		}
	}
	return true
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0 && text[0] != '+'
}
