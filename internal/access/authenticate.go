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
	find    func(ctx context.Context, username string) (named, error)
	apiKeys func(ctx context.Context, key string) (fusionpbx.User, error)
	tokens  func(ctx context.Context, secret string) (token.Token, time.Duration, error)
	domains func(ctx context.Context, uuids []string) ([]fusionpbx.Domain, error)
	// userByID and tokenByID ask for those who are not here to show their credentials.
	userByID  func(ctx context.Context, uuid string) (fusionpbx.Standing, error)
	tokenByID func(ctx context.Context, id string) (token.Token, error)
	// sendsCodes reports whether users of the domain need a code by e-mail too.
	sendsCodes func(ctx context.Context, domainUUID string) (bool, error)
	// userAge is how long a user is remembered: no longer than their password is.
	userAge time.Duration
	key     keyed.Key
	callers *cache.Cache[seen]
	holders *cache.Cache[Holder]
	gate    *Gate
}

// named are the users that a name may mean.
type named struct {
	uuids []string
	check func(ctx context.Context, password string) (fusionpbx.Account, error)
}

// seen is a caller, and when the answer to the login is due: everybody who sends the same waits for it.
type seen struct {
	who Caller
	due time.Time
}

// NewAuthenticator returns one that knows FusionPBX's users and our tokens. For as long as a right password
// is remembered it is not hashed again.
func NewAuthenticator(db *fusionpbx.DB, tokens *token.Store, gate *Gate, rememberPasswords time.Duration) *Authenticator {
	passwords := fusionpbx.NewPasswords(rememberPasswords)
	return &Authenticator{
		find: func(ctx context.Context, username string) (named, error) {
			users, err := db.Find(ctx, username)
			return named{users.UUIDs(), func(ctx context.Context, password string) (fusionpbx.Account, error) {
				return users.Check(ctx, passwords, password)
			}}, err
		},
		apiKeys:  db.AuthenticateKey,
		tokens:   tokens.Find,
		domains:  db.Domains,
		userByID: db.UserByUUID,
		tokenByID: func(ctx context.Context, id string) (token.Token, error) {
			return tokens.Get(ctx, id, token.Unbounded)
		},
		sendsCodes: db.SendsCodes,
		userAge:    min(rememberPasswords, maxCallerAge),
		key:        keyed.NewKey(),
		callers:    newCallers(),
		holders:    newHolders(),
		gate:       gate,
	}
}

// newCallers returns the memory of who was seen lately.
func newCallers() *cache.Cache[seen] {
	return cache.New[seen](cache.Options{Most: maxCallers, ReadTimeout: callerReadTimeout})
}

// Authenticate returns who has the credentials that came from the address, or the failure to answer with:
// a *fault.Error, unless the database is at fault. Of a token that no longer serves it returns the name
// beside the failure. It keeps the answer back while it is not due, unless ctx or stopping ends.
func (a *Authenticator) Authenticate(ctx, stopping context.Context, addr netip.Addr, given Credentials) (Caller, error) {
	hash := a.hash(addr, given)
	if given.Key == "" {
		var users []string
		if remembered, ok := a.callers.Get(hash); ok {
			users = append(users, remembered.who.ID)
		}
		if err := a.gate.open(ctx, addr, users...); err != nil {
			return Caller{}, err
		}
	}
	found, err := a.callers.Read(ctx, hash, func(ctx context.Context) (found seen, holds time.Duration, err error) {
		if given.Key == "" {
			found, err = a.guarded(ctx, addr, given, byPasswordAlone)
			return found, a.userAge, err
		}
		return a.byKey(ctx, addr, given.Key)
	})
	a.gate.hold(ctx, stopping, found.due)
	return found.who, err
}

// byKey is who has the key. One that nobody has is told to the login gate.
func (a *Authenticator) byKey(ctx context.Context, addr netip.Addr, key string) (found seen, holds time.Duration, err error) {
	if found.who, holds, err = a.holderOf(ctx, key); unauthenticated(err) {
		delay, limited := a.gate.token(ctx, addr)
		found.due, err = time.Now().Add(delay), cmp.Or(limited, err)
	}
	return found, holds, err
}

// Again is Authenticate for credentials that were good a moment ago: that they have ended is no attempt at
// guessing any, and is not counted.
func (a *Authenticator) Again(ctx context.Context, addr netip.Addr, given Credentials) (Caller, error) {
	found, err := a.callers.Read(ctx, a.hash(addr, given), func(ctx context.Context) (found seen, holds time.Duration, err error) {
		found.who, holds, err = a.again(ctx, given)
		return found, holds, err
	})
	return found.who, err
}

// AgainNow is Again as the database has it at the moment.
func (a *Authenticator) AgainNow(ctx context.Context, given Credentials) (Caller, error) {
	who, _, err := a.again(ctx, given)
	return who, err
}

func (a *Authenticator) again(ctx context.Context, given Credentials) (who Caller, holds time.Duration, err error) {
	if given.Key != "" {
		return a.holderOf(ctx, given.Key)
	}
	users, err := a.find(ctx, given.Username)
	if err == nil {
		who, err = users.caller(ctx, given.Password, byPasswordAlone)
	}
	return who, a.userAge, err
}

// holderOf is who has the key, and for how long that holds.
func (a *Authenticator) holderOf(ctx context.Context, key string) (Caller, time.Duration, error) {
	if strings.HasPrefix(key, token.Prefix) {
		return a.token(ctx, key)
	}
	return a.apiKey(ctx, key)
}

// unauthenticated reports whether the credentials were wrong, rather than not to be checked.
func unauthenticated(err error) bool { return fault.Is(err, fault.AuthenticationFailed) }

// guarded checks a password if the login gate lets it, and what else is asked for, and tells the gate how that ended.
func (a *Authenticator) guarded(ctx context.Context, addr netip.Addr, given Credentials, second secondFactor) (found seen, err error) {
	users, err := a.find(ctx, given.Username)
	if err != nil {
		return found, err
	}
	attempt, err := a.gate.admit(ctx, addr, given.Username, users.uuids)
	if err != nil {
		return found, err
	}
	found.who, err = users.caller(ctx, given.Password, second)
	found.due = attempt.settle(ctx, found.who.ID, err)
	return found, err
}

// caller is the user whose password it is.
func (n named) caller(ctx context.Context, password string, second secondFactor) (Caller, error) {
	account, err := n.check(ctx, password)
	if err != nil {
		return Caller{}, err
	}
	user, err := second(ctx, account)
	switch {
	case err != nil:
		return Caller{}, err
	case user.Role == fusionpbx.RoleNone:
		return Caller{}, fault.Errorf(fault.Forbidden, "this user is neither a superadmin nor an admin in FusionPBX")
	}
	return callerOfUser(user), nil
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
