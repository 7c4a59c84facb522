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

// What Authenticate can answer besides a user; each is a *fault.Error.
var (
	ErrBadCredentials error = fault.Errorf(fault.AuthenticationFailed, "username or password is wrong")
	// ErrTOTP: a password alone would bypass the account's second factor.
	ErrTOTP error = fault.Errorf(fault.TOTPRequired, "this account has a second factor (TOTP), so its password alone does not serve here; send an API token instead, which trunkline token create makes")
	// ErrAmbiguous: several domains have such a user with such a password, or so many have such a user
	// that their passwords are not checked.
	ErrAmbiguous error = fault.Errorf(fault.AuthenticationFailed, "several domains have this user; write the username as user@domain")
)

// Authenticate returns the enabled user of that name, e-mail address or user@domain whose password
// this is, or one of the errors above; the role may be RoleNone. A name that nobody has costs as much
// time as a wrong password. passwords spares the hashing of one that was right before.
func (d *DB) Authenticate(ctx context.Context, passwords *Passwords, username, password string) (User, error) {
	found, err := d.candidates(ctx, username)
	if err != nil {
		return User{}, err
	}
	if len(found) > maxCandidates {
		if err := spendBcrypt(ctx, password); err != nil {
			return User{}, err
		}
		return User{}, ErrAmbiguous
	}
	var matches []candidate
	checked := false
	for _, c := range found {
		ok, known := passwords.known(c, password)
		if !known {
			_, err := bcrypt.Cost([]byte(c.password))
			checked = checked || err == nil
			if ok, err = passwordMatches(ctx, c, password); err != nil {
				return User{}, err
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
				return User{}, err
			}
		}
		return User{}, ErrBadCredentials
	case len(matches) > 1:
		return User{}, ErrAmbiguous
	case matches[0].totp != "":
		return User{}, ErrTOTP
	}
	return d.withRole(ctx, matches[0].User)
}
