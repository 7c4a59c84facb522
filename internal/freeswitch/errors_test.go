package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/internal/fault"
)

// Each error says which switch, what is wrong and what to do, and has one code
// for callers.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	const addr = "192.0.2.1:8021"
	s := newSwitch(t, addr, Options{})
	cases := []struct {
		err  error
		says []string
		code fault.Code
	}{
		{&UnavailableError{Addr: addr, Reason: ReasonUnreachable, Err: syscall.ECONNREFUSED}, []string{addr, "not reachable", "refused", "check that"}, fault.SwitchUnavailable},
		{&UnavailableError{Addr: addr, Reason: ReasonHungUp}, []string{addr, "without a reply", "check that"}, fault.SwitchUnavailable},
		{&UnavailableError{Addr: addr, Reason: ReasonCutOff}, []string{addr, "in the middle", "check that"}, fault.SwitchUnavailable},
		{&UnavailableError{Addr: addr, Reason: ReasonDisconnected}, []string{addr, "closed the connection", "check that"}, fault.SwitchUnavailable},
		{&UnavailableError{Addr: addr, Reason: ReasonRefusedByACL}, []string{addr, "apply-inbound-acl", "event_socket.conf"}, fault.SwitchUnavailable},
		{&UnavailableError{Addr: addr, Reason: ReasonWrongPassword}, []string{addr, "password", "event_socket.conf"}, fault.SwitchUnavailable},
		{&TimeoutError{Addr: addr, Doing: "waiting", After: 1500 * time.Millisecond}, []string{addr, "waiting", "1.5s", "check that"}, fault.SwitchTimeout},
		{&ProtocolError{Addr: addr, Detail: "a header"}, []string{addr, "a header", "check that"}, fault.SwitchUnavailable},
		{&ReplyError{Addr: addr, Command: "status", Reply: "a\nb", Remedy: "load it"}, []string{addr, "status", `"a\nb"`, "load it"}, fault.SwitchUnavailable},
		{&ReplyError{Addr: addr, Command: "status", Reply: strings.Repeat("x", 201)}, []string{"1 bytes more"}, fault.SwitchUnavailable},
		{&ReloadError{Addr: addr, Line: 73, Detail: "unclosed <!--"}, []string{addr, "line 73", "unclosed <!--", "repair"}, fault.SwitchConfiguration},
		{&ReloadError{Addr: addr, Detail: "no file"}, []string{addr, "no file", "repair"}, fault.SwitchConfiguration},
		{&ProfileError{Addr: addr, Profile: "external", Reason: ProfileNotRunning}, []string{addr, "running", `"external"`, "start"}, fault.ProfileUnavailable},
		{&ProfileError{Addr: addr, Profile: "external", Reason: ProfileNoConfig}, []string{addr, "configuration", `"external"`, "enabled"}, fault.ProfileUnavailable},
		{&ArgumentError{Name: "the gateway", Reason: "must be a UUID"}, []string{"the gateway must be a UUID"}, fault.ServerError},
		{ErrNoGateway, []string{"no such gateway"}, fault.GatewayNotLoaded},
		{ErrClosed, []string{"closed"}, fault.SwitchUnavailable},
		{&ReplyError{Addr: addr, Command: "the deletion", Reply: "-ERR no lua", Scripts: true}, []string{addr, "no lua"}, fault.ServerError},
		{context.DeadlineExceeded, []string{"deadline"}, fault.SwitchTimeout},
		{errors.New("the relay lost its inner side"), []string{"relay"}, fault.SwitchUnavailable},
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
			var worded *fault.Error
			if err := s.Fault(fmt.Errorf("provisioning: %w", c.err)); !errors.As(err, &worded) || worded.Code != c.code || !errors.Is(err, c.err) ||
				strings.Count(worded.Message, addr) != 1 || !strings.Contains(worded.Message, c.err.Error()) {
				t.Errorf("%q became %#v, want %s of %s", c.err, err, c.code, addr)
			}
		})
	}
	if err := s.Fault(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	given := fmt.Errorf("freeswitch: %w", context.Canceled)
	if err := s.Fault(given); err != given {
		t.Errorf("what the caller cancelled became %v", err)
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
