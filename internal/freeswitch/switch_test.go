package freeswitch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/pbxtest"
)

// Thirty-two callers over four connections each get their own replies.
func TestConcurrentCallersGetTheirOwnReplies(t *testing.T) {
	t.Parallel()
	const callers, each = 32, 60
	p := startPeer(t, func(_ int, c *peerConn) {
		if c.logIn() {
			c.echo()
		}
	})
	s := newSwitch(t, p.addr, Options{})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for n := range each {
				// Lengths differ, so that a shifted reply cannot pass.
				want := fmt.Sprintf("%d-%d-%s", caller, n, strings.Repeat("x", (caller*each+n)%300))
				got, err := s.api(t.Context(), "echo", "echo "+want)
				if err != nil || got != want {
					t.Errorf("got %q, %v; want %q", got, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := p.accepted.Load(); n > DefaultMaxConns {
		t.Errorf("used %d connections, want at most %d", n, DefaultMaxConns)
	}
}

// A reply that comes after its caller has given up is nobody's.
func TestLateReplyIsNobodys(t *testing.T) {
	t.Parallel()
	gaveUp := make(chan struct{})
	p := startPeer(t, func(n int, c *peerConn) {
		if !c.logIn() || c.command() == "" {
			return
		}
		if n == 1 {
			<-gaveUp
			c.reply("late")
			c.untilGone()
			return
		}
		c.reply("fresh")
		c.untilGone()
	})
	s := newSwitch(t, p.addr, Options{MaxConns: 1})
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	if _, err := s.bareName(ctx, "hostname"); !wantTimeout(err) {
		t.Errorf("got %v, want a TimeoutError", err)
	}
	close(gaveUp)
	if got, err := s.bareName(t.Context(), "hostname"); err != nil || got != "fresh" {
		t.Errorf("the next command got %q, %v", got, err)
	}
}

// A peer that sends more bytes than it announced, or replies unasked, loses
// its connection: the surplus is not the next command's reply.
func TestSurplusIsNotTheNextReply(t *testing.T) {
	t.Parallel()
	for name, surplus := range map[string]string{
		"a reply to no command": apiResponse("surplus"),
		"a length too short":    "surplus",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			noticed := make(chan struct{})
			p := startPeer(t, func(n int, c *peerConn) {
				if !c.logIn() || c.command() == "" {
					return
				}
				c.reply("first")
				if n == 1 {
					c.raw(surplus + "\n")
					c.untilGone()
					close(noticed)
					return
				}
				c.untilGone()
			})
			s := newSwitch(t, p.addr, Options{MaxConns: 1})
			// The surplus may end the connection before the first reply is
			// taken from it; it must never be a reply.
			if got, err := s.api(t.Context(), "echo", "echo"); err == nil && got != "first" {
				t.Errorf("got %q", got)
			}
			receive(t, "the client hung up", noticed)
			if got, err := s.api(t.Context(), "echo", "echo"); err != nil || got != "first" {
				t.Errorf("the next command got %q, %v", got, err)
			}
		})
	}
}

func TestCancelEndsACommandAtOnce(t *testing.T) {
	t.Parallel()
	asked, hungUp := make(chan struct{}), make(chan struct{})
	p := startPeer(t, func(_ int, c *peerConn) {
		if c.logIn() && c.command() != "" {
			close(asked)
			c.untilGone()
			close(hungUp)
		}
	})
	s := newSwitch(t, p.addr, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Rescan(ctx, "external") }()
	receive(t, "the command", asked)
	cancel()
	err := receive(t, "the end of the cancelled command", ended)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "rescan") {
		t.Errorf("got %v", err)
	}
	receive(t, "the connection's end", hungUp)

	if _, err := s.bareName(ctx, "hostname"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a dead context: got %v", err)
	}
}

// Every wait counts towards the command's time: for a place, too.
func TestWaitingForAConnectionEnds(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	p := startPeer(t, func(_ int, c *peerConn) {
		if c.logIn() && c.command() != "" {
			close(asked)
			c.untilGone()
		}
	})
	s := newSwitch(t, p.addr, Options{MaxConns: 1})
	blocked := make(chan error, 1)
	go func() { _, err := s.bareName(t.Context(), "hostname"); blocked <- err }()
	receive(t, "the first command", asked)
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	if _, err := s.bareName(ctx, "hostname"); !wantTimeout(err) {
		t.Errorf("got %v, want a TimeoutError", err)
	}
	if n := p.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	s.Close()
	if err := receive(t, "the interrupted command", blocked); !errors.Is(err, ErrClosed) {
		t.Errorf("the interrupted command got %v, want ErrClosed", err)
	}
	if _, err := s.bareName(t.Context(), "hostname"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
}

// A pooled connection that turns out to be closed is replaced, once. A new
// connection that closes is not: the caller hears of it.
func TestClosedPooledConnectionIsReplacedOnce(t *testing.T) {
	t.Parallel()
	const notice = "Content-Type: text/disconnect-notice\nContent-Length: 4\n\nbye\n"
	cases := []struct {
		name       string
		badFrom    int // the second command on connection 1 fails, and every one from this connection on
		farewell   string
		wantErr    func(error) bool
		wantDialed int64
	}{
		{"hung up", 3, "", nil, 2},
		{"disconnected", 3, notice, nil, 2},
		{"and the new one too", 2, "", wantReason(ReasonHungUp), 2},
		{"cut off in a reply", 3, "Content-Type: api/resp", wantReason(ReasonCutOff), 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t, func(n int, conn *peerConn) {
				if !conn.logIn() {
					return
				}
				for commands := 1; conn.command() != ""; commands++ {
					if n >= c.badFrom || n == 1 && commands == 2 {
						conn.raw(c.farewell)
						return
					}
					conn.reply("ok")
				}
			})
			s := newSwitch(t, p.addr, Options{})
			if _, err := s.bareName(t.Context(), "hostname"); err != nil {
				t.Fatal(err)
			}
			got, err := s.bareName(t.Context(), "hostname")
			if c.wantErr == nil && (err != nil || got != "ok") || c.wantErr != nil && !c.wantErr(err) {
				t.Errorf("got %q, %v", got, err)
			}
			if n := p.accepted.Load(); n != c.wantDialed {
				t.Errorf("dialled %d times, want %d", n, c.wantDialed)
			}
		})
	}
}

// A FreeSWITCH that is restarted is found again without anybody's help, and
// the log has one line for the loss and one for the return.
func TestReconnectAfterRestart(t *testing.T) {
	t.Parallel()
	serve := func(name string) func(int, *peerConn) {
		return func(_ int, c *peerConn) {
			for ok := c.logIn(); ok && c.command() != ""; {
				c.reply(name)
			}
		}
	}
	var log bytes.Buffer
	before := startPeerAt(t, ownHost+":0", serve("before"))
	s := newSwitch(t, before.addr, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if got, err := s.bareName(t.Context(), "hostname"); err != nil || got != "before" {
		t.Fatalf("got %q, %v", got, err)
	}
	before.stop()
	for range 20 {
		if _, err := s.bareName(t.Context(), "hostname"); !wantReason(ReasonUnreachable)(err) {
			t.Fatalf("while it is down: got %v", err)
		}
	}
	startPeerAt(t, before.addr, serve("after"))
	pbxtest.Eventually(t, "the restarted switch answers", func() bool {
		got, err := s.bareName(t.Context(), "hostname")
		return err == nil && got == "after"
	})
	if lost, found := strings.Count(log.String(), "cannot be used"), strings.Count(log.String(), "is back"); lost != 1 || found != 1 {
		t.Errorf("log says lost %d times and found %d times, want once each:\n%s", lost, found, &log)
	}
}

// Callers do not knock again within the pause: they get the last error at once.
func TestPauseAfterFailedDial(t *testing.T) {
	t.Parallel()
	p := startPeer(t, func(_ int, c *peerConn) { c.raw("Content-Type: text/rude-rejection\n\n") })
	s := newSwitch(t, p.addr, Options{})
	started := time.Now()
	const calls = 5000
	for range calls {
		if _, err := s.bareName(t.Context(), "hostname"); !wantReason(ReasonRefusedByACL)(err) {
			t.Fatalf("got %v", err)
		}
	}
	// The shortest pause is half of firstPause.
	most := int64(time.Since(started)/(firstPause/2)) + 1
	if n := p.accepted.Load(); n > most {
		t.Errorf("%d calls knocked %d times, want at most %d", calls, n, most)
	}
}

func TestPauseGrowsToASecond(t *testing.T) {
	t.Parallel()
	for failures, longest := range map[int]time.Duration{
		1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 5: 800 * time.Millisecond,
		6: time.Second, 9: time.Second, 1 << 40: time.Second,
	} {
		for range 100 {
			if got := pauseAfter(failures); got < longest/2 || got > longest {
				t.Errorf("after %d failures: %v, want %v to %v", failures, got, longest/2, longest)
			}
		}
	}
}

// A dial that its caller cut short says nothing about the switch.
func TestCancelledDialStartsNoPause(t *testing.T) {
	t.Parallel()
	var open atomic.Bool
	reached := make(chan struct{}, 1)
	p := startPeer(t, func(_ int, c *peerConn) {
		if !open.Load() {
			reached <- struct{}{}
			c.untilGone()
			return
		}
		for ok := c.logIn(); ok && c.command() != ""; {
			c.reply("ok")
		}
	})
	s := newSwitch(t, p.addr, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := s.bareName(ctx, "hostname"); ended <- err }()
	receive(t, "the dial", reached)
	cancel()
	if err := receive(t, "the cancelled dial", ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	open.Store(true)
	if got, err := s.bareName(t.Context(), "hostname"); err != nil || got != "ok" {
		t.Errorf("the next caller got %q, %v", got, err)
	}
}

func TestOptionDefaults(t *testing.T) {
	t.Parallel()
	got := Options{CommandTimeout: time.Hour, MaxConns: -1}.withDefaults()
	if got.DialTimeout != DefaultDialTimeout || got.CommandTimeout != MaxCommandTimeout ||
		got.MaxReply != DefaultMaxReply || got.MaxConns != DefaultMaxConns || got.Logger == nil {
		t.Errorf("got %+v", got)
	}
	if got := (Options{}).withDefaults().CommandTimeout; got != DefaultCommandTimeout {
		t.Errorf("CommandTimeout: got %v", got)
	}
	s := New("192.0.2.1:8021", "x", Options{})
	if s.Addr() != "192.0.2.1:8021" {
		t.Errorf("Addr: got %q", s.Addr())
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("Close twice: %v", err)
	}
}
