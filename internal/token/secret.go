package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
)

const (
	// Prefix begins every secret, so that people and scanners of leaked secrets can tell what it is.
	Prefix = "trunkline_"
	// secretBytes are the random bytes of a secret: it cannot be guessed, so a plain hash keeps it.
	secretBytes = 32
	// hintLength is how many characters of a secret are kept to tell tokens apart.
	hintLength = 4
)

var secretEncoding = base64.RawURLEncoding.Strict()

// newSecret returns a secret that was never used before.
func newSecret() string {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails
	return Prefix + secretEncoding.EncodeToString(random)
}

// secrets are what is or may be most of a secret, in whatever case it was typed. What has less of one cannot be
// completed by guessing, and may be a name such as trunkline_provisioning.
var secrets = regexp.MustCompile(`(?i)` + Prefix + `[a-z0-9_-]{20,}`)

// Within reports whether a secret, or most of one, stands within the text.
func Within(text string) bool { return mayHold(text) && secrets.MatchString(text) }

// Masked is the text with what may be secrets in it made unreadable.
func Masked(text string) string {
	if !mayHold(text) {
		return text
	}
	return secrets.ReplaceAllString(text, Prefix+"[hidden]")
}

// mayHold spares most texts the search: every request has several.
func mayHold(text string) bool { return strings.IndexByte(text, '_') >= 0 }

// wellFormed reports whether the text can be the secret of a token.
func wellFormed(text string) bool {
	encoded, ours := strings.CutPrefix(text, Prefix)
	random, err := secretEncoding.DecodeString(encoded)
	// The decoder skips line breaks, which make a text longer.
	return ours && err == nil && len(random) == secretBytes && len(encoded) == secretEncoding.EncodedLen(secretBytes)
}

// hashOf is what is kept of a secret.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func hintOf(secret string) string { return secret[len(secret)-hintLength:] }
