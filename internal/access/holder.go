package access

import (
	"context"
	"errors"
	"time"

	"trunkline/internal/cache"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
)

// Holder is whose an id is, as they stand now: who asked for a job or was shown a link, without their
// credentials.
type Holder struct {
	Caller                // what they may do now: nothing if they are disabled, revoked or gone
	Reach  tenant.Domains // over which domains they have or had a say; of somebody who is gone all, to be safe
	// Mark is another one once the credentials are: a user's password, second factor or api_key, a token's secret.
	Mark string
	Ends *time.Time // when a token ends, whatever its secret; nil: never, or it is a user
}

// Outlasts reports whether the holder may come for longer than somebody with the credentials of the caller, who is the
// same: theirs is a token's secret that was replaced.
func (h Holder) Outlasts(c Caller) bool {
	return c.Creator.Ends != nil && (h.Ends == nil || c.Creator.Ends.Before(*h.Ends))
}

// Holder returns whose the id is. It may be as old as what is known of callers.
func (a *Authenticator) Holder(ctx context.Context, id string) (Holder, error) {
	return a.holders.Read(ctx, id, func(ctx context.Context) (Holder, time.Duration, error) {
		h, err := a.HolderNow(ctx, id)
		return h, maxCallerAge, err
	})
}

// HolderNow is Holder as the database has it at the moment.
func (a *Authenticator) HolderNow(ctx context.Context, id string) (Holder, error) {
	h, err := a.tokenHolder(ctx, id)
	if errors.Is(err, token.ErrNotFound) {
		return a.userHolder(ctx, id)
	}
	return h, err
}

func (a *Authenticator) tokenHolder(ctx context.Context, id string) (Holder, error) {
	t, err := a.tokenByID(ctx, id)
	if err != nil {
		return Holder{}, err
	}
	h := Holder{Reach: tenant.Domains{All: t.AllDomains}, Ends: t.ExpiresAt}
	if t.RotatedAt != nil {
		h.Mark = t.RotatedAt.UTC().Format(time.RFC3339Nano)
	}
	for _, uuid := range t.DomainUUIDs {
		h.Reach.List = append(h.Reach.List, tenant.Domain{UUID: uuid})
	}
	if t.State(time.Now()) != token.StateActive {
		return h, nil
	}
	h.Caller, err = a.callerOf(ctx, t)
	if fault.Is(err, fault.Forbidden) { // of its domains none is left
		return Holder{Reach: h.Reach}, nil
	}
	return h, err
}

func (a *Authenticator) userHolder(ctx context.Context, id string) (Holder, error) {
	gone := Holder{Reach: tenant.All}
	if !postgres.IsUUID(id) {
		return gone, nil
	}
	user, err := a.userByID(ctx, id)
	switch {
	case errors.Is(err, fusionpbx.ErrNotFound):
		return gone, nil
	case err != nil:
		return Holder{}, err
	}
	who := callerOfUser(user.User)
	if !user.Enabled || user.Role == fusionpbx.RoleNone {
		return Holder{Reach: who.Domains}, nil
	}
	return Holder{Caller: who, Reach: who.Domains, Mark: user.Mark}, nil
}

func newHolders() *cache.Cache[Holder] {
	return cache.New[Holder](cache.Options{Most: maxCallers, ReadTimeout: callerReadTimeout})
}
