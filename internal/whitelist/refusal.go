package whitelist

import "errors"

// Reason is why an edit was not made.
type Reason string

// The reasons.
const (
	Invalid    Reason = "invalid"    // what was asked for cannot stand in the file
	Broken     Reason = "broken"     // the file as it stands cannot be used, nor could it after the edit
	NotListed  Reason = "not_listed" // what is to be removed is not an entry
	Lockout    Reason = "lockout"    // the caller, or everybody, could not call any more
	Stale      Reason = "stale"      // the file has changed since the text was read that is to replace it
	Busy       Reason = "busy"       // others are editing the file
	Unwritable Reason = "unwritable" // the file or its folder
)

// Refusal is the error of an edit that was not made. The file is as it was. Its message says what to do.
type Refusal struct {
	Reason  Reason
	Message string
	cause   error
}

func (r *Refusal) Error() string { return r.Message }

func (r *Refusal) Unwrap() error { return r.cause }

// ReasonOf is why the edit was not made, "" if the error is no Refusal.
func ReasonOf(err error) Reason {
	if refusal, is := errors.AsType[*Refusal](err); is {
		return refusal.Reason
	}
	return ""
}
