// Package sealing holds what is derived from TRUNKLINE_SECRET_KEY: secrets are sealed with it, requests
// hashed and links signed. It also changes that key for another one while processes work. It knows nothing of
// what a job does, or of who asks.
package sealing

import (
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Keys are the key in use and those that were in use before it and are still named by something. What is
// sealed or hashed begins with its key's name; what was before keys had names is tried with each.
type Keys struct {
	// LinkLife is for how long a link is signed: one of a retired key that claims to be good for longer was
	// signed after the key was retired.
	LinkLife time.Duration

	own  *key // that of TRUNKLINE_SECRET_KEY
	ring atomic.Pointer[ring]
	pool atomic.Pointer[pgxpool.Pool] // where a key that is not known yet is looked for; nil before CheckDatabase
}

// ring is what a process knows of the keys at one time.
type ring struct {
	current *key
	valid   []*key          // the current one first; one that is about to come into use is among them
	reached map[string]*key // each that was ever valid or led to one that is, by fingerprint
}

// retired are the keys that were in use.
func (r *ring) retired() []*key {
	return slices.DeleteFunc(slices.Clone(r.valid), func(k *key) bool { return k.retired.IsZero() })
}

// NewKeys derives the keys from the 32-byte secret key.
func NewKeys(secret []byte) (*Keys, error) {
	own, err := newKey(secret)
	if err != nil {
		return nil, err
	}
	k := &Keys{own: own}
	k.ring.Store(&ring{current: own, valid: []*key{own}, reached: map[string]*key{own.fingerprint: own}})
	return k, nil
}

// Seal encrypts v, as JSON, for the job of that id, or for whatever else is called so, and for no other.
func (k *Keys) Seal(jobID string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("sealing the secrets of %s: %w", jobID, err)
	}
	return k.ring.Load().current.sealFor(jobID, plain), nil
}

// Open decrypts what Seal made for the same job into v.
func (k *Keys) Open(jobID string, sealed []byte, v any) error {
	plain, ok := k.ring.Load().open(jobID, sealed)
	if !ok && k.lookAgain() {
		plain, ok = k.ring.Load().open(jobID, sealed)
	}
	if !ok {
		return fmt.Errorf("the secrets of %s cannot be opened with this TRUNKLINE_SECRET_KEY", jobID)
	}
	return json.Unmarshal(plain, v)
}

func (r *ring) open(use string, sealed []byte) (plain []byte, ok bool) {
	for _, key := range r.reached {
		if rest, named := bytes.CutPrefix(sealed, key.name); named {
			if plain, err := key.seal.Open(nil, nil, rest, []byte(use)); err == nil {
				return plain, true
			}
		}
	}
	for _, key := range r.reached { // from before keys had names
		if plain, err := key.seal.Open(nil, nil, sealed, []byte(use)); err == nil {
			return plain, true
		}
	}
	return nil, false
}

// BodyHash is a keyed hash of a request's parts: there may be a short password among them.
func (k *Keys) BodyHash(parts ...string) []byte { return k.ring.Load().current.hash(parts) }

// BodyHashes are all the hashes that these parts may have in a row, the one of BodyHash first.
func (k *Keys) BodyHashes(parts ...string) (hashes [][]byte) {
	for _, key := range k.ring.Load().valid {
		hash := key.hash(parts)
		hashes = append(hashes, hash, hash[nameSize:])
	}
	return hashes
}

// SameBody reports whether the hash is that of these parts, whichever key has made it.
func (k *Keys) SameBody(hash []byte, parts ...string) bool {
	for _, h := range k.BodyHashes(parts...) {
		if hmac.Equal(h, hash) {
			return true
		}
	}
	return false
}

// DownloadSignature signs a link to a job's file: who holds it, however that is written, and until when (Unix
// seconds).
func (k *Keys) DownloadSignature(jobID, holder string, expires int64) string {
	return hex.EncodeToString(k.ring.Load().current.sign(downloadLink(jobID, holder, expires)))
}

// ValidDownload reports, in constant time, whether signature is DownloadSignature of the same link.
func (k *Keys) ValidDownload(jobID, holder string, expires int64, signature string) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	for _, key := range k.ring.Load().valid {
		late := !key.retired.IsZero() && time.Unix(expires, 0).After(key.retired.Add(k.LinkLife))
		if hmac.Equal(given, key.sign(downloadLink(jobID, holder, expires))) && !late {
			return true
		}
	}
	return false
}

func downloadLink(jobID, holder string, expires int64) string {
	return fmt.Sprintf("%s|%s|%d", jobID, holder, expires)
}
