package access

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"trunkline/internal/fault"
)

func TestLocate(t *testing.T) {
	t.Parallel()
	const any4 = "10.0.0.0/8"
	for name, c := range map[string]struct {
		trusted []string
		peer    string
		headers http.Header
		want    string // an address, or the code of the refusal
	}{
		"peer alone":                      {nil, "192.0.2.1:5000", nil, "192.0.2.1"},
		"IPv6 peer":                       {nil, "[2001:db8::1]:5000", nil, "2001:db8::1"},
		"IPv4 written as IPv6":            {nil, "[::ffff:192.0.2.1]:5000", nil, "192.0.2.1"},
		"a zone":                          {nil, "[fe80::1%eth0]:5000", nil, "fe80::1"},
		"no address":                      {nil, "@", nil, fault.UnknownAddress},
		"a header of an untrusted peer":   {nil, "192.0.2.1:5000", xff("198.51.100.1"), "192.0.2.1"},
		"loopback alone":                  {nil, "127.0.0.1:5000", nil, "127.0.0.1"},
		"loopback, X-Forwarded-For":       {nil, "127.0.0.1:5000", xff("198.51.100.1"), fault.UntrustedProxy},
		"loopback, an empty one":          {nil, "127.0.0.1:5000", xff(""), fault.UntrustedProxy},
		"loopback, X-Real-IP":             {nil, "127.0.0.1:5000", http.Header{"X-Real-Ip": {"198.51.100.1"}}, fault.UntrustedProxy},
		"loopback, Forwarded":             {nil, "[::1]:5000", http.Header{"Forwarded": {"for=198.51.100.1"}}, fault.UntrustedProxy},
		"loopback as IPv6, forwarded":     {nil, "[::ffff:127.0.0.1]:5000", xff("198.51.100.1"), fault.UntrustedProxy},
		"loopback, another proxy trusted": {[]string{any4}, "127.0.0.1:5000", xff("198.51.100.1"), fault.UntrustedProxy},
		"trusted":                         {[]string{any4}, "10.0.0.1:5000", xff("198.51.100.1"), "198.51.100.1"},
		"trusted loopback":                {[]string{"127.0.0.1/32"}, "127.0.0.1:5000", xff("198.51.100.1"), "198.51.100.1"},
		"trusted, mapped prefix":          {[]string{"::ffff:10.0.0.0/104"}, "10.0.0.1:5000", xff("198.51.100.1"), "198.51.100.1"},
		"trusted, nothing forwarded":      {[]string{any4}, "10.0.0.1:5000", nil, "10.0.0.1"},
		"trusted, X-Real-IP alone":        {[]string{any4}, "10.0.0.1:5000", http.Header{"X-Real-Ip": {"198.51.100.1"}}, fault.UnknownAddress},
		"spoofed on the left":             {[]string{any4}, "10.0.0.1:5000", xff("192.0.2.10, 198.51.100.1"), "198.51.100.1"},
		"nonsense on the left":            {[]string{any4}, "10.0.0.1:5000", xff("<script>, 198.51.100.1"), "198.51.100.1"},
		"two proxies":                     {[]string{any4}, "10.0.0.1:5000", xff("192.0.2.10, 198.51.100.1, 10.0.0.2"), "198.51.100.1"},
		"spoofed in a line of its own":    {[]string{any4}, "10.0.0.1:5000", xff("192.0.2.10", "198.51.100.1"), "198.51.100.1"},
		"the last line is a proxy":        {[]string{any4}, "10.0.0.1:5000", xff("198.51.100.1", "10.0.0.2"), "198.51.100.1"},
		"only proxies":                    {[]string{any4}, "10.0.0.1:5000", xff("10.0.0.3, 10.0.0.2"), "10.0.0.3"},
		"a port":                          {[]string{any4}, "10.0.0.1:5000", xff("198.51.100.1:4711"), "198.51.100.1"},
		"brackets and port":               {[]string{any4}, "10.0.0.1:5000", xff("[2001:db8::7]:4711"), "2001:db8::7"},
		"brackets":                        {[]string{any4}, "10.0.0.1:5000", xff("[2001:db8::7]"), "2001:db8::7"},
		"mapped":                          {[]string{any4}, "10.0.0.1:5000", xff("::ffff:198.51.100.1"), "198.51.100.1"},
		"mapped proxy":                    {[]string{any4}, "10.0.0.1:5000", xff("198.51.100.1, ::ffff:10.0.0.2"), "198.51.100.1"},
		"zone":                            {[]string{any4}, "10.0.0.1:5000", xff("fe80::1%eth0"), "fe80::1"},
		"malformed on the right":          {[]string{any4}, "10.0.0.1:5000", xff("198.51.100.1, unknown"), fault.UnknownAddress},
		"empty on the right":              {[]string{any4}, "10.0.0.1:5000", xff("198.51.100.1,"), fault.UnknownAddress},
		"an empty header":                 {[]string{any4}, "10.0.0.1:5000", xff(""), fault.UnknownAddress},
		"IPv4 in brackets":                {[]string{any4}, "10.0.0.1:5000", xff("[198.51.100.1]"), fault.UnknownAddress},
		"leading zeros":                   {[]string{any4}, "10.0.0.1:5000", xff("198.051.100.001"), fault.UnknownAddress},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var trusted []netip.Prefix
			for _, text := range c.trusted {
				trusted = append(trusted, netip.MustParsePrefix(text))
			}
			got, err := NewLocator(trusted).Locate(c.peer, c.headers)
			var refused *fault.Error
			switch {
			case errors.As(err, &refused) && refused.Code != c.want:
				t.Errorf("refused with %s, %v; want %s", refused.Code, err, c.want)
			case err == nil && got.String() != c.want:
				t.Errorf("got %s, want %s", got, c.want)
			case refused != nil && refused.Code == fault.UntrustedProxy && !strings.Contains(refused.Message, "TRUNKLINE_TRUSTED_PROXIES"):
				t.Errorf("no remedy in %q", refused.Message)
			}
		})
	}
}

func xff(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }

// FuzzLocate: whatever is forwarded, an answer is a plain address, and never one to the left of the
// right-most that is not a trusted proxy.
func FuzzLocate(f *testing.F) {
	f.Add("198.51.100.1", "10.0.0.2")
	f.Add("192.0.2.10, [2001:db8::7]:80", " ::ffff:10.0.0.2 ")
	f.Add("fe80::1%eth0,", "unknown")
	f.Fuzz(func(t *testing.T, first, second string) {
		l := NewLocator([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
		got, err := l.Locate("10.0.0.1:5000", xff(first, second))
		if err != nil {
			return
		}
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Fatalf("got %v", got)
		}
		hops := strings.Split(first+","+second, ",")
		if last, ok := ParseAddress(hops[len(hops)-1]); ok && !l.trusted.Contains(last) && last != got {
			t.Fatalf("got %v, but the proxy saw %v", got, last)
		}
	})
}
