package freeswitch

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// No test may leave a goroutine behind: neither ours nor go-eventsocket's.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testPassword = "pa$$w:d-of-the-switch"

	// patience is how long a test waits for what should take milliseconds.
	patience = 20 * time.Second
	// silence is how long a client under test waits for a peer that says
	// nothing.
	silence = 150 * time.Millisecond

	// ownHost is where ports are opened that a test closes while it still
	// needs them: the other tests, which run at the same time, open theirs on
	// 127.0.0.1.
	ownHost = "127.0.0.2"
)

// A peer plays FreeSWITCH, well or badly. serve gets every connection, in a
// goroutine of its own, with its number from 1; the connection is closed when
// serve returns.
type peer struct {
	addr     string
	listener net.Listener
	accepted atomic.Int64
	serving  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

func startPeer(t testing.TB, serve func(n int, c *peerConn)) *peer {
	t.Helper()
	return startPeerAt(t, "127.0.0.1:0", serve)
}

func startPeerAt(t testing.TB, addr string, serve func(n int, c *peerConn)) *peer {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{addr: listener.Addr().String(), listener: listener}
	p.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			n := int(p.accepted.Add(1))
			if !p.keep(conn) {
				conn.Close()
				return
			}
			p.serving.Go(func() {
				defer conn.Close()
				serve(n, &peerConn{Conn: conn, reader: bufio.NewReader(conn)})
			})
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *peer) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.conns = append(p.conns, conn)
	}
	return !p.closed
}

// stop closes the port and every connection, as a kill does.
func (p *peer) stop() {
	p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for _, conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
}

type peerConn struct {
	net.Conn
	reader *bufio.Reader
}

// raw writes bytes as they are. An error means that the client is gone, which
// the client's own result tells better.
func (c *peerConn) raw(text string) { c.Write([]byte(text)) }

// logIn greets and takes the password; false if it is wrong or the client
// is gone.
func (c *peerConn) logIn() bool {
	c.raw("Content-Type: auth/request\n\n")
	if c.command() != "auth "+testPassword {
		return false
	}
	c.raw("Content-Type: command/reply\nReply-Text: +OK accepted\n\n")
	return true
}

// command returns the next command, "" when the client is gone.
func (c *peerConn) command() string {
	line, err := c.reader.ReadString('\n')
	if err != nil {
		return ""
	}
	if blank, err := c.reader.ReadString('\n'); err != nil || blank != "\n" {
		return ""
	}
	return strings.TrimSuffix(line, "\n")
}

// reply answers an api command with a body.
func (c *peerConn) reply(body string) { c.raw(apiResponse(body)) }

func apiResponse(body string) string {
	return fmt.Sprintf("Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body)
}

// untilGone waits for the client to close the connection.
func (c *peerConn) untilGone() {
	for c.command() != "" {
	}
}

// echo serves `api echo X` with X until the client goes.
func (c *peerConn) echo() {
	for {
		command := c.command()
		if command == "" {
			return
		}
		c.reply(strings.TrimPrefix(command, "api echo "))
	}
}

// answering returns a peer that logs in well and answers every command with
// the same body.
func answering(t testing.TB, body string) *peer {
	t.Helper()
	return startPeer(t, func(_ int, c *peerConn) {
		for ok := c.logIn(); ok && c.command() != ""; {
			c.reply(body)
		}
	})
}

// newSwitch returns a Switch that the test closes. Its time-outs are long: a
// test that is to see one sets its own.
func newSwitch(t testing.TB, addr string, o Options) *Switch {
	t.Helper()
	if o.DialTimeout == 0 {
		o.DialTimeout = patience
	}
	if o.CommandTimeout == 0 {
		o.CommandTimeout = patience
	}
	s := New(addr, testPassword, o)
	t.Cleanup(func() { s.Close() })
	return s
}

// receive takes a value from a channel that a peer sends to.
func receive[T any](t testing.TB, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came: %s", what)
		panic("unreachable")
	}
}

// recording returns what FreeSWITCH sent in one recorded session.
func recording(t testing.TB, name string) string { return transcript(t, name+".recv") }

// recorded returns what the client wrote in one recorded session.
func recorded(t testing.TB, name string) string { return transcript(t, name+".sent") }

func transcript(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "esl-transcripts", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
