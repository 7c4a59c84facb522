package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNoGateway says that FreeSWITCH has no gateway of that name loaded, or just
// killed it: Gateways lists it for up to two seconds more.
var ErrNoGateway = errors.New("freeswitch: no such gateway is loaded")

// ErrNoRegister says that a gateway does not register, so that it cannot be told to.
var ErrNoRegister = errors.New("freeswitch: the gateway does not register")

// ErrClosed is returned by every command after Close, and by the commands that
// Close interrupts.
var ErrClosed = errors.New("freeswitch: the switch client is closed")

// Reason says why FreeSWITCH could not be used, and what helps.
type Reason string

const (
	ReasonUnreachable   Reason = "not reachable: check that FreeSWITCH runs and that its event socket listens there"
	ReasonHungUp        Reason = "hung up without a reply: check that FreeSWITCH runs and that this is its event socket"
	ReasonCutOff        Reason = "hung up in the middle of a reply: check that FreeSWITCH runs"
	ReasonDisconnected  Reason = "closed the connection; it may be shutting down: check that FreeSWITCH runs"
	ReasonRefusedByACL  Reason = "refuses this address: allow it in apply-inbound-acl of FreeSWITCH's event_socket.conf"
	ReasonWrongPassword Reason = "refused the event socket password: set the one of FreeSWITCH's event_socket.conf"
)

// UnavailableError says that FreeSWITCH could not be reached, would not let us
// in, or went away. Its text never holds the password.
type UnavailableError struct {
	Addr   string // host:port
	Reason Reason
	Err    error // the cause beneath; nil if Reason says all
}

func (e *UnavailableError) Error() string {
	text := "freeswitch " + e.Addr + " " + string(e.Reason)
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// TimeoutError says that FreeSWITCH was silent for too long. It may have carried
// out the command all the same. It is a context.DeadlineExceeded.
type TimeoutError struct {
	Addr  string        // host:port
	Doing string        // what was waited for
	After time.Duration // how long
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("freeswitch %s: timed out after %v: %s: check that FreeSWITCH answers and that no firewall drops its packets",
		e.Addr, e.After.Round(time.Millisecond), e.Doing)
}

func (e *TimeoutError) Unwrap() error { return context.DeadlineExceeded }

// Timeout is true, as of other packages' time-outs.
func (e *TimeoutError) Timeout() bool { return true }

// ErrReplyTooLong: a smaller question may stay below Options.MaxReply.
var ErrReplyTooLong = errors.New("freeswitch: the reply is too long")

// ProtocolError says that the peer does not speak the event socket's protocol,
// or sent a reply beyond Options.MaxReply. The connection is gone.
type ProtocolError struct {
	Addr   string // host:port
	Detail string // what was wrong; what the peer sent is quoted and shortened
	Err    error  // ErrReplyTooLong, or nil
}

func (e *ProtocolError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("freeswitch %s sent a reply that is too long: %s: raise TRUNKLINE_SWITCH_MAX_REPLY if this is FreeSWITCH's event socket", e.Addr, e.Detail)
	}
	return fmt.Sprintf("freeswitch %s broke the event socket protocol: %s: check that this is FreeSWITCH's event socket", e.Addr, e.Detail)
}

func (e *ProtocolError) Unwrap() error { return e.Err }

// ReplyError is a well-formed reply that is not the command's success, such as
// "-ERR lua Command not found!" if mod_lua is not loaded.
type ReplyError struct {
	Addr    string // host:port
	Command string // what was asked, without its details
	Reply   string // FreeSWITCH's words, whole
	Remedy  string // what to do; "" if the reply must speak for itself
	Scripts bool   // it is FusionPBX's scripts that failed, and not the switch
}

func (e *ReplyError) Error() string {
	text := fmt.Sprintf("freeswitch %s answered %s with %s", e.Addr, e.Command, quote(e.Reply))
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// ReloadError says that FreeSWITCH could not read its XML configuration, though
// it answers +OK. It keeps the old one, for every tenant, until that is repaired.
type ReloadError struct {
	Addr   string // host:port
	Line   int    // near this line of the preprocessed log/freeswitch.xml.fsxml; 0 if the reply names none
	Detail string // FreeSWITCH's words
}

func (e *ReloadError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("freeswitch %s cannot read its configuration and keeps the old one: %s: repair the XML", e.Addr, quote(e.Detail))
	}
	return fmt.Sprintf("freeswitch %s cannot read its configuration and keeps the old one: error near line %d: %s: repair the XML; the line is one of log/freeswitch.xml.fsxml",
		e.Addr, e.Line, quote(e.Detail))
}

// ProfileReason says what is wrong with a SIP profile.
type ProfileReason string

const (
	ProfileNotRunning ProfileReason = "not_running" // unknown, stopped or restarting: FreeSWITCH does not tell which
	ProfileNoConfig   ProfileReason = "no_config"   // it runs, and its configuration is gone
)

// ProfileError says that a SIP profile cannot serve the command.
type ProfileError struct {
	Addr    string // host:port
	Profile string
	Reason  ProfileReason
}

func (e *ProfileError) Error() string {
	if e.Reason == ProfileNoConfig {
		return fmt.Sprintf("freeswitch %s finds no configuration for profile %q: check that the profile exists and is enabled", e.Addr, e.Profile)
	}
	return fmt.Sprintf("freeswitch %s has no running profile %q: check its name, and start it", e.Addr, e.Profile)
}

// ArgumentError refuses an argument before anything is sent, and does not repeat it.
type ArgumentError struct {
	Name   string // the argument
	Reason string // what it must be
}

func (e *ArgumentError) Error() string {
	return fmt.Sprintf("freeswitch: %s %s", e.Name, e.Reason)
}

// maxQuoted is how many bytes of the peer's text an error repeats.
const maxQuoted = 200

// quote makes the peer's bytes fit for an error or a log line.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q and %d bytes more", s[:maxQuoted], len(s)-maxQuoted)
	}
	return fmt.Sprintf("%q", s)
}
