// Package certificate is the TLS certificate in effect: its files are read, and read again when they are
// renewed. It knows nothing of what is served with it.
package certificate

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"trunkline/internal/atomicfile"
	"trunkline/internal/watch"
)

// stableTime is for how long certificate and key have to stay the same before they are read, so that
// neither is read half written, nor a new one together with the other's old one.
const stableTime = time.Second

// Certificate is the TLS certificate in effect. A pair of files that cannot be used never replaces one
// that could.
type Certificate struct {
	certPath, keyPath string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	// Only Watch's goroutine touches these, and Open before it.
	inEffect pemHash // of the files that current was made of
	refused  pemHash // of the files that the log has said cannot be used
}

// pemHash tells one pair of files from another, without keeping a copy of the key.
type pemHash [sha256.Size]byte

// Open reads the pair. The error names the setting that is wrong, and the remedy.
func Open(certPath, keyPath string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certPath: certPath, keyPath: keyPath, log: log}
	pair, hash, err := readPair(certPath, keyPath)
	if err != nil {
		return nil, err
	}
	c.use(pair, hash)
	return c, nil
}

// Check returns until when the certificate of TRUNKLINE_TLS_CERT is good, or what is wrong
// with it or with its key.
func Check(certPath, keyPath string) (until time.Time, err error) {
	pair, _, err := readPair(certPath, keyPath)
	if err != nil {
		return time.Time{}, err
	}
	until = pair.Leaf.NotAfter
	if time.Now().After(until) {
		return until, fmt.Errorf("TRUNKLINE_TLS_CERT: the certificate in %s expired on %s; renew it", certPath, until.Format(time.DateOnly))
	}
	return until, nil
}

// suites are those of TLS 1.2 that are spoken: forward secrecy, and no CBC, whose padding has been attacked
// time and again. Those of TLS 1.3 are all good, and Go's own choice.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Config is how a server speaks TLS with it: nothing before TLS 1.2, and of that no weak cipher.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// Watch puts a renewed certificate into effect until ctx is done. New connections get it; open ones keep
// theirs.
func (c *Certificate) Watch(ctx context.Context) {
	watch.Files{Paths: []string{c.certPath, c.keyPath}, Stable: stableTime, Log: c.log}.Run(ctx, c.load)
}

// load reads the files, and uses them if they are new.
func (c *Certificate) load() {
	pair, hash, err := readPair(c.certPath, c.keyPath)
	switch {
	case err == nil && hash == c.inEffect:
		c.refused = pemHash{}
	case err == nil:
		c.use(pair, hash)
	case hash != c.refused:
		c.refused = hash
		c.log.Error("the renewed certificate is refused; the one that was in effect stays", "reason", err, "until", c.current.Load().Leaf.NotAfter)
	}
}

func (c *Certificate) use(pair *tls.Certificate, hash pemHash) {
	c.current.Store(pair)
	c.inEffect, c.refused = hash, pemHash{}
	log, leaf := c.log.With("file", c.certPath, "names", leafNames(pair), "until", pair.Leaf.NotAfter), pair.Leaf
	if now := time.Now(); now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		log.Warn("the certificate in effect is not good at this time; callers will refuse it: renew it, or set this host's clock")
		return
	}
	log.Info("certificate in effect")
}

// leafNames are the names and addresses that a certificate is for.
func leafNames(pair *tls.Certificate) []string {
	names := slices.Clone(pair.Leaf.DNSNames)
	for _, address := range pair.Leaf.IPAddresses {
		names = append(names, address.String())
	}
	return names
}

// readPair reads certificate and key. The hash is of what was read, even if that cannot be used.
func readPair(certPath, keyPath string) (*tls.Certificate, pemHash, error) {
	chain, errCert := readPEM("TRUNKLINE_TLS_CERT", certPath)
	key, errKey := readPEM("TRUNKLINE_TLS_KEY", keyPath)
	sum := sha256.New()
	for _, part := range [][]byte{chain, key} {
		fmt.Fprintf(sum, "%d ", len(part))
		sum.Write(part)
	}
	hash := pemHash(sum.Sum(nil))
	if err := errors.Join(errCert, errKey); err != nil {
		return nil, hash, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, hash, fmt.Errorf("TRUNKLINE_TLS_CERT, TRUNKLINE_TLS_KEY: %w; name the PEM files of a certificate with its chain, and of that certificate's own key without a passphrase", err)
	}
	return &pair, hash, nil
}

func readPEM(setting, path string) ([]byte, error) {
	content, err := atomicfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; name a file of PEM that exists, and let the user that runs trunkline read it", setting, err)
	}
	return content, nil
}
