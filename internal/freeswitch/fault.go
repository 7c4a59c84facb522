package freeswitch

import (
	"context"
	"errors"
	"strings"

	"trunkline/internal/fault"
)

// Fault words what a question or command to this switch came to, so that a
// caller can read which switch it was and what helps. nil stays nil, and what
// the caller itself cancelled stays as it is; anything else becomes a
// *fault.Error that wraps err.
func (s *Switch) Fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	format := "switch " + s.addr + ": %w"
	if strings.Contains(err.Error(), s.addr) {
		format = "%w"
	}
	worded := fault.Errorf(faultCode(err), format, err)
	worded.Passes = passes(err)
	return worded
}

// passes reports whether err is what a switch says, or does, that restarts or is too busy for a moment.
func passes(err error) bool {
	if gone, ok := errors.AsType[*UnavailableError](err); ok {
		return gone.Reason != ReasonRefusedByACL && gone.Reason != ReasonWrongPassword
	}
	reply, odd := errors.AsType[*ReplyError](err)
	return is[*TimeoutError](err) || odd && lacksModule(reply.Reply)
}

// lacksModule reports whether the reply is that of a command whose module is not loaded, or not yet.
func lacksModule(reply string) bool {
	return strings.HasSuffix(strings.TrimSpace(reply), "Command not found!")
}

// is reports whether err is, or wraps, an E.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// faultCode is SwitchUnavailable for whatever the switch should not have said or
// done: callers cannot help it, and the next try may find it well.
func faultCode(err error) fault.Code {
	reply, odd := errors.AsType[*ReplyError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.SwitchTimeout
	case is[*ReloadError](err):
		return fault.SwitchConfiguration
	case is[*ProfileError](err):
		return fault.ProfileUnavailable
	case errors.Is(err, ErrNoGateway):
		return fault.GatewayNotLoaded
	case is[*ArgumentError](err), odd && reply.Scripts:
		return fault.ServerError // another try would end the same
	}
	return fault.SwitchUnavailable
}
