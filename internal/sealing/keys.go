// Package sealing holds what is derived from TRUNKLINE_SECRET_KEY: secrets are sealed with it, requests
// hashed and links signed. It knows nothing of what a job does, or of who asks.
package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"trunkline/internal/keyed"
)

// Keys are derived from TRUNKLINE_SECRET_KEY, one for each purpose, so that what one of them signs or
// seals means nothing to another.
type Keys struct {
	seal        cipher.AEAD
	bodies      keyed.Key
	downloads   []byte
	fingerprint string // names the secret key without giving it away: 32 hex digits
}

// NewKeys derives the keys from the 32-byte secret key.
func NewKeys(secret []byte) (*Keys, error) {
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
	return &Keys{seal: seal, bodies: bodies, downloads: downloads, fingerprint: hex.EncodeToString(fingerprint[:16])}, nil
}

// Seal encrypts v, as JSON, for the job and for no other.
func (k *Keys) Seal(jobID string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("sealing the secrets of job %s: %w", jobID, err)
	}
	return k.seal.Seal(nil, nil, plain, []byte(jobID)), nil
}

// Open decrypts what Seal made for the same job into v.
func (k *Keys) Open(jobID string, sealed []byte, v any) error {
	plain, err := k.seal.Open(nil, nil, sealed, []byte(jobID))
	if err != nil {
		return fmt.Errorf("the secrets of job %s cannot be opened with this TRUNKLINE_SECRET_KEY", jobID)
	}
	return json.Unmarshal(plain, v)
}

// BodyHash is a keyed hash of a request's parts: there may be a short password among them.
func (k *Keys) BodyHash(parts ...string) []byte { return k.bodies.Hash(parts...) }

// DownloadSignature signs a link to a job's file: who it is for (the tenant, "" for all domains) and
// until when (Unix seconds).
func (k *Keys) DownloadSignature(jobID, domainUUID string, expires int64) string {
	mac := hmac.New(sha256.New, k.downloads)
	fmt.Fprintf(mac, "%s|%s|%d", jobID, domainUUID, expires)
	return hex.EncodeToString(mac.Sum(nil))
}

// ValidDownload reports, in constant time, whether signature is DownloadSignature of the same link.
func (k *Keys) ValidDownload(jobID, domainUUID string, expires int64, signature string) bool {
	return hmac.Equal([]byte(signature), []byte(k.DownloadSignature(jobID, domainUUID, expires)))
}
