package api

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"trunkline/internal/cache"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/keyed"
	"trunkline/internal/token"
)

// maxCallerAge is how old what is known of a caller may be: within it a revoked token or a disabled user
// is noticed, and any number of requests with the same credentials cost one look at the database.
const maxCallerAge = time.Second

const (
	// maxCallers bounds how many callers are remembered.
	maxCallers = 4096
	// callerReadTimeout bounds one look at the database.
	callerReadTimeout = 15 * time.Second
)

// credentialCheck finds out whose credentials are. It remembers who they were for maxCallerAge at most,
// under a keyed hash of the credentials whose key lives in this process alone.
type credentialCheck struct {
	users   func(ctx context.Context, username, password string) (fusionpbx.User, error)
	keys    func(ctx context.Context, key string) (fusionpbx.User, error)
	tokens  func(ctx context.Context, secret string) (token.Token, time.Duration, error)
	domains func(ctx context.Context, uuids []string) ([]fusionpbx.Domain, error)
	// userAge is how long a user is remembered: no longer than their password is.
	userAge time.Duration
	key     keyed.Key
	callers *cache.Cache[caller]
	guard   *guard
}

// newCredentialCheck returns a check that hashes a password again that was right once the time is over.
func newCredentialCheck(db *fusionpbx.DB, tokens *token.Store, g *guard, rememberPasswords time.Duration) *credentialCheck {
	passwords := fusionpbx.NewPasswords(rememberPasswords)
	return &credentialCheck{
		users: func(ctx context.Context, username, password string) (fusionpbx.User, error) {
			return db.Authenticate(ctx, passwords, username, password)
		},
		keys: func(ctx context.Context, key string) (fusionpbx.User, error) {
			return db.AuthenticateKey(ctx, key)
		},
		tokens: tokens.Find,
		domains: func(ctx context.Context, uuids []string) ([]fusionpbx.Domain, error) {
			return db.Domains(ctx, uuids)
		},
		userAge: min(rememberPasswords, maxCallerAge),
		key:     keyed.NewKey(),
		callers: newCallers(),
		guard:   g,
	}
}

// newCallers returns the memory of who was seen lately.
func newCallers() *cache.Cache[caller] {
	return cache.New[caller](cache.Options{Most: maxCallers, ReadTimeout: callerReadTimeout})
}

// check returns who has the credentials that came from the address, or the failure to answer with. Of a
// token that no longer serves it returns the name beside the failure.
func (c *credentialCheck) check(ctx context.Context, addr netip.Addr, given credentials) (caller, error) {
	if given.key == "" {
		// Also for those who are remembered.
		if err := c.guard.open(ctx, addr, given.username); err != nil {
			return caller{}, err
		}
	}
	return c.callers.Read(ctx, c.hash(addr, given), func(ctx context.Context) (who caller, holds time.Duration, err error) {
		switch {
		case given.key == "":
			err = c.guard.login(ctx, addr, given.username, func() (err error) {
				who, holds, err = c.user(ctx, given)
				return err
			})
			return who, holds, err
		case strings.HasPrefix(given.key, token.Prefix):
			if who, holds, err = c.token(ctx, given.key); unauthenticated(err) {
				err = cmp.Or(c.guard.token(ctx, addr), err)
			}
			return who, holds, err
		}
		user, err := c.keys(ctx, given.key)
		if errors.Is(err, fusionpbx.ErrUnknownKey) {
			err = cmp.Or(c.guard.token(ctx, addr), error(fault.Errorf(fault.AuthenticationFailed, "%v", err)))
		}
		if err != nil {
			return caller{}, 0, err
		}
		return callerOfUser(user), maxCallerAge, nil
	})
}

// unauthenticated reports whether the credentials were wrong, rather than not to be checked.
func unauthenticated(err error) bool { return fault.Is(err, fault.AuthenticationFailed) }

func (c *credentialCheck) user(ctx context.Context, given credentials) (caller, time.Duration, error) {
	user, err := c.users(ctx, given.username, given.password)
	switch {
	case errors.Is(err, fusionpbx.ErrBadCredentials), errors.Is(err, fusionpbx.ErrAmbiguous):
		return caller{}, 0, fault.Errorf(fault.AuthenticationFailed, "%v", err)
	case errors.Is(err, fusionpbx.ErrTOTP):
		return caller{}, 0, fault.Errorf(fault.TOTPRequired, "%v", err)
	case err != nil:
		return caller{}, 0, err
	case user.Role == fusionpbx.RoleNone:
		return caller{}, 0, fault.Errorf(fault.Forbidden, "this user is neither a superadmin nor an admin in FusionPBX")
	}
	return callerOfUser(user), c.userAge, nil
}

func (c *credentialCheck) token(ctx context.Context, secret string) (caller, time.Duration, error) {
	t, holds, err := c.tokens(ctx, secret)
	switch {
	case errors.Is(err, token.ErrUnknown), errors.Is(err, token.ErrExpired), errors.Is(err, token.ErrRotated), errors.Is(err, token.ErrRevoked):
		who := caller{}
		if t.ID != "" {
			who.name = tokenCaller(t)
		}
		return who, 0, fault.Errorf(fault.AuthenticationFailed, "%v", err)
	case err != nil:
		return caller{}, 0, err
	}
	var domains []fusionpbx.Domain
	if uuids := token.DomainsOf(t); len(uuids) > 0 {
		if domains, err = c.domains(ctx, uuids); err != nil {
			return caller{}, 0, err
		}
	}
	who, err := callerOfToken(t, domains)
	return who, min(holds, maxCallerAge), err
}

func (c *credentialCheck) hash(addr netip.Addr, given credentials) string {
	return string(c.key.Hash(addr.String(), given.username, given.password, given.key))
}
