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
	// idleTimeout is how long a connection is kept that nothing is asked on.
	idleTimeout = 30 * time.Second
	// connectionsKept is how many are kept for what is asked next.
	connectionsKept = 16
	// bufferBytes is how much passes at once between us and a connection.
	bufferBytes = 64 << 10
)

func (o Options) stall() time.Duration { return cmp.Or(o.Stall, stallTimeout) }

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
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, min(dialTimeout, o.stall()))
		defer cancel()
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &moving{Conn: conn, stall: o.stall()}, nil
	}
	return t
}

// moving is a connection that breaks off when what is sent stands still. What is read is watched request by request.
type moving struct {
	net.Conn
	stall time.Duration
}

// Write implements net.Conn.
func (m *moving) Write(p []byte) (written int, err error) {
	for first := true; err == nil && (first || written < len(p)); first = false {
		if err := m.SetWriteDeadline(time.Now().Add(m.stall)); err != nil {
			return written, err
		}
		var n int
		n, err = m.Conn.Write(p[written:min(len(p), written+bufferBytes)])
		written += n
	}
	return written, err
}
