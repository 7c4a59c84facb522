package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

const (
	// maxWhitelistBytes bounds the file. A line has some 20 bytes.
	maxWhitelistBytes = 4 << 20
	// maxWhitelistErrors is how many broken lines are named at once.
	maxWhitelistErrors = 10
	// maxWhitelistQuote is how much of a broken line is repeated, in bytes.
	maxWhitelistQuote = 64
)

// addressSet is a set of addresses and networks. An IPv4 address that is written as IPv6 is IPv4.
type addressSet struct {
	networks map[netip.Prefix]struct{}
	lengths  map[length]struct{} // the prefix lengths that occur, so that a look-up need not walk the set
}

type length struct {
	is4  bool
	bits int
}

func newAddressSet() *addressSet {
	return &addressSet{networks: map[netip.Prefix]struct{}{}, lengths: map[length]struct{}{}}
}

// mappedBits is the length of ::ffff:0:0/96, under which IPv6 writes IPv4.
const mappedBits = 96

func (s *addressSet) add(p netip.Prefix) {
	if p.Addr().Is4In6() && p.Bits() >= mappedBits {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	p = p.Masked()
	s.networks[p] = struct{}{}
	s.lengths[length{p.Addr().Is4(), p.Bits()}] = struct{}{}
}

// contains expects an address that is unmapped and has no zone.
func (s *addressSet) contains(addr netip.Addr) bool {
	for l := range s.lengths {
		if l.is4 != addr.Is4() {
			continue
		}
		network, err := addr.Prefix(l.bits)
		if err != nil {
			continue
		}
		if _, found := s.networks[network]; found {
			return true
		}
	}
	return false
}

func (s *addressSet) count() int { return len(s.networks) }

// parseWhitelist reads the documented file: one address or CIDR a line, # starts a comment. Bits of a
// CIDR behind its length are ignored. The error names every broken line, up to maxWhitelistErrors, or
// is errWhitelistEmpty.
func parseWhitelist(content []byte) (*addressSet, error) {
	if len(content) > maxWhitelistBytes {
		return nil, fmt.Errorf("the file is larger than %d bytes; shorten it with CIDRs", maxWhitelistBytes)
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // what Windows editors begin a file with
	set := newAddressSet()
	var broken []error
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		text, _, _ := strings.Cut(line, "#")
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		network, reason := parseNetwork(text)
		if reason == "" {
			set.add(network)
			continue
		}
		if len(broken) == maxWhitelistErrors {
			broken = append(broken, errors.New("and more lines after these"))
			break
		}
		broken = append(broken, fmt.Errorf("line %d: %q %s", number, text[:min(len(text), maxWhitelistQuote)], reason))
	}
	if len(broken) > 0 {
		return nil, errors.Join(broken...)
	}
	if set.count() == 0 {
		return nil, errWhitelistEmpty
	}
	return set, nil
}

// parseNetwork reads one address or CIDR, or says what is wrong with it.
func parseNetwork(text string) (network netip.Prefix, reason string) {
	if strings.Contains(text, "%") {
		return netip.Prefix{}, "has a zone; write the address alone"
	}
	if strings.Contains(text, "/") {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return netip.Prefix{}, "is not a CIDR; write one such as 192.0.2.0/24 or 2001:db8::/32"
		}
		return network, ""
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, "is neither an IP address nor a CIDR; write one of them a line, and # before a comment"
	}
	return netip.PrefixFrom(addr, addr.BitLen()), ""
}

// errWhitelistMissing and errWhitelistEmpty: nobody may call.
var (
	errWhitelistMissing = errors.New("there is no such file, so nobody may call; write one IP address or CIDR a line into it")
	errWhitelistEmpty   = errors.New("there is no address in it, so nobody may call; write one IP address or CIDR a line into it")
)

// readWhitelist reads the file. Its errors deny everybody.
func readWhitelist(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errWhitelistMissing
	}
	if err != nil {
		return nil, &whitelistUnreadableError{err}
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxWhitelistBytes+1))
	if err != nil {
		return nil, &whitelistUnreadableError{err}
	}
	return content, nil
}

// whitelistUnreadableError: the file is there and its content is not known, so that nobody may call.
type whitelistUnreadableError struct{ err error }

func (e *whitelistUnreadableError) Error() string {
	return fmt.Sprintf("the file cannot be read, so nobody may call: %v; let the user that runs trunkline read it", e.err)
}

func (e *whitelistUnreadableError) Unwrap() error { return e.err }

// CheckWhitelist reads the whitelist as the front end would and returns how many addresses and
// networks it holds. The error says which line is wrong, or that nobody may call.
func CheckWhitelist(path string) (int, error) {
	var set *addressSet
	content, err := readWhitelist(path)
	if err == nil {
		set, err = parseWhitelist(content)
	}
	if err != nil {
		return 0, fmt.Errorf("TRUNKLINE_WHITELIST: %s: %w", path, err)
	}
	return set.count(), nil
}
