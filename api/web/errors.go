package web

import (
	"context"
	"errors"
	"net/http"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// Statuses is the HTTP status of each code. A code that is not here is the server's fault: 500.
var Statuses = map[fault.Code]int{
	fault.InvalidRequest:       http.StatusBadRequest,
	fault.MissingParameters:    http.StatusBadRequest,
	fault.CredentialsInQuery:   http.StatusBadRequest,
	fault.AuthenticationFailed: http.StatusUnauthorized,
	fault.NotWhitelisted:       http.StatusForbidden,
	fault.UntrustedProxy:       http.StatusForbidden,
	fault.UnknownAddress:       http.StatusForbidden,
	fault.Forbidden:            http.StatusForbidden,
	fault.TOTPRequired:         http.StatusForbidden,
	fault.CrossSite:            http.StatusForbidden,
	fault.InvalidLink:          http.StatusForbidden,
	fault.LinkExpired:          http.StatusForbidden,
	fault.NotFound:             http.StatusNotFound,
	fault.MethodNotAllowed:     http.StatusMethodNotAllowed,
	fault.JobState:             http.StatusConflict,
	fault.Lockout:              http.StatusConflict,
	fault.Conflict:             http.StatusConflict,
	fault.Cancelled:            http.StatusConflict,
	fault.Superseded:           http.StatusConflict,
	fault.Skipped:              http.StatusConflict,
	fault.KeySuperseded:        http.StatusConflict,
	fault.Gone:                 http.StatusGone,
	fault.PreconditionFailed:   http.StatusPreconditionFailed,
	fault.TooLarge:             http.StatusRequestEntityTooLarge,
	fault.KeyReused:            http.StatusUnprocessableEntity,
	fault.InvalidRows:          http.StatusUnprocessableEntity,
	fault.InvalidGateway:       http.StatusUnprocessableEntity,
	fault.ProfileUnavailable:   http.StatusUnprocessableEntity,
	fault.RegistrationFailed:   http.StatusUnprocessableEntity,
	fault.DeliveryRefused:      http.StatusUnprocessableEntity,
	fault.RateLimited:          http.StatusTooManyRequests,
	fault.Unavailable:          http.StatusServiceUnavailable,
	fault.SwitchUnavailable:    http.StatusServiceUnavailable,
	fault.SwitchTimeout:        http.StatusGatewayTimeout,
	fault.Timeout:              http.StatusGatewayTimeout,
	fault.InsufficientStorage:  http.StatusInsufficientStorage,
}

// StatusOf is the HTTP status of a code.
func StatusOf(code fault.Code) int {
	if status, ok := Statuses[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// labels are the documented names of errors. They begin the message if the code has one.
var labels = map[fault.Code]string{
	fault.AuthenticationFailed: "Authentication Failed",
	fault.MissingParameters:    "Missing Parameters",
	fault.InvalidRequest:       "Invalid Request",
	fault.ServerError:          "Server Error",
	fault.RateLimited:          "Rate Limited",
}

// FaultOf words any error for the caller. What is nobody's fault but ours is not shown: the log has it
// under the request's id.
func FaultOf(err error, requestID string) *fault.Error {
	if own, ok := errors.AsType[*fault.Error](err); ok {
		return own
	}
	if errors.Is(err, context.Canceled) {
		return &fault.Error{Code: fault.Unavailable, Message: "the request was given up before it was answered", Cause: err}
	}
	// The switch's time-outs are faults by now, so the time that is over was spent on the database.
	if postgres.Away(err) || errors.Is(err, context.DeadlineExceeded) {
		return &fault.Error{Code: fault.Unavailable, Message: "the database does not answer; try again in a moment", Cause: err}
	}
	return &fault.Error{Code: fault.ServerError, Message: "something went wrong in Trunkline itself; its log says more under request id " + requestID, Cause: err}
}

// Denials are the codes that refuse a caller rather than what they asked for.
func Denials() []fault.Code {
	var codes []fault.Code
	for code, status := range Statuses {
		switch status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
			codes = append(codes, code)
		}
	}
	return codes
}
