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
	const digits = 20 // of a length, and the colon
	size := 0
	for _, part := range parts {
		size += digits + len(part)
	}
	text := make([]byte, 0, size) // written at once: in parts it takes twice as long
	for _, part := range parts {
		text = append(append(strconv.AppendInt(text, int64(len(part)), 10), ':'), part...)
	}
	mac := hmac.New(sha256.New, k)
	mac.Write(text)
	return mac.Sum(nil)
}
