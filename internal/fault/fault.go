// Package fault is the one error type by which every room tells a caller or an operator what was not done
// and what to do about it. It must not know how a fault is shown: the HTTP status of a code is package
// api's.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Error is why something was not done. Its message is safe to show to the caller: it names the field
// and the remedy, and never holds a secret. What lies behind it is for the log alone.
type Error struct {
	Code    Code
	Message string
	JobID   string // of the job that it ended, else ""
	// RetryAfter is after how long a retry may help; 0: not known.
	RetryAfter time.Duration
	Cause      error // for the log; may be nil
	// Details are each thing that is wrong if they are many, and DetailsTotal how many there are; nil: the message says it
	// all.
	Details      []Detail
	DetailsTotal int
	// Passes is set if what is wrong may be over in a moment without anybody's doing: a switch that restarts.
	Passes bool
}

// Detail is one of many things that are wrong, with where in a file it is. Like an Error it holds no secret.
type Detail struct {
	Line    int    `json:"line,omitempty"`  // of the file, from 1
	Row     int    `json:"row,omitempty"`   // from 1; a header is none
	Field   string `json:"field,omitempty"` // the parameter or, if it is unknown, the column as the file calls it
	Code    Code   `json:"code"`
	Message string `json:"message"` // what is wrong and what to do about it
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns what lies behind the fault, for the log.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error. An argument that %w formats is kept as its cause. What a database said is for the log
// alone: the message has other words in its place.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, shown(args)...)
	cause := errors.Unwrap(err)
	if hidden, ok := cause.(fromDatabase); ok {
		cause = hidden.error
	}
	return &Error{Code: code, Message: err.Error(), Cause: cause}
}

// Invalid is a parameter that cannot be used, by the name that the caller gave it.
func Invalid(parameter, format string, args ...any) *Error {
	return Errorf(InvalidRequest, "%s: "+format, append([]any{parameter}, args...)...)
}

// Missing names required parameters that were not given.
func Missing(parameters ...string) *Error {
	return Errorf(MissingParameters, "%s", strings.Join(parameters, ", "))
}

// Limited refuses a caller who asked too often, until that time.
func Limited(until time.Time, format string, args ...any) *Error {
	e := Errorf(RateLimited, format, args...)
	e.RetryAfter = max(time.Until(until), 0).Truncate(time.Second) + time.Second
	e.Message += fmt.Sprintf("; try again in %d s", int(e.RetryAfter.Seconds()))
	return e
}

// Clip shortens what somebody wrote, for a message.
func Clip(text string) string {
	const most = 64
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// Passes reports whether err is, or wraps, an Error that may pass by itself.
func Passes(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Passes
}

// Is reports whether err is, or wraps, an Error of that code.
func Is(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}
