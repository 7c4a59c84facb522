package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each error says which switch, what is wrong and what to do, and Retryable
// tells the passing ones from those that need an operator.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	const addr = "192.0.2.1:8021"
	cases := []struct {
		err       error
		says      []string
		retryable bool
	}{
		{&UnavailableError{Addr: addr, Reason: ReasonUnreachable, Err: syscall.ECONNREFUSED}, []string{addr, "not reachable", "refused", "check that"}, true},
		{&UnavailableError{Addr: addr, Reason: ReasonHungUp}, []string{addr, "without a reply", "check that"}, true},
		{&UnavailableError{Addr: addr, Reason: ReasonCutOff}, []string{addr, "in the middle", "check that"}, true},
		{&UnavailableError{Addr: addr, Reason: ReasonDisconnected}, []string{addr, "closed the connection", "check that"}, true},
		{&UnavailableError{Addr: addr, Reason: ReasonRefusedByACL}, []string{addr, "apply-inbound-acl", "event_socket.conf"}, false},
		{&UnavailableError{Addr: addr, Reason: ReasonWrongPassword}, []string{addr, "password", "event_socket.conf"}, false},
		{&TimeoutError{Addr: addr, Doing: "waiting", After: 1500 * time.Millisecond, Err: context.DeadlineExceeded}, []string{addr, "waiting", "1.5s", "check that"}, true},
		{&ProtocolError{Addr: addr, Detail: "a header"}, []string{addr, "a header", "check that"}, false},
		{&ReplyError{Addr: addr, Command: "status", Reply: "a\nb", Remedy: "load it"}, []string{addr, "status", `"a\nb"`, "load it"}, false},
		{&ReplyError{Addr: addr, Command: "status", Reply: strings.Repeat("x", 201)}, []string{"1 bytes more"}, false},
		{&ReloadError{Addr: addr, Line: 73, Detail: "unclosed <!--"}, []string{addr, "line 73", "unclosed <!--", "repair"}, false},
		{&ReloadError{Addr: addr, Detail: "no file"}, []string{addr, "no file", "repair"}, false},
		{&ProfileError{Addr: addr, Profile: "external", Reason: ProfileNotRunning}, []string{addr, "running", `"external"`, "start"}, false},
		{&ProfileError{Addr: addr, Profile: "external", Reason: ProfileNoConfig}, []string{addr, "configuration", `"external"`, "enabled"}, false},
		{&ArgumentError{Name: "the gateway", Reason: "must be a UUID"}, []string{"the gateway must be a UUID"}, false},
		{ErrNoGateway, []string{"no such gateway"}, false},
		{ErrClosed, []string{"closed"}, false},
		{fmt.Errorf("freeswitch: %w", context.Canceled), []string{"canceled"}, false},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%T", c.err), func(t *testing.T) {
			t.Parallel()
			for _, word := range c.says {
				if !strings.Contains(c.err.Error(), word) {
					t.Errorf("%q does not say %q", c.err, word)
				}
			}
			if strings.Contains(c.err.Error(), "\n") {
				t.Errorf("%q has a line break", c.err)
			}
			if got := Retryable(fmt.Errorf("provisioning: %w", c.err)); got != c.retryable {
				t.Errorf("%q: Retryable is %v, want %v", c.err, got, c.retryable)
			}
		})
	}
	if Retryable(nil) {
		t.Error("nil is Retryable")
	}
	refused := &UnavailableError{Addr: addr, Reason: ReasonUnreachable, Err: syscall.ECONNREFUSED}
	if !errors.Is(refused, syscall.ECONNREFUSED) {
		t.Error("the cause beneath is not found")
	}
	var late interface{ Timeout() bool }
	if err := error(&TimeoutError{}); !errors.As(err, &late) || !late.Timeout() {
		t.Error("a TimeoutError does not say Timeout")
	}
}
