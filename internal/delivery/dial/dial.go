// Package dial connects to what callers name as a destination, and never to what is not on the public internet unless a setting
// allows it: other services of this host and its network trust whoever reaches them. It knows nothing of what is sent.
package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"trunkline/internal/fault"
)

// How long to wait, at most, for a connection and for the addresses of a name.
const (
	connectTimeout = 10 * time.Second
	lookUpTimeout  = 5 * time.Second
)

// Guard says what may be connected to.
type Guard struct {
	Allowed  []netip.Prefix // besides the public internet: TRUNKLINE_DELIVERY_NETWORKS
	Resolver *net.Resolver  // nil: the system's
	// Moved is told of the bytes that go over connections of Dial, either way; nil: nobody is.
	Moved func(bytes int)
}

// Refused is the error of an address that may not be connected to.
type Refused struct {
	Addr netip.Addr
	Is   string // what it is, for people
}

// Error does not name the address: it may be what a name server of ours says to us alone.
func (r *Refused) Error() string {
	return fmt.Sprintf("it has an address that is %s, which nothing is delivered to unless TRUNKLINE_DELIVERY_NETWORKS allows it", r.Is)
}

// Check refuses an address that may not be connected to. Whatever form it has, what counts is where packets go. The error is a
// *Refused.
func (g Guard) Check(addr netip.Addr) error {
	if !addr.IsValid() {
		return &Refused{addr, "none"}
	}
	if g.allows(addr.Unmap()) {
		return nil
	}
	for _, inner := range within(addr) {
		is := specialIs(inner)
		if is == "" && isOurs(inner) {
			is = "this host's own"
		}
		if is != "" && !g.allows(inner) {
			return &Refused{addr, is}
		}
	}
	return nil
}

func (g Guard) allows(addr netip.Addr) bool {
	return slices.ContainsFunc(g.Allowed, func(p netip.Prefix) bool { return p.Contains(addr.WithZone("")) })
}

// Dialer connects by TCP. It judges each address when it is about to connect to it, which what a name server said before or
// says later does not change.
func (g Guard) Dialer() *net.Dialer {
	return &net.Dialer{Timeout: connectTimeout, Resolver: g.Resolver, Control: func(network, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || network != "tcp4" && network != "tcp6" {
			return &Refused{Is: "not one of TCP"}
		}
		return g.Check(at.Addr())
	}}
}

// Dial connects as Dialer does, and tells Moved.
func (g Guard) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := g.Dialer().DialContext(ctx, network, address)
	if err != nil || g.Moved == nil {
		return conn, err
	}
	return &followed{conn, g.Moved}, nil
}

type followed struct {
	net.Conn
	moved func(bytes int)
}

// Read implements net.Conn.
func (f *followed) Read(into []byte) (int, error) {
	n, err := f.Conn.Read(into)
	f.moved(n)
	return n, err
}

// Write implements net.Conn.
func (f *followed) Write(from []byte) (int, error) {
	n, err := f.Conn.Write(from)
	f.moved(n)
	return n, err
}

// CheckHost refuses a name, or an address, of which it can be known now that it will not be connected to: all that it stands
// for is refused, or it stands for nothing. It passes what cannot be looked up at the moment. Errors say what to do, and name no
// parameter.
func (g Guard) CheckHost(ctx context.Context, host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.Check(addr)
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	resolver := g.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	addrs, err := resolver.LookupNetIP(ctx, "ip", host)
	if failed, is := errors.AsType[*net.DNSError](err); is && failed.IsNotFound {
		return fmt.Errorf("there is no host %s; write one that has an address", fault.Clip(host))
	}
	var refused error
	for _, addr := range addrs {
		if refused = g.Check(addr); refused == nil {
			return nil
		}
	}
	return refused
}
