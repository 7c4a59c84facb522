package freeswitch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// wantReason makes a check for an UnavailableError.
func wantReason(reason Reason) func(error) bool {
	return func(err error) bool {
		var gone *UnavailableError
		return errors.As(err, &gone) && gone.Reason == reason
	}
}

// wantProtocol makes a check for a ProtocolError that says a word.
func wantProtocol(word string) func(error) bool {
	return func(err error) bool {
		var broken *ProtocolError
		return errors.As(err, &broken) && strings.Contains(broken.Detail, word)
	}
}

func wantTimeout(err error) bool {
	var late *TimeoutError
	return errors.As(err, &late) && errors.Is(err, context.DeadlineExceeded)
}

func wantReply(text string) func(error) bool {
	return func(err error) bool {
		var reply *ReplyError
		return errors.As(err, &reply) && reply.Reply == text && reply.Command == "echo"
	}
}

// Whatever the peer does on its first connection, the command ends with an
// error that names the cause, and the next connection serves as if nothing had
// been.
func TestHostilePeer(t *testing.T) {
	t.Parallel()
	random := make([]byte, 100_000)
	for i, source := 0, rand.New(rand.NewPCG(1, 2)); i < len(random); i++ {
		random[i] = byte(source.Uint32())
	}
	// afterCommand behaves until the first command has come.
	afterCommand := func(then func(c *peerConn)) func(c *peerConn) {
		return func(c *peerConn) {
			if c.logIn() && c.command() != "" {
				then(c)
			}
		}
	}
	says := func(text string) func(c *peerConn) {
		return afterCommand(func(c *peerConn) { c.raw(text); c.untilGone() })
	}
	greets := func(text string) func(c *peerConn) {
		return func(c *peerConn) { c.raw(text); c.untilGone() }
	}
	afterAuth := func(text string) func(c *peerConn) {
		return func(c *peerConn) {
			c.raw("Content-Type: auth/request\n\n")
			c.command()
			c.raw(text)
			c.untilGone()
		}
	}
	const goodbye = "Content-Type: text/disconnect-notice\nContent-Length: 67\n\nDisconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
	short := Options{DialTimeout: silence, CommandTimeout: silence}

	cases := []struct {
		name    string
		first   func(c *peerConn)
		options Options
		want    func(error) bool
	}{
		{"silent after connect", func(c *peerConn) { c.untilGone() }, short, wantTimeout},
		{"silent in the greeting", greets("Content-Type: auth/"), short, wantTimeout},
		{"silent after the password", afterAuth(""), short, wantTimeout},
		{"silent after log-in", func(c *peerConn) { c.logIn(); c.untilGone() }, Options{CommandTimeout: silence}, wantTimeout},
		{"silent after the command", says(""), Options{CommandTimeout: silence}, wantTimeout},
		{"silent in a header", says("Content-Type: api/resp"), Options{CommandTimeout: silence}, wantTimeout},
		{"length too long, then silence", says("Content-Type: api/response\nContent-Length: 500\n\nabc"), Options{CommandTimeout: silence}, wantTimeout},

		{"hangs up at once", func(*peerConn) {}, Options{}, wantReason(ReasonHungUp)},
		{"hangs up in the greeting", func(c *peerConn) { c.raw("Content-Ty") }, Options{}, wantReason(ReasonCutOff)},
		{"hangs up at the password", func(c *peerConn) { c.raw("Content-Type: auth/request\n\n"); c.command() }, Options{}, wantReason(ReasonHungUp)},
		{"hangs up at the command", afterCommand(func(*peerConn) {}), Options{}, wantReason(ReasonHungUp)},
		{"hangs up in a header", afterCommand(func(c *peerConn) { c.raw("Content-Type: api/response\nContent-Le") }), Options{}, wantReason(ReasonCutOff)},
		{"hangs up in a body", afterCommand(func(c *peerConn) {
			c.raw("Content-Type: api/response\nContent-Length: 900000\n\n" + strings.Repeat("x", 400_000))
		}), Options{}, wantReason(ReasonCutOff)},
		{"shuts down", says("Content-Type: text/disconnect-notice\nContent-Length: 31\n\nThe system is being shut down.\n"), Options{}, wantReason(ReasonDisconnected)},
		{"says goodbye in place of a greeting", greets(goodbye), Options{}, wantReason(ReasonDisconnected)},
		{"says goodbye to the password", afterAuth(goodbye), Options{}, wantReason(ReasonDisconnected)},
		{"refuses the address", greets("Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"), Options{}, wantReason(ReasonRefusedByACL)},
		{"refuses the address without a body", func(c *peerConn) { c.raw("Content-Type: text/rude-rejection\n\n") }, Options{}, wantReason(ReasonRefusedByACL)},
		{"refuses the password", afterAuth("Content-Type: command/reply\nReply-Text: -ERR invalid\n\n" + goodbye), Options{}, wantReason(ReasonWrongPassword)},
		{"refuses the password without a word", afterAuth("Content-Type: command/reply\n\n"), Options{}, wantReason(ReasonWrongPassword)},

		{"negative length", says("Content-Type: api/response\nContent-Length: -1\n\n"), Options{}, wantProtocol("Content-Length")},
		{"huge length", says("Content-Type: api/response\nContent-Length: 9000000000000000000\n\n"), Options{}, wantProtocol("more than")},
		{"length beyond 64 bits", says("Content-Type: api/response\nContent-Length: 99999999999999999999\n\n"), Options{}, wantProtocol("Content-Length")},
		{"length above the limit", says(apiResponse("12345")), Options{MaxReply: 4}, wantProtocol("more than the 4 bytes")},
		{"length with a sign", says("Content-Type: api/response\nContent-Length: +3\n\nabc"), Options{}, wantProtocol("Content-Length")},
		{"length in words", says("Content-Type: api/response\nContent-Length: three\n\nabc"), Options{}, wantProtocol("Content-Length")},
		{"two lengths", says("Content-Type: api/response\nContent-Length: 3\nContent-Length: 4\n\nabcd"), Options{}, wantProtocol("Content-Length")},
		{"no length", says("Content-Type: api/response\n\nabc"), Options{}, wantProtocol("without Content-Length")},
		{"unknown type", says("Content-Type: text/html\nContent-Length: 3\n\nabc"), Options{}, wantProtocol("text/html")},
		{"no type", says("Content-Length: 3\n\nabc"), Options{}, wantProtocol("without Content-Type")},
		{"greets again", says("Content-Type: auth/request\n\n"), Options{}, wantProtocol("auth/request")},
		{"speaks HTTP", greets("HTTP/1.1 400 Bad Request\r\n\r\n"), Options{}, wantProtocol("colon")},
		{"greets with a reply", greets(apiResponse("abc")), Options{}, wantProtocol("api/response")},
		{"endless header line", says("Content-Type: " + strings.Repeat("x", 10_000_000)), Options{}, wantProtocol("header line of more")},
		{"endless header", says(strings.Repeat("X: y\n", 1_000_000)), Options{}, wantProtocol("lines")},
		{"blank lines", says(strings.Repeat("\n", 1_000_000)), Options{}, wantProtocol("without Content-Type")},
		{"random bytes as a greeting", greets(string(random)), Options{}, wantProtocol("")},
		{"random bytes as a reply", says(string(random)), Options{}, wantProtocol("")},
		{"random bytes to the password", afterAuth(string(random)), Options{}, wantProtocol("")},

		{"command/reply of an error", says("Content-Type: command/reply\nReply-Text: -ERR command not found\n\n"), Options{}, wantReply("-ERR command not found")},
		{"command/reply of -E", says("Content-Type: command/reply\nReply-Text: -E\n\n"), Options{}, wantReply("-E")},
		{"command/reply of one byte", says("Content-Type: command/reply\nReply-Text: +\n\n"), Options{}, wantReply("+")},
		{"command/reply of nothing", says("Content-Type: command/reply\n\n"), Options{}, wantReply("")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t, func(n int, conn *peerConn) {
				if n == 1 {
					c.first(conn)
					return
				}
				if conn.logIn() {
					conn.echo()
				}
			})
			var log bytes.Buffer
			c.options.Logger = slog.New(slog.NewTextHandler(&log, nil))
			s := newSwitch(t, p.addr, c.options)
			started := time.Now()
			reply, err := s.api(t.Context(), "echo", "echo 1")
			if err == nil || !c.want(err) {
				t.Errorf("got reply %.80q and error %T %v", reply, err, err)
			}
			if took := time.Since(started); took > patience/2 {
				t.Errorf("took %v", took)
			}
			if strings.Contains(err.Error(), testPassword) || strings.Contains(log.String(), testPassword) {
				t.Errorf("the password shows: %v\n%s", err, &log)
			}
			// Within the pause after a failed dial the old error stands; then
			// the good connection serves. A test with a short time-out may
			// meet a busy machine.
			pbxtest.Eventually(t, "the next connection serves", func() bool {
				reply, err := s.api(t.Context(), "echo", "echo 2")
				if err == nil && reply != "2" {
					t.Fatalf("echo 2 got %q", reply)
				}
				return err == nil
			})
		})
	}
}

// Replies that go-eventsocket itself would panic on, or take for something
// else, are replies like any other.
func TestOddRepliesArriveWhole(t *testing.T) {
	t.Parallel()
	events := strings.Repeat("Content-Length: 20\nContent-Type: text/event-plain\n\nEvent-Name: RELOAD\n\n", 100) +
		"Content-Length: 2\nContent-Type: text/event-json\n\n[]" +
		"Content-Length: 1\nContent-Type: text/event-xml\n\n<" +
		"Content-Length: 4\nContent-Type: log/data\nLog-Level: 7\n\nhey\n"
	cases := []struct{ name, sent, want string }{
		{"empty", apiResponse(""), ""},
		{"one byte", apiResponse("x"), "x"},
		{"minus", apiResponse("-"), "-"},
		{"-E", apiResponse("-E"), "-E"},
		{"-ERR", apiResponse("-ERR"), "-ERR"},
		{"-ERR with a reason", apiResponse("-ERR no reply\n"), "-ERR no reply\n"},
		{"the relay's mark", apiResponse(bodyMark), bodyMark},
		{"line breaks and NUL", apiResponse("\r\n\r\n\x00\n\n"), "\r\n\r\n\x00\n\n"},
		{"looks like a frame", apiResponse(apiResponse("x")), apiResponse("x")},
		{"invalid UTF-8", apiResponse("\xff\xfe\x80"), "\xff\xfe\x80"},
		{"900 KB", apiResponse(strings.Repeat("0123456789", 90_000)), strings.Repeat("0123456789", 90_000)},
		{"exactly the limit", apiResponse(strings.Repeat("x", 1<<20)), strings.Repeat("x", 1<<20)},
		{"CR LF and odd case in the header", "content-TYPE:api/response\r\nCONTENT-length:  3 \r\nX: y\r\n\r\nabc", "abc"},
		{"odd bytes in a header that is not used", "Content-Type: api/response\nX\x01 Y: \x00\xff\nContent-Length: 3\n\nabc", "abc"},
		{"behind events that nobody asked for", events + apiResponse("abc"), "abc"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t, func(_ int, conn *peerConn) {
				for ok := conn.logIn(); ok && conn.command() != ""; {
					conn.raw(c.sent)
				}
			})
			s := newSwitch(t, p.addr, Options{MaxReply: 1 << 20})
			for range 3 {
				got, err := s.api(t.Context(), "echo", "echo")
				if err != nil || got != c.want {
					t.Fatalf("got %.80q (%d bytes), %v; want %.80q (%d bytes)", got, len(got), err, c.want, len(c.want))
				}
			}
			if n := p.accepted.Load(); n != 1 {
				t.Errorf("used %d connections, want 1", n)
			}
		})
	}
}

// A reply that drips in is taken as long as the command's time lasts, and no
// longer.
func TestDrippingReplyEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	p := startPeer(t, func(_ int, c *peerConn) {
		if !c.logIn() || c.command() == "" {
			return
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for head := "Content-Type: api/response\nContent-Length: 100000\n\n"; ; head = "x" {
			if _, err := c.Write([]byte(head)); err != nil {
				return
			}
			<-tick.C
		}
	})
	s := newSwitch(t, p.addr, Options{CommandTimeout: silence})
	if _, err := s.Status(t.Context()); !wantTimeout(err) {
		t.Errorf("got %v, want a TimeoutError", err)
	}
}

func TestPortThatRefuses(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", ownHost+":0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	_, err = newSwitch(t, addr, Options{}).Status(t.Context())
	if !wantReason(ReasonUnreachable)(err) || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v", err)
	}
}

// A peer that sends the password back does not make an error repeat it.
func TestPasswordSentBack(t *testing.T) {
	t.Parallel()
	for _, format := range []string{
		"X\n\n",
		"X: X\n\n",
		"Content-Type: X\n\n",
		"Content-Type: text/html\nX: y\n\n",
		"Content-Length: X\n\n",
		"Content-Type: command/reply\nReply-Text: -ERR X\n\n",
		"Content-Type: text/disconnect-notice\nContent-Length: 21\n\nX",
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t, func(_ int, c *peerConn) {
				c.raw("Content-Type: auth/request\n\n")
				c.raw(strings.ReplaceAll(format, "X", strings.TrimPrefix(c.command(), "auth ")))
			})
			_, err := newSwitch(t, p.addr, Options{}).Status(t.Context())
			if err == nil || strings.Contains(err.Error(), testPassword) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPasswordThatCannotBeSent(t *testing.T) {
	t.Parallel()
	p := answering(t, "x")
	for _, password := range []string{"a\nb", "a\rb", "a\x00b"} {
		s := New(p.addr, password, Options{})
		_, err := s.Status(t.Context())
		s.Close()
		var bad *ArgumentError
		if !errors.As(err, &bad) || strings.Contains(err.Error(), password) {
			t.Errorf("password %q: got %v", password, err)
		}
	}
}
