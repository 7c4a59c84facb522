// Package keyed hashes what must not be guessed: a short password can be found from its plain hash, but
// not from one under a secret key. It knows nothing of what it hashes, or where a key is kept.
package keyed

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"strconv"
	"sync"
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
	held := texts.Get().(*[]byte)
	text := (*held)[:0] // written at once: in parts it takes twice as long
	for _, part := range parts {
		text = append(append(strconv.AppendInt(text, int64(len(part)), 10), ':'), part...)
	}
	mac := hmac.New(sha256.New, k)
	mac.Write(text)
	clear(text) // there may be a password in it
	if cap(text) <= maxHeld {
		*held = text
		texts.Put(held)
	}
	return mac.Sum(nil)
}

// texts is memory for the texts that are hashed: a bulk job hashes three of a kilobyte for each gateway. One that is
// longer than maxHeld bytes is let go.
var texts = sync.Pool{New: func() any { return new([]byte) }}

const maxHeld = 16 << 10
