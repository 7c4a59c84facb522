package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"trunkline/internal/delivery"
)

// secretPrefix begins a secret as the standard writes it; base64 of its bytes follows.
const secretPrefix = "whsec_"

// How many bytes a secret has: as many as we give it, and what the standard allows.
const (
	secretBytes      = 32
	leastSecretBytes = 24
	mostSecretBytes  = 64
)

// Secret is a key that messages are signed with. However it is printed it is not shown.
type Secret struct{ key string }

// NewSecret makes one.
func NewSecret() Secret {
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails
	return Secret{string(key)}
}

// ParseSecret reads what Reveal wrote. The error does not hold it.
func ParseSecret(text string) (Secret, error) {
	encoded, prefixed := strings.CutPrefix(text, secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !prefixed || err != nil || strings.ContainsAny(encoded, "\r\n") || len(key) < leastSecretBytes || len(key) > mostSecretBytes {
		return Secret{}, errors.New("not a webhook's secret: " + secretPrefix + " and base64 of 24 to 64 bytes")
	}
	return Secret{string(key)}, nil
}

// Reveal returns the secret as receivers keep it.
func (s Secret) Reveal() string {
	return secretPrefix + base64.StdEncoding.EncodeToString([]byte(s.key))
}

const hidden = "[hidden]"

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = io.WriteString(f, hidden) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// sign is the signature of a message that is sent at a time, as the version v1 of the standard has it.
func (s Secret) sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, []byte(s.key))
	_, _ = fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body) // never fails
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// headers are those by which a receiver can tell that a message is ours, which one it is, and that it is not an old one.
func headers(m delivery.Message, at time.Time, secrets []Secret) map[string]string {
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		signatures[i] = s.sign(m.ID, at, m.Body)
	}
	return map[string]string{
		"webhook-id":        m.ID,
		"webhook-timestamp": strconv.FormatInt(at.Unix(), 10),
		"webhook-signature": strings.Join(signatures, " "),
	}
}
