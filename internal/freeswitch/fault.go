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
	if strings.Contains(err.Error(), s.addr) {
		return fault.Errorf(faultCode(err), "%w", err)
	}
	return fault.Errorf(faultCode(err), "switch %s: %w", s.addr, err)
}

// faultCode is SwitchUnavailable for whatever the switch should not have said or
// done: callers cannot help it, and the next try may find it well.
func faultCode(err error) fault.Code {
	var (
		reload   *ReloadError
		profile  *ProfileError
		argument *ArgumentError
		reply    *ReplyError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.SwitchTimeout
	case errors.As(err, &reload):
		return fault.SwitchConfiguration
	case errors.As(err, &profile):
		return fault.ProfileUnavailable
	case errors.Is(err, ErrNoGateway):
		return fault.GatewayNotLoaded
	case errors.As(err, &argument), errors.As(err, &reply) && reply.Scripts:
		return fault.ServerError // another try would end the same
	}
	return fault.SwitchUnavailable
}
