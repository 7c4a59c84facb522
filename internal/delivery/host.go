package delivery

import (
	"net/netip"
	"regexp"

	"trunkline/internal/fault"
)

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,62}))*\.?$`)

// maxHost is how long a host's name may be.
const maxHost = 253

// CheckHost refuses what is neither the name of a host nor an address. The error names the parameter.
func CheckHost(parameter, host string) error {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return fault.Missing(parameter)
	case err == nil && addr.Zone() == "":
		return nil
	case len(host) > maxHost || !hostPattern.MatchString(host):
		return fault.Invalid(parameter, "%q is neither the name of a host nor an address; write one such as files.example or 203.0.113.7, without a port", fault.Clip(host))
	}
	return nil
}

// CheckPort refuses what is no port; 0 is the usual one.
func CheckPort(parameter string, port int) error {
	const most = 1<<16 - 1
	if port < 0 || port > most {
		return fault.Invalid(parameter, "is not a port; write one from 1 to %d", most)
	}
	return nil
}

// CheckLine refuses a text that is longer, or holds what ends a line or cannot be seen. The error names the parameter.
func CheckLine(parameter, text string, most int) error {
	if len(text) > most {
		return fault.Invalid(parameter, "has %d bytes; %d are allowed", len(text), most)
	}
	if !printable(text) {
		return fault.Invalid(parameter, "holds a line break or another character that cannot be printed; take it out")
	}
	return nil
}
