package fusionpbx

import (
	"context"

	"golang.org/x/crypto/bcrypt"

	"trunkline/internal/fault"
)

// Role is what a user may do here.
type Role int

// The roles: an administrator of one domain, of all of them, or neither.
const (
	RoleNone Role = iota
	RoleAdmin
	RoleSuperadmin
)

// User is a FusionPBX user whose password was right.
type User struct {
	UUID, Name             string
	DomainUUID, DomainName string
	Role                   Role
}

// What Check and ByPassword can answer besides a user; each is a *fault.Error.
var (
	ErrBadCredentials error = fault.Errorf(fault.AuthenticationFailed, "username or password is wrong")
	// ErrTOTP: a password alone would bypass the account's second factor.
	ErrTOTP error = fault.Errorf(fault.TOTPRequired, "this account has a second factor (TOTP), so its password alone does not serve here; send an API token instead, which trunkline token create makes")
	// ErrAmbiguous: several domains have such a user with such a password, or so many have such a user
	// that their passwords are not checked.
	ErrAmbiguous error = fault.Errorf(fault.AuthenticationFailed, "several domains have this user; write the username as user@domain")
)

// Named are the enabled users that a name may mean.
type Named struct {
	db    *DB
	users []candidate
}

// Find returns the users that a name, an e-mail address or user@domain may mean.
func (d *DB) Find(ctx context.Context, username string) (Named, error) {
	users, err := d.candidates(ctx, username)
	return Named{db: d, users: users}, err
}

// UUIDs are the users', none if nobody has the name, or so many that their passwords are not checked.
func (n Named) UUIDs() []string {
	if len(n.users) > maxCandidates {
		return nil
	}
	uuids := make([]string, len(n.users))
	for i, u := range n.users {
		uuids[i] = u.UUID
	}
	return uuids
}

// Account is a user whose password was right, and what FusionPBX asks of them besides.
type Account struct {
	User
	TOTP string // the secret of their second factor; "": they have none
}

// ByPassword is the user, or ErrTOTP: for whoever cannot be asked for a second factor.
func (a Account) ByPassword() (User, error) {
	if a.TOTP != "" {
		return User{}, ErrTOTP
	}
	return a.User, nil
}

// Check returns the user whose password this is, or one of the errors above but for ErrTOTP; the role may be RoleNone.
// A name that nobody has costs as much time as a wrong password of one user; one that several have costs more.
// passwords spares the hashing of one that was right before.
func (n Named) Check(ctx context.Context, passwords *Passwords, password string) (Account, error) {
	found := n.users
	if len(found) > maxCandidates {
		if err := spendBcrypt(ctx, password); err != nil {
			return Account{}, err
		}
		return Account{}, ErrAmbiguous
	}
	var matches []candidate
	checked := false
	for _, c := range found {
		ok, known := passwords.known(c, password)
		if !known {
			_, err := bcrypt.Cost([]byte(c.password))
			checked = checked || err == nil
			if ok, err = passwordMatches(ctx, c, password); err != nil {
				return Account{}, err
			}
		}
		if ok {
			matches = append(matches, c)
		}
	}
	if len(matches) > 0 {
		passwords.remember(found, matches, password)
	}
	switch {
	case len(matches) == 0:
		if !checked {
			if err := spendBcrypt(ctx, password); err != nil {
				return Account{}, err
			}
		}
		return Account{}, ErrBadCredentials
	case len(matches) > 1:
		return Account{}, ErrAmbiguous
	}
	user, err := n.db.withRole(ctx, matches[0].User)
	return Account{User: user, TOTP: matches[0].totp}, err
}
