package api

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseWhitelist(t *testing.T) {
	t.Parallel()
	const file = "\ufeff# billing\r\n192.0.2.10\r\n 198.51.100.0/24 # the office\n\n10.1.2.3/8\n2001:db8::/32\n2001:db8:ffff::1\n" +
		"::ffff:203.0.113.5\n::ffff:203.0.113.128/121\n172.16.0.0/12"
	set, err := parseWhitelist([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"192.0.2.10": true, "192.0.2.11": false, "198.51.100.255": true, "198.51.101.0": false, "10.255.0.1": true, "11.0.0.1": false,
		"2001:db8:1::1": true, "2001:db9::1": false, "203.0.113.5": true, "203.0.113.6": false, "203.0.113.200": true, "203.0.113.100": false,
		"172.31.255.255": true, "172.32.0.0": false, "::1": false, "0.0.0.0": false,
	} {
		if got := set.contains(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %v, want %v", address, got, want)
		}
	}
	if set.count() != 8 {
		t.Errorf("got %d entries, want 8", set.count())
	}
}

func TestParseWhitelistErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"a name":        {"192.0.2.1\nbilling.example\n", `line 2: "billing.example"`},
		"a range":       {"192.0.2.1-192.0.2.9", `line 1: "192.0.2.1-192.0.2.9"`},
		"a wildcard":    {"\n\n192.0.2.*", "line 3"},
		"two on a line": {"192.0.2.1 192.0.2.2", "line 1"},
		"a long CIDR":   {"192.0.2.0/33", `line 1: "192.0.2.0/33" is not a CIDR`},
		"a zone":        {"fe80::1%eth0", "zone"},
		"another mark":  {"192.0.2.1 ; billing", "line 1"},
		"a NUL":         {"192.0.2.1\x00", "line 1"},
		"many":          {strings.Repeat("x\n", 30), "and more lines"},
		"too large":     {strings.Repeat("192.0.2.1\n", maxWhitelistBytes/10+1), "larger than"},
		"nothing":       {"# nobody yet\n\n", "nobody may call"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := parseWhitelist([]byte(c.file))
			if err == nil || set != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", set, err, c.want)
			}
		})
	}
}

func TestCheckWhitelist(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list")
	if _, err := CheckWhitelist(path); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("missing: got %v", err)
	}
	if err := os.WriteFile(path, []byte("192.0.2.1\n2001:db8::/32\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := CheckWhitelist(path); n != 2 || err != nil {
		t.Errorf("got %d, %v, want 2", n, err)
	}
	if _, err := CheckWhitelist(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a folder: got %v", err)
	}
}

// FuzzParseWhitelist: a file that is accepted allows exactly what its lines say, and one that is
// refused allows nothing.
func FuzzParseWhitelist(f *testing.F) {
	f.Add("192.0.2.1\n# x\n2001:db8::/32\n", "192.0.2.1")
	f.Add("\ufeff::ffff:10.0.0.0/104\r\n", "10.2.3.4")
	f.Add("0.0.0.0/0", "::1")
	f.Add("1.2.3.4/40\n", "1.2.3.4")
	f.Fuzz(func(t *testing.T, file, address string) {
		set, err := parseWhitelist([]byte(file))
		if err != nil {
			if set != nil {
				t.Fatal("a refused file has a list")
			}
			return
		}
		addr, ok := parseHop(address)
		if !ok {
			return
		}
		want := false
		for line := range strings.Lines(strings.TrimPrefix(file, "\ufeff")) {
			line, _, _ = strings.Cut(line, "#")
			line = strings.TrimSpace(line)
			if single, err := netip.ParseAddr(line); err == nil && single.Unmap() == addr {
				want = true
			}
			network, err := netip.ParsePrefix(line)
			if err != nil {
				continue
			}
			inNetwork := addr
			if network.Addr().Is4In6() {
				inNetwork = netip.AddrFrom16(addr.As16())
				// Contains never holds for such a network: look at the bits.
				masked, err := inNetwork.Prefix(network.Bits())
				want = want || err == nil && masked.Addr() == network.Masked().Addr()
				continue
			}
			want = want || network.Contains(inNetwork)
		}
		if got := set.contains(addr); got != want {
			t.Fatalf("%s in %q: got %v, want %v", addr, file, got, want)
		}
	})
}
