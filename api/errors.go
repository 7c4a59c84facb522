package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"trunkline/tasks"
)

// CodeNotWhitelisted is the code of a denial because of the caller's address.
const CodeNotWhitelisted = "not_whitelisted"

// The codes of this package's own errors; a job's failure brings its own (package tasks). A code is
// stable: callers may rely on it.
const (
	codeCredentialsInQuery   = "credentials_in_query"
	codeAuthenticationFailed = "authentication_failed"
	codeUntrustedProxy       = "untrusted_proxy"
	codeUnknownAddress       = "unknown_address"
	codeForbidden            = "forbidden"
	codeTOTPRequired         = "totp_required"
	codeInvalidLink          = "invalid_link"
	codeLinkExpired          = "link_expired"
	codeNotFound             = "not_found"
	codeMethodNotAllowed     = "method_not_allowed"
	codeJobState             = "job_state"
	codeGone                 = "gone"
	codeTooLarge             = "too_large"
	codeKeyReused            = "key_reused"
	codeLockout              = "lockout"
	codeNotWritable          = "not_writable"
	codeUnavailable          = "unavailable"
	codeRateLimited          = "rate_limited"
)

// statuses is the HTTP status of each code. A code that is not here is the server's fault: 500.
var statuses = map[string]int{
	tasks.CodeInvalidRequest:      http.StatusBadRequest,
	tasks.CodeMissingParameters:   http.StatusBadRequest,
	codeCredentialsInQuery:        http.StatusBadRequest,
	codeAuthenticationFailed:      http.StatusUnauthorized,
	CodeNotWhitelisted:            http.StatusForbidden,
	codeUntrustedProxy:            http.StatusForbidden,
	codeUnknownAddress:            http.StatusForbidden,
	codeForbidden:                 http.StatusForbidden,
	codeTOTPRequired:              http.StatusForbidden,
	codeInvalidLink:               http.StatusForbidden,
	codeLinkExpired:               http.StatusForbidden,
	codeNotFound:                  http.StatusNotFound,
	codeMethodNotAllowed:          http.StatusMethodNotAllowed,
	codeJobState:                  http.StatusConflict,
	codeLockout:                   http.StatusConflict,
	tasks.CodeConflict:            http.StatusConflict,
	tasks.CodeCancelled:           http.StatusConflict,
	codeGone:                      http.StatusGone,
	codeTooLarge:                  http.StatusRequestEntityTooLarge,
	codeKeyReused:                 http.StatusUnprocessableEntity,
	tasks.CodeInvalidGateway:      http.StatusUnprocessableEntity,
	tasks.CodeProfileUnavailable:  http.StatusUnprocessableEntity,
	codeRateLimited:               http.StatusTooManyRequests,
	codeUnavailable:               http.StatusServiceUnavailable,
	tasks.CodeSwitchUnavailable:   http.StatusServiceUnavailable,
	tasks.CodeSwitchTimeout:       http.StatusGatewayTimeout,
	tasks.CodeTimeout:             http.StatusGatewayTimeout,
	tasks.CodeInsufficientStorage: http.StatusInsufficientStorage,
}

// statusOf is the HTTP status of a code.
func statusOf(code string) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// labels are the documented names of errors. They begin the message where the code has one.
var labels = map[string]string{
	codeAuthenticationFailed:    "Authentication Failed",
	tasks.CodeMissingParameters: "Missing Parameters",
	tasks.CodeInvalidRequest:    "Invalid Request",
	tasks.CodeServerError:       "Server Error",
	codeRateLimited:             "Rate Limited",
}

// failure is an error that the caller is told of: its message is safe to show and never holds a secret.
type failure struct {
	Code    string
	Message string
	JobID   string // of the job that failed, else ""
	cause   error  // for the log
	// retryAfter is what the caller is told to wait, in seconds; 0: as the status has it.
	retryAfter int
}

func (f *failure) Error() string { return f.Message }

func (f *failure) Unwrap() error { return f.cause }

func failf(code, format string, args ...any) *failure {
	return &failure{Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalidf is a parameter that cannot be used, by the name that the caller gave it.
func invalidf(parameter, format string, args ...any) *failure {
	return failf(tasks.CodeInvalidRequest, "%s: %s", parameter, fmt.Sprintf(format, args...))
}

// missing names required parameters that were not given.
func missing(parameters ...string) *failure {
	return failf(tasks.CodeMissingParameters, "%s", strings.Join(parameters, ", "))
}

// isCode reports whether err is a failure of that code.
func isCode(err error, code string) bool {
	var f *failure
	return errors.As(err, &f) && f.Code == code
}

// failureOf words any error for the caller. What is nobody's fault but ours is not shown: the log has
// it under the request's id.
func failureOf(err error, requestID string) *failure {
	var own *failure
	if errors.As(err, &own) {
		return own
	}
	var job *tasks.Failure
	if errors.As(err, &job) {
		return &failure{Code: job.Code, Message: job.Message, cause: err}
	}
	if errors.Is(err, context.Canceled) {
		return &failure{Code: codeUnavailable, Message: "the request was given up before it was answered", cause: err}
	}
	if databaseAway(err) {
		return &failure{Code: codeUnavailable, Message: "the database does not answer; try again in a moment", cause: err}
	}
	return &failure{Code: tasks.CodeServerError, Message: "something went wrong in Trunkline itself; its log says more under request id " + requestID, cause: err}
}

// databaseAway reports whether err is about reaching the database and not about a statement: SQLSTATE
// classes 08 (connection), 53 (resources) and 57P (shutting down), or the network's own errors.
func databaseAway(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "57P")
	}
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err)
}
