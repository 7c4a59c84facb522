package web

import (
	"context"

	"trunkline/internal/access"
)

// StillMay fails unless the caller may still come, with the same credentials, for an answer that goes on for long.
// The caller is then as they stand now, no older than what is known of callers. A session is not used by that: one that
// merely watches ends when nobody does anything.
func (r *Request) StillMay(ctx context.Context) error {
	if r.Session.ID != "" {
		return r.resume(ctx, r.front.Sessions.Look)
	}
	err := r.Admit()
	if err == nil {
		r.Caller, err = r.front.credentials.Again(ctx, r.Address, r.given)
	}
	return err
}

// Lasting is a context for an answer that goes on for long: it ends when the caller hangs up, and when this front end is
// stopped, since callers come back to another.
func (r *Request) Lasting() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(r.front.stopping, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// Holder is whose an id is, as they stand now.
func (r *Request) Holder(id string) (access.Holder, error) {
	return r.front.credentials.Holder(r.Context(), id)
}
