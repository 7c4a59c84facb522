package token

import (
	"strings"
	"testing"
)

// A secret is known by most of it, in any case; a name that begins like one is a name.
func TestWithin(t *testing.T) {
	t.Parallel()
	secret := newSecret()
	for text, want := range map[string]bool{
		secret:                             true,
		strings.ToUpper(secret):            true,
		"x " + secret + "@one.example":     true,
		secret[:len(Prefix)+secretBytes]:   true,
		Prefix + "provisioning":            false,
		"trunkline_whmcs_user@one.example": false,
		strings.TrimPrefix(secret, Prefix): false,
		"":                                 false,
	} {
		if got := Within(text); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
		if masked := Masked(text); (masked != text) != want {
			t.Errorf("%q is masked as %q", text, masked)
		}
	}
}
