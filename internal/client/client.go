// Package client asks Trunkline's HTTP API as one who calls it from anywhere: over verified TLS, with a token, again
// where that does no harm, and until a job has ended. It knows what a job looks like and how the API says what is
// wrong; nothing of what else an endpoint answers, nor of how anything is shown.
package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"trunkline/internal/version"
)

// Options say whom a Client asks, and as who.
type Options struct {
	URL   string // where the API is, such as https://pbx.example, with the path that a proxy puts before it
	Token string // sent as Authorization: Bearer
	CA    []byte // PEM certificates of authorities that are believed beside the system's; nil for none
	// PlainHTTP allows to send the token unencrypted to a host that is not this one.
	PlainHTTP bool
	// Note is told what one waits for, such as a limit that is used up. It may be nil.
	Note func(text string)
}

// Client asks one API. It may be used by many at once.
type Client struct {
	base  *url.URL
	token string
	note  func(string)
	http  *http.Client
	pace  pace
	// reached is set once the API has answered anything.
	reached atomic.Bool
}

const (
	connectTimeout = 10 * time.Second
	// answerTimeout bounds how long an answer takes to begin, beyond what the request itself asks to wait.
	answerTimeout = 90 * time.Second
)

// New checks the options and makes a client. It asks nothing yet.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.URL)
	if err != nil {
		return nil, err
	}
	if base.Scheme == "http" && !o.PlainHTTP && !isLoopback(base.Hostname()) {
		return nil, fmt.Errorf("the token would go unencrypted to %s; write https://, or allow it with --plain-http where nobody can listen in", base.Host)
	}
	if o.Token == "" || strings.ContainsFunc(o.Token, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("the token is not one word of printable ASCII characters; copy it as trunkline token create printed it")
	}
	roots, err := rootsWith(o.CA)
	if err != nil {
		return nil, err
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout: connectTimeout,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     time.Minute,
	}
	return &Client{
		base: base, token: o.Token, note: o.Note,
		// A redirect could lead the token to another host.
		http: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		pace: usual,
	}, nil
}

// parseBase reads the address of an API.
func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the URL cannot be read; write one such as https://pbx.example")
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, fmt.Errorf("the URL %q is not one of http:// or https:// with a host; write one such as https://pbx.example", base.Redacted())
	case base.User != nil:
		return nil, errors.New("the URL holds a user; take it out: credentials are the token alone")
	case base.RawQuery != "", base.Fragment != "":
		return nil, errors.New("the URL has something behind ? or #; end it before that")
	}
	return base, nil
}

// isLoopback says whether what is sent to the host stays on this one.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// rootsWith is the system's authorities and these; nil, which means the system's, for none.
func rootsWith(pem []byte) (*x509.CertPool, error) {
	if pem == nil {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("reading the system's certificate authorities: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file of authorities holds no certificate in PEM format")
	}
	return roots, nil
}

// userAgent is which program asks, for the server's log.
func userAgent() string {
	build, _, _ := strings.Cut(version.This(), " ")
	return "trunkline/" + build
}
