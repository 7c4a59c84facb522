package fssim

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// patience is how long a test waits for what must happen; only a test that fails takes it.
const patience = 20 * time.Second

// startTestSwitch starts a switch for one test. tune may change its times before anything is loaded.
func startTestSwitch(t *testing.T, opts Options, tune ...func(*switchTimes)) *Switch {
	t.Helper()
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, f := range tune {
		f(&s.times)
	}
	return s
}

// socketClient is a client of the event socket that knows how frames end and nothing else.
type socketClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// dialSocket connects without a word.
func dialSocket(t *testing.T, s *Switch) *socketClient {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &socketClient{t, conn, bufio.NewReader(conn)}
}

// logIn connects with the password.
func logIn(t *testing.T, s *Switch) *socketClient {
	t.Helper()
	c := dialSocket(t, s)
	c.send("auth " + s.opts.Password + "\n\n")
	c.frame()
	if got, want := c.frame(), "Content-Type: command/reply\nReply-Text: +OK accepted\n\n"; got != want {
		t.Fatalf("auth answered %q, want %q", got, want)
	}
	return c
}

func (c *socketClient) send(bytes string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, bytes); err != nil {
		c.t.Fatal(err)
	}
}

// frame reads one head with its body, every byte of it.
func (c *socketClient) frame() string {
	c.t.Helper()
	frame, err := c.tryFrame()
	if err != nil {
		c.t.Fatalf("reading a frame: %v, after %q", err, frame)
	}
	return frame
}

func (c *socketClient) tryFrame() (string, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	return readFrame(c.r)
}

func readFrame(r *bufio.Reader) (string, error) {
	var head strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			return head.String(), err
		}
		if line == "\n" {
			break
		}
		if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return head.String(), err
			}
		}
	}
	body := make([]byte, length)
	n, err := io.ReadFull(r, body)
	return head.String() + string(body[:n]), err
}

// api runs a command and returns the body of its reply.
func (c *socketClient) api(command string) string {
	c.t.Helper()
	c.send("api " + command + "\n\n")
	head, body, _ := strings.Cut(c.frame(), "\n\n")
	if !strings.HasPrefix(head, "Content-Type: api/response\nContent-Length: ") {
		c.t.Fatalf("api %s answered with the head %q", command, head)
	}
	return body
}

// wantAPI fails the test where a command does not answer want.
func (c *socketClient) wantAPI(command, want string) {
	c.t.Helper()
	if got := c.api(command); got != want {
		c.t.Fatalf("api %s answered %q, want %q", command, got, want)
	}
}

// wantEOF fails the test where the connection does not end here.
func (c *socketClient) wantEOF() {
	c.t.Helper()
	if frame, err := c.tryFrame(); !errors.Is(err, io.EOF) || frame != "" {
		c.t.Fatalf("the connection went on with %q, %v; want its end", frame, err)
	}
}

// waitState waits until a gateway is in a state.
func waitState(t *testing.T, s *Switch, name, state string) {
	t.Helper()
	pbxtest.Eventually(t, name+" in state "+state, func() bool { return s.Loaded()[name].State == state })
}

// inList reports how many gateways of a name the list has.
func (c *socketClient) inList(name string) int {
	c.t.Helper()
	return strings.Count(c.api("sofia xmlstatus gateway"), "<name>"+name+"</name>")
}
