package servers

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// receiverHeaders bounds how long a request's headers may take.
const receiverHeaders = 10 * time.Second

// Receiver is a server of HTTPS that messages are sent to. Its certificate is signed by an authority of its own.
type Receiver struct {
	URL    string // with a path and no query
	CAFile string // the authority's certificate, PEM

	server *http.Server
	mu     sync.Mutex
	all    []Received
}

// Received is a request that a Receiver has got whole.
type Received struct {
	URI    string // its path and query
	Header http.Header
	Body   []byte
}

// StartReceiver starts a receiver that answers as answer does, and with 204 if that is nil. Its certificate, in files in the
// folder dir, is one for 127.0.0.1 and for these names. The caller closes it.
func StartReceiver(dir string, answer http.HandlerFunc, names ...string) (*Receiver, error) {
	authority, err := NewAuthority(dir)
	if err != nil {
		return nil, err
	}
	certificate, key, err := authority.Issue(dir, append([]string{"127.0.0.1"}, names...)...)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("reading a receiver's certificate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("finding a port for a receiver: %w", err)
	}
	r := &Receiver{URL: "https://" + listener.Addr().String() + "/hooks/trunkline", CAFile: authority.CAFile()}
	r.server = &http.Server{
		ReadHeaderTimeout: receiverHeaders,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ErrorLog:          log.New(io.Discard, "", 0), // of clients that are wrong on purpose
		Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			body, err := io.ReadAll(request.Body)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.all = append(r.all, Received{request.RequestURI, request.Header, body})
			r.mu.Unlock()
			if answer == nil {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			answer(w, request)
		}),
	}
	go func() { _ = r.server.ServeTLS(listener, "", "") }() // until Close
	return r, nil
}

// Close ends it, with answers that never end.
func (r *Receiver) Close() error {
	if err := r.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing a receiver: %w", err)
	}
	return nil
}

// All are the requests so far, the first one first.
func (r *Receiver) All() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// SignedWith reports whether one of the request's signatures is that of Standard Webhooks by the secret (whsec_...).
func (r Received) SignedWith(secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "."))
	mac.Write(r.Body)
	return slices.Contains(strings.Fields(r.Header.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
