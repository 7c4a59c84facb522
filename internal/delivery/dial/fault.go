package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"trunkline/internal/fault"
)

// Fault words why a connection to the host, or TLS on it, failed; what went wrong in another way is nil. What was dialled and
// asked of which name server is for the log alone.
func Fault(host string, err error) *fault.Error {
	host = fault.Clip(host)
	passes := func(code fault.Code, message string) *fault.Error {
		return &fault.Error{Code: code, Message: host + ": " + message, Passes: true, Cause: err}
	}
	if refused, is := errors.AsType[*Refused](err); is {
		return &fault.Error{Code: fault.Forbidden, Message: host + ": " + refused.Error(), Cause: err}
	}
	if unknown, is := errors.AsType[*net.DNSError](err); is {
		if unknown.IsNotFound {
			return passes(fault.Unavailable, "there is no such host; look whether the name is right, and in DNS")
		}
		return passes(fault.Unavailable, "its address cannot be looked up at the moment")
	}
	if unverified, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return passes(fault.Unavailable, "its certificate is not accepted ("+certificateIs(unverified.Err)+"); renew it, or put the authority that signed it into TRUNKLINE_DELIVERY_CA")
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return passes(fault.Unavailable, "it does not speak TLS there; look at the port")
	}
	timeout, timed := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), timed && timeout.Timeout():
		return passes(fault.Timeout, "it did not answer in time")
	case errors.Is(err, syscall.ECONNREFUSED):
		return passes(fault.Unavailable, "it takes no connections at that port; look whether it is running, and at the port")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return passes(fault.Unavailable, "it closed the connection in the middle")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return passes(fault.Unavailable, "there is no way to it from here")
	}
	if failed, is := errors.AsType[*net.OpError](err); is && failed.Op == "remote error" {
		return passes(fault.Unavailable, "it does not agree to TLS with us ("+failed.Err.Error()+")")
	} else if is {
		return passes(fault.Unavailable, "the connection failed, and the log has the reason")
	}
	return nil
}

// certificateIs says what is wrong with a certificate in words that hold nothing but what is publicly in it.
func certificateIs(err error) string {
	invalid, is := errors.AsType[x509.CertificateInvalidError](err)
	_, elsewhere := errors.AsType[x509.HostnameError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case is && invalid.Reason == x509.Expired:
		return "it has expired or is not valid yet"
	case elsewhere:
		return "it is another host's"
	case unknown:
		return "no authority that is known here signed it"
	}
	return "it cannot be verified"
}
