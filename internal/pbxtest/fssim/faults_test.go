package fssim

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestHang(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{})
	old := logIn(t, s)
	s.Hang(true)
	fresh := dialSocket(t, s)
	old.send("api echo late\n\n")
	const silence = 50 * time.Millisecond
	for name, c := range map[string]*socketClient{"an old connection": old, "a new connection": fresh} {
		if err := c.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			t.Fatal(err)
		}
		if b, err := c.r.Peek(1); err == nil {
			t.Errorf("%s had %q from a switch that hangs", name, b)
		}
	}
	s.Hang(false)
	if got, want := fresh.frame(), "Content-Type: auth/request\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := old.frame(), "Content-Type: api/response\nContent-Length: 4\n\nlate"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCloseWhileHung(t *testing.T) {
	t.Parallel()
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Hang(true)
	dialSocket(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefuseACL(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{})
	s.RefuseACL(true)
	c := dialSocket(t, s)
	if got, want := c.frame(), "Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c.wantEOF()
	s.RefuseACL(false)
	logIn(t, s)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{Gateways: gatewayConfig(element("gw", noregister))})
	c := logIn(t, s)

	s.FaultOnce("rescan", func(conn net.Conn) { io.WriteString(conn, "Content-Type: nonsense\n\n") })
	c.send("api " + rescan + "\n\n")
	if got, want := c.frame(), "Content-Type: nonsense\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(s.Loaded()) != 0 {
		t.Error("a command that was answered by a fault was run")
	}

	s.LoseReplyOnce("rescan")
	c.send("api " + rescan + "\n\n")
	c.wantEOF()
	if len(s.Loaded()) != 1 {
		t.Error("a command whose reply was lost was not run")
	}

	c = logIn(t, s)
	const d = 30 * time.Millisecond
	remove := s.Delay("echo", d)
	began := time.Now()
	c.wantAPI("echo slow", "slow")
	if took := time.Since(began); took < d {
		t.Errorf("the delayed answer came after %v, want %v or more", took, d)
	}
	remove()
	if left := s.faults.delay("api echo"); left != 0 {
		t.Errorf("a delay of %v is left", left)
	}

	calls := 0
	remove = s.OnCommand("killgw", func() { calls++ })
	c.api("sofia profile external killgw gw")
	c.api("echo killing")
	remove()
	c.api("sofia profile external killgw gw")
	if calls != 1 {
		t.Errorf("the hook was called %d times, want once", calls)
	}
}

func TestCommandLog(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{Password: "very secret"})
	c := logIn(t, s)
	c.api(rescan)
	c.api("sofia xmlstatus gateway")
	var lines []string
	for _, command := range s.Commands() {
		lines = append(lines, command.Line)
	}
	want := []string{"auth", "api " + rescan, "api sofia xmlstatus gateway"}
	if len(lines) != len(want) {
		t.Fatalf("got %q, want %q", lines, want)
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d is %q, want %q", i, lines[i], want[i])
		}
	}
	if got := s.CountCommands("sofia profile external"); got != 1 {
		t.Errorf("counted %d rescans, want 1", got)
	}
	if got := s.CountCommands("api sofia"); got != 2 {
		t.Errorf("counted %d sofia commands, want 2", got)
	}
}
