package freeswitch

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fiorix/go-eventsocket/eventsocket"
)

// Another process of this machine that finds the relay's port gets nothing
// from it and keeps nobody out.
func TestRelayTurnsStrangersAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	admitted := make(chan *inside)
	ended := make(chan error, 1)
	go func() { ended <- acceptLibrary(ctx, listener, "secret", admitted) }()

	dial := func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(patience))
		return conn
	}
	silent := dial()
	const greeting = "Content-Type: auth/request\n\n"
	for _, said := range []string{"auth wrong\r\n\r\n", "auth secret\r\nX: y\r\n\r\n", "api status\r\n\r\n", strings.Repeat("x", 2*maxCommand)} {
		stranger := dial()
		io.WriteString(stranger, said)
		// What was not read when the relay closed makes the end a reset.
		if got, _ := io.ReadAll(stranger); string(got) != greeting && string(got) != "" {
			t.Errorf("%.40q: the stranger was told %q", said, got)
		}
	}
	library, err := eventsocket.Dial(listener.Addr().String(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	in := receive(t, "the library's connection", admitted)
	in.library = library
	in.close()
	cancel()
	listener.Close()
	if err := receive(t, "the end of accepting", ended); err == nil {
		t.Error("acceptLibrary ended without an error")
	}
	if got, _ := io.ReadAll(silent); string(got) != greeting {
		t.Errorf("the silent stranger was told %q", got)
	}
}

func TestRelayNeedsALivingContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if in, err := openInside(ctx); err == nil {
		in.close()
		t.Error("got a connection with a cancelled context")
	}
}

func TestReadFrame(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, bytes string
		want        frame
	}{
		{"greeting", "Content-Type: auth/request\n\n", frame{contentType: "auth/request"}},
		{"reply", "Content-Type: command/reply\nReply-Text: +OK accepted\n\n", frame{contentType: "command/reply", replyText: "+OK accepted"}},
		{"body", "Content-Length: 3\nContent-Type: api/response\n\na\nb", frame{contentType: "api/response", hasLength: true, body: []byte("a\nb")}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newFrameReader(strings.NewReader(c.bytes + "next"))
			got, err := readFrame(r, 10)
			if err != nil || got.contentType != c.want.contentType || got.replyText != c.want.replyText ||
				got.hasLength != c.want.hasLength || string(got.body) != string(c.want.body) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "next" {
				t.Errorf("left %q unread, want %q", rest, "next")
			}
		})
	}
	if _, err := readFrame(bufio.NewReader(strings.NewReader("")), 10); !errors.Is(err, errEnded) {
		t.Errorf("at the end: got %v, want errEnded", err)
	}
	if _, err := readFrame(bufio.NewReader(strings.NewReader("C")), 10); err == nil || errors.Is(err, errEnded) {
		t.Errorf("in the middle: got %v, want another error than errEnded", err)
	}
}
