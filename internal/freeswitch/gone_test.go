package freeswitch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// gatewayList is a reply to xmlstatus gateway with these gateways.
func gatewayList(names ...string) string {
	var list strings.Builder
	list.WriteString("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<gateways>\n")
	for _, name := range names {
		fmt.Fprintf(&list, "  <gateway>\n    <name>%s</name>\n    <state>NOREG</state>\n  </gateway>\n", name)
	}
	list.WriteString("</gateways>\n")
	return list.String()
}

func TestWaitGone(t *testing.T) {
	t.Parallel()
	lists := []string{
		gatewayList("other", uuidA, uuidB),
		gatewayList(uuidB, "other"),
		gatewayList("other"),
	}
	var asked atomic.Int64
	p := startPeer(t, func(_ int, c *peerConn) {
		for ok := c.logIn(); ok && c.command() != ""; {
			c.reply(lists[min(int(asked.Add(1)), len(lists))-1])
		}
	})
	s := newSwitch(t, p.addr, Options{})
	if _, err := s.WaitGone(t.Context(), nil); err != nil || asked.Load() != 0 {
		t.Errorf("none to wait for: %v, asked %d times", err, asked.Load())
	}
	if _, err := s.WaitGone(t.Context(), []string{uuidA, uuidB}); err != nil {
		t.Errorf("got %v", err)
	}
	if n := asked.Load(); n != int64(len(lists)) {
		t.Errorf("asked %d times, want %d", n, len(lists))
	}
}

func TestWaitGoneEnds(t *testing.T) {
	t.Parallel()
	t.Run("at the deadline", func(t *testing.T) {
		t.Parallel()
		p := answering(t, gatewayList(uuidA))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // long enough for one question on a busy machine
		defer cancel()
		left, err := newSwitch(t, p.addr, Options{}).WaitGone(ctx, []string{uuidB, uuidA})
		if !wantTimeout(err) || !strings.Contains(err.Error(), uuidA+" (1 of 2 left)") || !slices.Equal(left, []string{uuidA}) {
			t.Errorf("got %v, %v; want a TimeoutError that names the gateway", left, err)
		}
	})
	t.Run("when cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		p := startPeer(t, func(_ int, c *peerConn) {
			for ok := c.logIn(); ok && c.command() != ""; {
				c.reply(gatewayList(uuidA))
				cancel()
			}
		})
		started := time.Now()
		if _, err := newSwitch(t, p.addr, Options{}).WaitGone(ctx, []string{uuidA}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(started); took > patience/2 {
			t.Errorf("took %v", took)
		}
	})
	// Half a list must never make a gateway look gone.
	for name, list := range map[string]string{
		"half a list": strings.TrimSuffix(gatewayList("other"), "</gateways>\n"),
		"an error":    "-ERR sofia Command not found!\n",
		"nothing":     "",
		"only an end": "</gateways>\n",
	} {
		t.Run("with "+name, func(t *testing.T) {
			t.Parallel()
			p := answering(t, list)
			var reply *ReplyError
			if _, err := newSwitch(t, p.addr, Options{}).WaitGone(t.Context(), []string{uuidA}); !errors.As(err, &reply) {
				t.Errorf("got %v, want a ReplyError", err)
			}
		})
	}
}

// A list that is too long to be read does not keep a gateway from being changed: after the time that
// FreeSWITCH needs at most it is enough that none is found by name.
func TestWaitGoneWithoutTheList(t *testing.T) {
	t.Parallel()
	byName := []string{"  <gateway>\n    <name>" + uuidA + "</name>\n  </gateway>\n", "Invalid Gateway!\n"}
	var lists, names atomic.Int64
	p := startPeer(t, func(_ int, c *peerConn) {
		for ok := c.logIn(); ok; {
			switch c.command() {
			case "":
				return
			case "api sofia xmlstatus gateway":
				lists.Add(1)
				c.reply(gatewayList(strings.Split(strings.Repeat("other ", 50), " ")...))
			default:
				c.reply(byName[min(int(names.Add(1)), len(byName))-1])
			}
		}
	})
	var log bytes.Buffer
	s := newSwitch(t, p.addr, Options{MaxReply: 1000, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.dropTime = time.Millisecond
	if _, err := s.Gateways(t.Context()); !errors.Is(err, ErrReplyTooLong) || !strings.Contains(err.Error(), "TRUNKLINE_SWITCH_MAX_REPLY") {
		t.Errorf("the list: got %v, want ErrReplyTooLong and the remedy", err)
	}
	if _, err := s.WaitGone(t.Context(), []string{uuidA}); err != nil {
		t.Errorf("got %v", err)
	}
	if lists.Load() != 2 || names.Load() != int64(len(byName)) || strings.Count(log.String(), "by the clock") != 1 {
		t.Errorf("asked %d times for the list and %d by name, want 2 and %d; the log:\n%s", lists.Load(), names.Load(), len(byName), &log)
	}
}

// A list of 50,000 gateways takes five times what one of 10,000 does.
func BenchmarkGatewayList(b *testing.B) {
	for _, n := range []int{10_000, 50_000} {
		_, one, _ := strings.Cut(recording(b, "api_sofia_xmlstatus_gateway_gw-reged"), "?>\n")
		list := "<gateways>\n" + strings.Repeat(one, n) + "</gateways>\n"
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.SetBytes(int64(len(list)))
			b.ReportAllocs()
			for b.Loop() {
				parseGateways(list)
			}
		})
	}
}
