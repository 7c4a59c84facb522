package fssim

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReplayEvents(t *testing.T) {
	t.Parallel()
	s := recordedSwitch(t, nil)
	replayAll(t, s, []string{"bgapi_custom_job_uuid", "bgapi_empty_output", "bgapi_rescan", "bgapi_unknown_api",
		"sendevent_custom_plain", "sendevent_custom_json", "event_plain_then_json_same_connection"}, eventFields...)
	replayAll(t, s, []string{"bgapi_status_plain"}, append([]string{"uptime", "idle"}, eventFields...)...)
	replay(t, s, "sendevent_custom_xml", append([]string{"xml-dates"}, eventFields...)...)
	replay(t, s, "event_plain_all_short", eventFields...)
}

// TestReplayGatewayEvents compares the events of each gateway, since those of several gateways cross.
func TestReplayGatewayEvents(t *testing.T) {
	t.Parallel()
	of := func(gateway string, frames []string) []string {
		return slices.DeleteFunc(frames, func(f string) bool {
			return !strings.Contains(f, "Gateway: "+gateway+"\n") && !strings.Contains(f, `"Gateway":"`+gateway+`"`)
		})
	}
	for _, format := range []string{"plain", "json"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := recordedSwitch(t, recordedGateways(), func(times *switchTimes) { times.silence = time.Hour })
			sent, recv := transcript(t, "events_"+format+"_gateways_added")
			c := logIn(t, s)
			c.send(sent)
			c.frame()
			logIn(t, s).api("sofia profile external rescan")
			var got []string
			for _, gw := range []string{"gw-403", "gw-503", "gw-badpw", "gw-closedport", "gw-loop401", "gw-noreg", "gw-reged"} {
				want := of(gw, frames(t, recv))
				if gw != "gw-noreg" {
					want = want[:4] // until it is registered, or waits to try again
				}
				for len(of(gw, slices.Clone(got))) < len(want) {
					got = append(got, c.frame())
				}
				for i, frame := range of(gw, slices.Clone(got))[:len(want)] {
					if g, w := withoutVolatile(frame, eventFields), withoutVolatile(want[i], eventFields); g != w {
						t.Errorf("event %d of %s is\n%s\nwhere the recording has\n%s", i, gw, g, w)
					}
				}
			}
		})
	}
}

// TestReplayKillThenRescan: a rescan that does not wait for the killed gateway to go loads its successor
// beside it, and the deletion is told after the addition.
func TestReplayKillThenRescan(t *testing.T) {
	t.Parallel()
	s := recordedSwitch(t, []string{element("gw-rot", "username=okrot2", "password=old", "proxy=127.0.0.1:15060")}, func(times *switchTimes) {
		// The order that the recording fixes, with room between the steps for a slow machine.
		times.trying, times.tick, times.answer, times.settle = 100*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	})
	asker := logIn(t, s)
	asker.api("sofia profile external rescan")
	waitState(t, s, "gw-rot", stateReged)

	sent, recv := transcript(t, "events_plain_killgw_then_immediate_rescan")
	c := logIn(t, s)
	c.send(sent)
	want := frames(t, recv)
	want = want[:len(want)-1] // the last event is another gateway's
	var got []string
	got = append(got, c.frame())
	asker.wantAPI("sofia profile external killgw gw-rot", "+OK gateway marked for deletion.\n")
	asker.wantAPI("sofia profile external rescan", "Reload XML [Success]\n+OK scan complete\n")
	if n := asker.inList("gw-rot"); n != 2 {
		t.Errorf("the list has the gateway %d times, want the killed one and its successor", n)
	}
	for range want[1:] {
		got = append(got, c.frame())
	}
	for i := range want {
		if g, w := withoutVolatile(got[i], eventFields), withoutVolatile(want[i], eventFields); g != w {
			t.Errorf("event %d is\n%s\nwhere the recording has\n%s", i, g, w)
		}
	}
	if n := asker.inList("gw-rot"); n != 1 {
		t.Errorf("the list has the gateway %d times after the deletion, want once", n)
	}
}

func TestBlockingCommandDelaysEvents(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{})
	c, other := logIn(t, s), logIn(t, s)
	c.send("event plain CUSTOM test::a\n\n")
	c.frame()
	running, finish := make(chan struct{}), make(chan struct{})
	t.Cleanup(s.OnCommand("echo blocked", func() { close(running); <-finish }))
	c.send("api echo blocked\n\napi echo after\n\n")
	<-running
	other.send("sendevent CUSTOM\nEvent-Subclass: test::a\n\n")
	other.frame()
	close(finish)
	if got := c.frame(); !strings.Contains(got, "blocked") {
		t.Errorf("got %q, want the blocking command's reply first", got)
	}
	// Whether the next command has come by now decides which of the two is first.
	rest := c.frame() + c.frame()
	for _, want := range []string{"after", "Event-Subclass: test%3A%3Aa"} {
		if !strings.Contains(rest, want) {
			t.Errorf("got %q, want %q in it", rest, want)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, commands string
		want           bool
	}{
		{"none", "", false},
		{"by subclass", "event plain CUSTOM test::a\n\n", true},
		{"another subclass", "event plain CUSTOM test::b\n\n", false},
		{"CUSTOM without a subclass", "event plain CUSTOM\n\n", false},
		{"ALL", "event plain ALL\n\n", true},
		{"taken back", "event plain CUSTOM test::a\n\nnixevent CUSTOM test::a\n\n", false},
		{"no events", "event plain CUSTOM test::a\n\nnoevents\n\n", false},
		{"filter that it passes", "event plain CUSTOM test::a\n\nfilter X yes\n\n", true},
		{"filter that it does not pass", "event plain CUSTOM test::a\n\nfilter X no\n\n", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := startTestSwitch(t, Options{})
			c := logIn(t, s)
			c.send(tc.commands)
			for range strings.Count(tc.commands, "\n\n") {
				c.frame()
			}
			// The marker comes after whatever came of the event.
			c.send("sendevent CUSTOM\nEvent-Subclass: test::a\nX: yes\n\nfilter X yes\n\nevent plain CUSTOM marker\n\n")
			c.frame()
			c.send("sendevent CUSTOM\nEvent-Subclass: marker\nX: yes\n\n")
			got := ""
			for !strings.Contains(got, "Event-Subclass: marker") {
				got += c.frame()
			}
			if strings.Contains(got, "Event-Subclass: test%3A%3Aa") != tc.want {
				t.Errorf("the event came: %v, want %v", !tc.want, tc.want)
			}
		})
	}
}

func TestSlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{})
	c := logIn(t, s)
	c.send("event plain CUSTOM test::a\n\n")
	c.frame()
	running, finish := make(chan struct{}), make(chan struct{})
	t.Cleanup(s.OnCommand("echo blocked", func() { close(running); <-finish }))
	c.send("api echo blocked\n\n")
	<-running
	for range maxQueuedEvents + maxLostEvents + 1 {
		s.publish(event{name: "CUSTOM", subclass: "test::a"})
	}
	close(finish)
	c.frame() // the answer that was waited for
	c.wantEOF()
}

func TestShutdownNotice(t *testing.T) {
	t.Parallel()
	s := startTestSwitch(t, Options{})
	c := logIn(t, s)
	sent, recv := transcript(t, "shutdown_graceful_issuing_connection")
	c.send(sent)
	got, err := io.ReadAll(c.r)
	if err != nil || string(got) != recv {
		t.Errorf("got %q, %v, want %q", got, err, recv)
	}
}
