package pbxtest

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Link is a way to a server that is as slow as a test wants it, and can break.
type Link struct {
	listener net.Listener
	target   string
	pace     int // bytes a second that come from the server on each connection; 0 is no bound
	received atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
	ended bool
}

// linkBuffer is how many bytes pass at once: a fraction of a second's at any pace that a test wants.
const linkBuffer = 16 << 10

// linkAhead is how many bytes either end may be ahead of the other; much less than what the system sends at once makes a
// connection stall.
const linkAhead = 256 << 10

// NewLink opens a way to the server of that URL until the test ends.
func NewLink(t testing.TB, server string, pace int) *Link {
	t.Helper()
	u, err := url.Parse(server)
	Must(t, err)
	l := &Link{target: u.Host, pace: pace, conns: map[net.Conn]bool{}}
	l.listener, err = net.Listen("tcp", "127.0.0.1:0")
	Must(t, err)
	var group sync.WaitGroup
	group.Go(func() { l.accept(&group) })
	t.Cleanup(func() {
		l.mu.Lock()
		l.ended = true
		l.mu.Unlock()
		_ = l.listener.Close()
		l.Cut()
		group.Wait()
	})
	return l
}

// Through is the URL by which the server is reached over the link.
func (l *Link) Through(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server // NewLink has parsed it
	}
	u.Host = l.listener.Addr().String()
	return u.String()
}

// Received is how many bytes have come from the server.
func (l *Link) Received() int64 { return l.received.Load() }

// Cut breaks all connections off. Further ones are let through.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
	clear(l.conns)
}

func (l *Link) accept(group *sync.WaitGroup) {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", l.target)
		if err != nil {
			_ = near.Close() // the server is away
			continue
		}
		// The server stops when it is ahead of the pace, in place of leaving megabytes to the system.
		_ = far.(*net.TCPConn).SetReadBuffer(linkAhead)
		_ = near.(*net.TCPConn).SetWriteBuffer(linkAhead)
		if !l.hold(near, far) {
			return
		}
		group.Go(func() { l.carry(far, near, 0, new(atomic.Int64)) })
		group.Go(func() { l.carry(near, far, l.pace, &l.received) })
	}
}

// hold has Cut close the connections; false: the test has ended, and they are closed.
func (l *Link) hold(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		if l.ended {
			_ = c.Close()
			continue
		}
		l.conns[c] = true
	}
	return !l.ended
}

// carry carries bytes one way until either end closes, and then closes both.
func (l *Link) carry(to, from net.Conn, pace int, count *atomic.Int64) {
	defer l.drop(to, from)
	buffer := make([]byte, linkBuffer)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			count.Add(int64(n))
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
			if pace > 0 {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(pace))
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *Link) drop(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(l.conns, c)
	}
}
