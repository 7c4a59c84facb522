package web

import (
	"context"

	"trunkline/internal/access"
)

// StillMay fails unless the caller may still come, with the same credentials, for an answer that goes on for long.
// The caller is then as they stand now, no older than what is known of callers.
func (r *Request) StillMay(ctx context.Context) error {
	if r.Session.ID != "" {
		return r.resume(ctx)
	}
	err := r.Admit()
	if err == nil {
		r.Caller, err = r.front.credentials.Again(ctx, r.Address, r.given)
	}
	return err
}

// Holder is whose an id is, as they stand now.
func (r *Request) Holder(id string) (access.Holder, error) {
	return r.front.credentials.Holder(r.Context(), id)
}
