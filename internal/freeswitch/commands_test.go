package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	uuidA = "0b6f1a52-3c1d-4e6f-8a90-1234567890ab"
	uuidB = "f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f"
)

// No argument can start a second command, add a word to one, or name more
// gateways than one: it is refused before a connection is even made.
func TestArgumentsAreRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	p := answering(t, "+OK")
	s := newSwitch(t, p.addr, Options{})
	refused := func(call, value string, err error) {
		t.Helper()
		var bad *ArgumentError
		if !errors.As(err, &bad) {
			t.Errorf("%s(%q): got %v, want an ArgumentError", call, value, err)
		}
		if value != "" && len(value) > 3 && strings.Contains(err.Error(), value) {
			t.Errorf("%s: the error repeats the value: %v", call, err)
		}
	}
	for _, value := range []string{
		"", " ", "a b", "a\nb", "external\n\napi fsctl shutdown now", "a\rb", "a\x00b", "external\n", "\nexternal",
		"ä", "a;b", "a'b", `a"b`, "a|b", "../x/y", "${x}", "~x", "a,b", "a:b", strings.Repeat("a", 256),
	} {
		_, err := s.Gateway(t.Context(), value)
		refused("Gateway", value, err)
		refused("Rescan", value, s.Rescan(t.Context(), value))
		refused("ProfileRunning", value, s.ProfileRunning(t.Context(), value))
		_, err = s.KillGateway(t.Context(), value, uuidA)
		refused("KillGateway's profile", value, err)
		refused("Register's profile", value, s.Register(t.Context(), value, uuidA))
		_, err = s.GatewayUnder(t.Context(), value, uuidA)
		refused("GatewayUnder's profile", value, err)
	}
	for _, value := range []string{
		"", "_all_", "gw-1", strings.ToUpper(uuidA), "{" + uuidA + "}", "urn:uuid:" + uuidA, strings.ReplaceAll(uuidA, "-", ""),
		uuidA + " ", uuidA + "\n", " " + uuidA, uuidA + "\n\napi fsctl shutdown", uuidA + " _all_", uuidA[1:] + "g",
	} {
		_, err := s.KillGateway(t.Context(), "external", value)
		refused("KillGateway", value, err)
		refused("Register", value, s.Register(t.Context(), "external", value))
		refused("Unregister", value, s.Unregister(t.Context(), "external", value))
		_, err = s.GatewayUnder(t.Context(), "external", value)
		refused("GatewayUnder", value, err)
		_, err = s.WaitGone(t.Context(), []string{uuidA, value})
		refused("WaitGone", value, err)
	}
	refused("Rescan", strings.Repeat("p", 65), s.Rescan(t.Context(), strings.Repeat("p", 65)))
	for _, command := range []string{"status\n\napi fsctl shutdown", "status\r", "status\x00"} {
		_, err := s.api(t.Context(), "status", command)
		refused("api", command, err)
	}
	if n := p.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made, want none", n)
	}
}

func TestArgumentsThatAreNames(t *testing.T) {
	t.Parallel()
	p := startPeer(t, func(_ int, c *peerConn) {
		for ok := c.logIn(); ok && c.command() != ""; {
			c.reply("Invalid Gateway!\n")
		}
	})
	s := newSwitch(t, p.addr, Options{})
	for _, name := range []string{uuidA, "gw-1", "a.b_c-d", "7", strings.Repeat("a", 255)} {
		if _, err := s.Gateway(t.Context(), name); !errors.Is(err, ErrNoGateway) {
			t.Errorf("%q: got %v, want ErrNoGateway", name, err)
		}
	}
}

// What a host calls itself goes into a Lua string: anything that could leave
// the string is refused.
func TestHostNameThatIsNone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", `x"); os.execute("id`, "a b", "a\nb", "-ERR no reply\n", "-ERR hostname Command not found!\n", "ä"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := answering(t, name)
			err := newSwitch(t, p.addr, Options{}).DeleteSofiaCache(t.Context())
			var reply *ReplyError
			if !errors.As(err, &reply) || reply.Command != "hostname" {
				t.Errorf("got %v, want a ReplyError to hostname", err)
			}
		})
	}
}

func TestCacheDeleteWantsBothKeys(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"true", "true,false", "false,true", "true,true,true", "nil,nil", " true,true", ""} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			p := startPeer(t, func(_ int, c *peerConn) {
				if !c.logIn() {
					return
				}
				for command := c.command(); command != ""; command = c.command() {
					if strings.HasPrefix(command, "api lua ~") {
						c.reply(answer)
					} else {
						c.reply("pbx.example")
					}
				}
			})
			err := newSwitch(t, p.addr, Options{}).DeleteSofiaCache(t.Context())
			var reply *ReplyError
			if !errors.As(err, &reply) || reply.Reply != answer {
				t.Errorf("got %v, want a ReplyError", err)
			}
		})
	}
}

// A reply that nearly looks like success is none.
func TestRepliesThatAreNoSuccess(t *testing.T) {
	t.Parallel()
	rescan := func(ctx context.Context, s *Switch) error { return s.Rescan(ctx, "external") }
	reload := func(ctx context.Context, s *Switch) error { return s.ReloadXML(ctx) }
	status := func(ctx context.Context, s *Switch) error { _, err := s.Status(ctx); return err }
	running := func(ctx context.Context, s *Switch) error { return s.ProfileRunning(ctx, "external") }
	gateway := func(ctx context.Context, s *Switch) error { _, err := s.Gateway(ctx, "x"); return err }
	isReply := func(err error) bool { var e *ReplyError; return errors.As(err, &e) }
	isReload := func(err error) bool { var e *ReloadError; return errors.As(err, &e) && e.Line == 0 }
	cases := []struct {
		name, reply string
		call        func(context.Context, *Switch) error
		want        func(error) bool
	}{
		{"rescan", "", rescan, isReply},
		{"rescan", "+OK scan complete\n", rescan, isReply},
		{"rescan", "Reload XML [Success]\n", rescan, isReply},
		{"rescan", "Reload XML [Success]\n+OK scan comp", rescan, isReply},
		{"rescan", "Reload XML []\n+OK scan complete\n", rescan, isReply},
		{"rescan", "Reload XML \n+OK scan complete\n", rescan, isReply},
		{"rescan", "Invalid Profile [other]", rescan, isReply},
		{"rescan", "Reload XML [[error near line 99999999999]: x]\n+OK scan complete\n", rescan, isReload},
		{"rescan", "Reload XML [Cannot open the file]\n+OK scan complete\n", rescan, isReload},
		{"rescan", "Reload XML [Cannot open the file]\n-ERR cannot find config for profile external\n", rescan, isReload},
		{"reloadxml", "", reload, isReply},
		{"reloadxml", "+OK\n", reload, isReply},
		{"reloadxml", "-ERR [Success]\n", reload, isReply},
		{"reloadxml", "+OK [Success\n", reload, isReply},
		{"reloadxml", "+OK [Failure]\n", reload, isReload},
		{"status", "", status, isReply},
		{"status", "UP\nFreeSWITCH (Version 1) is ready\n", status, isReply},
		{"status", "UP 0 years, 0 days, 0 hours, 0 minutes, 53 seconds, 517 milliseconds, 481 microseconds\n", status, isReply},
		{"status", "UP 999999999999999999999 years, 0 days, 0 hours, 0 minutes, 53 seconds, 517 milliseconds, 481 microseconds\nFreeSWITCH (Version 1) is ready\n", status, isReply},
		{"profile", "", running, isReply},
		{"profile", "<profile>\n", running, isReply},
		{"gateway", "", gateway, isReply},
		{"gateway", "  <gateway>\n    <name>x</name>\n", gateway, isReply},
		{"gateway", "  <gateway>\n    <name>X</name>\n  </gateway>\n", gateway, isReply},
		{"gateway", "-ERR sofia Command not found!\n", gateway, func(err error) bool { return isReply(err) && strings.Contains(err.Error(), "mod_sofia") }},
	}
	for _, c := range cases {
		t.Run(c.name+" "+c.reply, func(t *testing.T) {
			t.Parallel()
			p := answering(t, c.reply)
			if err := c.call(t.Context(), newSwitch(t, p.addr, Options{})); !c.want(err) {
				t.Errorf("got %T %v", err, err)
			}
		})
	}
}

func TestStatusThatIsNotReady(t *testing.T) {
	t.Parallel()
	p := answering(t, "UP 1 year, 2 days, 1 hour, 1 minute, 1 second, 0 milliseconds, 1 microsecond\nFreeSWITCH (Version 1.10.11-release 64bit) is not ready\n")
	got, err := newSwitch(t, p.addr, Options{}).Status(t.Context())
	want := Status{Uptime: 367*24*time.Hour + time.Hour + time.Minute + time.Second + time.Microsecond, Version: "1.10.11-release"}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestLongRepliesAreShortInErrors(t *testing.T) {
	t.Parallel()
	p := answering(t, strings.Repeat("x", 1<<20))
	err := newSwitch(t, p.addr, Options{}).Rescan(t.Context(), "external")
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("got %d bytes of error", len(fmt.Sprint(err)))
	}
}

// A gateway's hostname may be either name of the switch; one without is every switch's.
func TestNamesMean(t *testing.T) {
	t.Parallel()
	names := Names{Host: "fs1.example", Switch: "fs1"}
	for hostname, want := range map[string]bool{"": true, "fs1.example": true, "fs1": true, "FS1": false, "fs2": false} {
		if got := names.Mean(hostname); got != want {
			t.Errorf("%q: got %v, want %v", hostname, got, want)
		}
	}
	if (Names{}).Mean("fs1") {
		t.Error("a switch that was not asked takes a hostname for its own")
	}
}
