// Package keyed hashes what must not be guessed: a short password can be found from its plain hash, but
// not from one under a secret key. It knows nothing of what it hashes, or where a key is kept.
package keyed

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strconv"
)

// Key is the key of the hashes, 32 bytes.
type Key []byte

// NewKey makes a key that lives in this process alone.
func NewKey() Key {
	key := make(Key, sha256.Size)
	_, _ = rand.Read(key) // never fails
	return key
}

// Hash is the HMAC-SHA256 of the parts, each with its length before it, so that parts cannot run into
// each other. Databases hold such hashes: what it returns must stay as it is.
func (k Key) Hash(parts ...string) []byte {
	mac := hmac.New(sha256.New, k)
	var text []byte
	for _, part := range parts {
		text = append(strconv.AppendInt(text[:0], int64(len(part)), 10), ':')
		mac.Write(append(text, part...))
	}
	return mac.Sum(nil)
}
