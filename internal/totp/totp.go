// Package totp checks the codes of a second factor, as RFC 6238 has them and FusionPBX uses them: SHA-1, six digits,
// a new one every 30 s. It knows nothing of whose they are, nor of which were used.
package totp

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// period is how long a code is shown.
	period = 30 * time.Second
	// digits is how many a code has, and codes how many codes there are.
	digits, codes = 6, 1_000_000
	// skew is how many steps a clock may be off, either way.
	skew = 1
)

// ErrSecret is a secret that is no base32.
var ErrSecret = errors.New("the secret of the second factor cannot be read")

// Step returns the step of time whose code this is, one before or after the present one among them. ok: it is one's.
// Spaces in the code, as apps show them, do not matter. Errors: ErrSecret.
func Step(secret, code string, now time.Time) (step int64, ok bool, err error) {
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(plain(secret), "=")))
	if err != nil || len(key) == 0 {
		return 0, false, ErrSecret
	}
	given := []byte(plain(code))
	present := now.Unix() / int64(period/time.Second)
	for at := present - skew; at <= present+skew; at++ {
		if subtle.ConstantTimeCompare(given, []byte(codeAt(key, at))) == 1 {
			step, ok = at, true
		}
	}
	return step, ok, nil
}

func plain(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), " ", "") }

// codeAt is the code of a step.
func codeAt(key []byte, step int64) string {
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(step)))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%0*d", digits, binary.BigEndian.Uint32(sum[offset:])&0x7fffffff%codes)
}
