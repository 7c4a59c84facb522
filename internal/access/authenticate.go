package access

import (
	"cmp"
	"context"
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

// Authenticator finds out whose credentials they are. It remembers who they were for maxCallerAge at most,
// under a keyed hash of the credentials whose key lives in this process alone.
type Authenticator struct {
	users   func(ctx context.Context, username, password string) (fusionpbx.User, error)
	apiKeys func(ctx context.Context, key string) (fusionpbx.User, error)
	tokens  func(ctx context.Context, secret string) (token.Token, time.Duration, error)
	domains func(ctx context.Context, uuids []string) ([]fusionpbx.Domain, error)
	// userByID and tokenByID ask for those who are not here to show their credentials.
	userByID  func(ctx context.Context, uuid string) (user fusionpbx.User, enabled bool, err error)
	tokenByID func(ctx context.Context, id string) (token.Token, error)
	// userAge is how long a user is remembered: no longer than their password is.
	userAge time.Duration
	key     keyed.Key
	callers *cache.Cache[Caller]
	holders *cache.Cache[Holder]
	gate    *Gate
}

// NewAuthenticator returns one that knows FusionPBX's users and our tokens. For as long as a right password
// is remembered it is not hashed again.
func NewAuthenticator(db *fusionpbx.DB, tokens *token.Store, gate *Gate, rememberPasswords time.Duration) *Authenticator {
	passwords := fusionpbx.NewPasswords(rememberPasswords)
	return &Authenticator{
		users: func(ctx context.Context, username, password string) (fusionpbx.User, error) {
			return db.Authenticate(ctx, passwords, username, password)
		},
		apiKeys:  db.AuthenticateKey,
		tokens:   tokens.Find,
		domains:  db.Domains,
		userByID: db.UserByUUID,
		tokenByID: func(ctx context.Context, id string) (token.Token, error) {
			return tokens.Get(ctx, id, token.Unbounded)
		},
		userAge: min(rememberPasswords, maxCallerAge),
		key:     keyed.NewKey(),
		callers: newCallers(),
		holders: newHolders(),
		gate:    gate,
	}
}

// newCallers returns the memory of who was seen lately.
func newCallers() *cache.Cache[Caller] {
	return cache.New[Caller](cache.Options{Most: maxCallers, ReadTimeout: callerReadTimeout})
}

// Authenticate returns who has the credentials that came from the address, or the failure to answer with:
// a *fault.Error, unless the database is at fault. Of a token that no longer serves it returns the name
// beside the failure.
func (a *Authenticator) Authenticate(ctx context.Context, addr netip.Addr, given Credentials) (Caller, error) {
	if given.Key == "" {
		// Also for those who are remembered.
		if err := a.gate.open(ctx, addr, given.Username); err != nil {
			return Caller{}, err
		}
	}
	return a.callers.Read(ctx, a.hash(addr, given), func(ctx context.Context) (who Caller, holds time.Duration, err error) {
		if given.Key == "" {
			err = a.gate.login(ctx, addr, given.Username, func() (err error) {
				who, holds, err = a.look(ctx, given)
				return err
			})
			return who, holds, err
		}
		if who, holds, err = a.look(ctx, given); unauthenticated(err) {
			err = cmp.Or(a.gate.token(ctx, addr), err)
		}
		return who, holds, err
	})
}

// Again is Authenticate for credentials that were good a moment ago: that they have ended is no attempt at
// guessing any, and is not counted.
func (a *Authenticator) Again(ctx context.Context, addr netip.Addr, given Credentials) (Caller, error) {
	return a.callers.Read(ctx, a.hash(addr, given), func(ctx context.Context) (Caller, time.Duration, error) { return a.look(ctx, given) })
}

// look finds out who has the credentials, and for how long that holds.
func (a *Authenticator) look(ctx context.Context, given Credentials) (Caller, time.Duration, error) {
	switch {
	case given.Key == "":
		return a.user(ctx, given)
	case strings.HasPrefix(given.Key, token.Prefix):
		return a.token(ctx, given.Key)
	}
	return a.apiKey(ctx, given.Key)
}

// unauthenticated reports whether the credentials were wrong, rather than not to be checked.
func unauthenticated(err error) bool { return fault.Is(err, fault.AuthenticationFailed) }

func (a *Authenticator) user(ctx context.Context, given Credentials) (Caller, time.Duration, error) {
	user, err := a.users(ctx, given.Username, given.Password)
	switch {
	case err != nil:
		return Caller{}, 0, err
	case user.Role == fusionpbx.RoleNone:
		return Caller{}, 0, fault.Errorf(fault.Forbidden, "this user is neither a superadmin nor an admin in FusionPBX")
	}
	return callerOfUser(user), a.userAge, nil
}

func (a *Authenticator) apiKey(ctx context.Context, key string) (Caller, time.Duration, error) {
	user, err := a.apiKeys(ctx, key)
	if err != nil {
		return Caller{}, 0, err
	}
	return callerOfUser(user), maxCallerAge, nil
}

func (a *Authenticator) token(ctx context.Context, secret string) (Caller, time.Duration, error) {
	t, holds, err := a.tokens(ctx, secret)
	if err != nil {
		who := Caller{}
		if t.ID != "" {
			who.Name = tokenCaller(t)
		}
		return who, 0, err
	}
	who, err := a.callerOf(ctx, t)
	return who, min(holds, maxCallerAge), err
}

// callerOf is a token that serves, with those of its domains that are enabled now.
func (a *Authenticator) callerOf(ctx context.Context, t token.Token) (Caller, error) {
	var domains []fusionpbx.Domain
	if uuids := token.DomainsOf(t); len(uuids) > 0 {
		var err error
		if domains, err = a.domains(ctx, uuids); err != nil {
			return Caller{}, err
		}
	}
	return callerOfToken(t, domains)
}

func (a *Authenticator) hash(addr netip.Addr, given Credentials) string {
	return string(a.key.Hash(addr.String(), given.Username, given.Password, given.Key))
}
