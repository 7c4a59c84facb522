package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"trunkline/internal/keyed"
)

// nameSize is how many bytes of a key's fingerprint stand before what the key has sealed or hashed.
const nameSize = 4

// key is what is derived from one secret key, a key for each purpose, so that what one of them signs or
// seals means nothing to another.
type key struct {
	secret      []byte
	seal        cipher.AEAD
	bodies      keyed.Key
	downloads   []byte
	fingerprint string // names the secret key without giving it away: 32 hex digits
	name        []byte // its first bytes
	retired     time.Time
}

// newKey derives the keys from the 32-byte secret key.
func newKey(secret []byte) (*key, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("the secret key has %d bytes; it must have 32", len(secret))
	}
	derive := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, secret, nil, "trunkline "+purpose, 32)
	}
	sealKey, err1 := derive("sealed job secrets")
	bodies, err2 := derive("request bodies")
	downloads, err3 := derive("download links")
	fingerprint, err4 := derive("fingerprint")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, fmt.Errorf("deriving keys: %w", err)
	}
	block, err := aes.NewCipher(sealKey)
	if err != nil {
		return nil, fmt.Errorf("preparing the sealing key: %w", err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("preparing the sealing key: %w", err)
	}
	return &key{
		secret: secret, seal: seal, bodies: bodies, downloads: downloads,
		fingerprint: hex.EncodeToString(fingerprint[:16]), name: fingerprint[:nameSize],
	}, nil
}

// sealFor is the sealed text with the key's name before it; it opens for the same use alone.
func (k *key) sealFor(use string, plain []byte) []byte {
	return k.seal.Seal(append([]byte(nil), k.name...), nil, plain, []byte(use))
}

// hash is a keyed hash with the key's name before it.
func (k *key) hash(parts []string) []byte {
	return append(append([]byte(nil), k.name...), k.bodies.Hash(parts...)...)
}

// sign signs a link.
func (k *key) sign(link string) []byte {
	mac := hmac.New(sha256.New, k.downloads)
	mac.Write([]byte(link))
	return mac.Sum(nil)
}
