package pbxtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"trunkline/internal/pbxtest/servers"
)

// Receiver is a server of HTTPS that messages are sent to. Its certificate is signed by an authority of the test's own.
type Receiver struct {
	URL    string // with a path and no query
	CAFile string // the authority's certificate, PEM

	mu  sync.Mutex
	all []Received
}

// Received is a request that a Receiver has got whole.
type Received struct {
	URI    string // its path and query
	Header http.Header
	Body   []byte
}

// NewReceiver starts a receiver that answers as answer does, and with 204 if that is nil. Its certificate is one for 127.0.0.1
// and for these names.
func NewReceiver(t testing.TB, answer http.HandlerFunc, names ...string) *Receiver {
	t.Helper()
	dir := t.TempDir()
	authority, err := servers.NewAuthority(dir)
	Must(t, err)
	certificate, key, err := authority.Issue(dir, append([]string{"127.0.0.1"}, names...)...)
	Must(t, err)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	Must(t, err)
	r := &Receiver{CAFile: authority.CAFile()}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
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
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that are wrong on purpose
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections() // of answers that never end
		server.Close()
	})
	r.URL = server.URL + "/hooks/trunkline"
	return r
}

// All are the requests so far, the first one first.
func (r *Receiver) All() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// SignedWith reports whether one of the request's signatures is that of Standard Webhooks by the secret (whsec_...).
func SignedWith(r Received, secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(r.Header.Get("webhook-id") + "." + r.Header.Get("webhook-timestamp") + "."))
	mac.Write(r.Body)
	return slices.Contains(strings.Fields(r.Header.Get("webhook-signature")), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
