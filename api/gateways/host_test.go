package gateways

import (
	"strings"
	"testing"
)

func TestIsHostPort(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"sip.carrier.example": true, "sip.carrier.example.": true, "192.0.2.1": true, "192.0.2.1:5060": true, "carrier:5061": true, "[2001:db8::1]": true,
		"[2001:db8::1]:5060": true, "sip_1.carrier-2.example": true, "10.example": true, strings.Repeat("a", 63) + ".example": true,
		"": false, ".": false, "a..b": false, "-a.example": false, "a-.example": false, "a b": false, "user@host": false, "http://host": false, "host/path": false,
		"host:0": false, "host:65536": false, "host:": false, "host:+1": false, "host:sip": false, "999.0.2.1": false, "192.0.2": false, "1.2.3.4.5": false, "2001:db8::1": false,
		"[192.0.2.1]": false, "[2001:db8::1": false, "[2001:db8::1]5060": false, "[fe80::1%eth0]": false, "käse.example": false, "<host>": false, "host,other": false,
		strings.Repeat("a", 64) + ".example": false, strings.Repeat("abcdefghi.", 26) + "example": false,
	} {
		if got := isHostPort(text); got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
}

// FuzzIsHostPort: nothing that would end a SIP address or begin another part of it is taken.
func FuzzIsHostPort(f *testing.F) {
	for _, text := range []string{"sip.carrier.example:5060", "[::1]:1", "a@b", "1.2.3.4", "a;b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if isHostPort(text) && strings.ContainsAny(text, " \t\r\n\x00@/<>\"';,?=&$%#\\") {
			t.Fatalf("%q is taken", text)
		}
	})
}
