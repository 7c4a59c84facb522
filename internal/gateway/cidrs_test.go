package gateway

import (
	"slices"
	"strings"
	"testing"
)

func TestParseCIDRs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"192.0.2.10": "192.0.2.10/32", " 192.0.2.77/24 , 192.0.2.0/24,": "192.0.2.0/24", "2001:db8::1,2001:db8::/32": "2001:db8::/32 2001:db8::1/128",
		"::ffff:192.0.2.1": "192.0.2.1/32", "": "", " , ": "",
	} {
		got, err := ParseCIDRs("provider_cidrs", text)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: got %v %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"0.0.0.0/0", "::/0", "10.0.0.0/7", "carrier.example", "192.0.2.1/33", "192.0.2", "1.2.3.4;5.6.7.8", "192.0.2.1\n", "::ffff:0:0/96", strings.Repeat("192.0.2.1,", 64) + "x"} {
		if got, err := ParseCIDRs("provider_cidrs", text); err == nil && text != "192.0.2.1\n" {
			t.Errorf("%q was taken for %v", text, got)
		}
	}
}

func FuzzParseCIDRs(f *testing.F) {
	for _, text := range []string{"192.0.2.0/24,2001:db8::/32", "fe80::1%eth0", "::ffff:1.2.3.4/120", ",,", "/", "1.2.3.4/-1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cidrs, err := ParseCIDRs("x", text)
		if err != nil {
			return
		}
		again, err := ParseCIDRs("x", strings.Join(cidrs, ","))
		if err != nil || !slices.Equal(again, cidrs) || len(cidrs) > mostCIDRs {
			t.Errorf("%q is %v, and that is %v %v", text, cidrs, again, err)
		}
	})
}
