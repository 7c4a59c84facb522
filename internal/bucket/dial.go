package bucket

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	// idleTimeout is how long a connection is kept that nothing is asked on; less than stallTimeout, which would end it.
	idleTimeout = 30 * time.Second
	// connectionsKept is how many are kept for what is asked next.
	connectionsKept = 16
	// bufferBytes is how much passes at once between us and a connection.
	bufferBytes = 64 << 10
)

func (o Options) requestTries() int { return cmp.Or(o.tries, requestTries) }

func (o Options) transport() *http.Transport {
	t := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: connectionsKept,
		IdleConnTimeout:     idleTimeout,
		WriteBufferSize:     bufferBytes,
		ReadBufferSize:      bufferBytes,
		DisableCompression:  true, // a file that is kept packed is to come as it is
	}
	dial := o.Dial
	if dial == nil {
		dial, t.Proxy = (&net.Dialer{}).DialContext, http.ProxyFromEnvironment
	}
	stall := cmp.Or(o.stall, stallTimeout)
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, min(dialTimeout, stall))
		defer cancel()
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &moving{Conn: conn, stall: stall}, nil
	}
	return t
}

// moving is a connection that breaks off when nothing has passed on it for a while.
type moving struct {
	net.Conn
	stall time.Duration
}

// Read implements net.Conn.
func (m *moving) Read(p []byte) (int, error) {
	if err := m.SetDeadline(time.Now().Add(m.stall)); err != nil {
		return 0, err
	}
	return m.Conn.Read(p)
}

// Write implements net.Conn. What is on its way moves the deadline of what is read, too: the answer comes behind it.
func (m *moving) Write(p []byte) (written int, err error) {
	for first := true; err == nil && (first || written < len(p)); first = false {
		if err := m.SetDeadline(time.Now().Add(m.stall)); err != nil {
			return written, err
		}
		var n int
		n, err = m.Conn.Write(p[written:min(len(p), written+bufferBytes)])
		written += n
	}
	return written, err
}
