package pbxtest

import (
	"net/http"
	"testing"

	"trunkline/internal/pbxtest/servers"
)

// Receiver is a server of HTTPS that messages are sent to.
type Receiver = servers.Receiver

// Received is a request that a Receiver has got whole.
type Received = servers.Received

// NewReceiver starts a receiver that answers as answer does, and with 204 if that is nil. Its certificate is one for 127.0.0.1
// and for these names.
func NewReceiver(t testing.TB, answer http.HandlerFunc, names ...string) *Receiver {
	t.Helper()
	r, err := servers.StartReceiver(t.TempDir(), answer, names...)
	Must(t, err)
	t.Cleanup(func() { Must(t, r.Close()) })
	return r
}

// SignedWith reports whether one of the request's signatures is that of Standard Webhooks by the secret (whsec_...).
func SignedWith(r Received, secret string) bool { return r.SignedWith(secret) }
