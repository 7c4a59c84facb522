package fusionpbx

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/bcrypt"
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

// What Authenticate can answer besides a user.
var (
	ErrBadCredentials = errors.New("username or password is wrong")
	// ErrTOTP: a password alone would pass by the account's second factor.
	ErrTOTP = errors.New("this account has a second factor (TOTP), so its password alone does not serve here; use an account without one")
	// ErrAmbiguous: several domains have such a user with such a password, or so many have such a user
	// that their passwords are not checked.
	ErrAmbiguous = errors.New("several domains have this user; write the username as user@domain")
)

const (
	// maxCandidates bounds how many users of one name have their passwords checked for one request.
	maxCandidates = 4
	// bcryptBytes is how much of a password bcrypt, and PHP with it, looks at.
	bcryptBytes = 72
)

type candidate struct {
	User
	password, salt, totp string
}

// Authenticate returns the enabled user of that name, e-mail address or user@domain whose password
// this is, or one of the errors above. A name that nobody has costs as much time as a wrong password.
// The user's role may be RoleNone.
func (d *DB) Authenticate(ctx context.Context, q Querier, username, password string) (User, error) {
	found, err := d.candidates(ctx, q, username)
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
		_, err := bcrypt.Cost([]byte(c.password))
		checked = checked || err == nil
		ok, err := passwordMatches(ctx, c, password)
		if err != nil {
			return User{}, err
		}
		if ok {
			matches = append(matches, c)
		}
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
	return d.withRole(ctx, q, matches[0].User)
}

// candidates are the enabled users that the name may mean, one more than maxCandidates at most.
// user@domain is split at its last @, and only where that domain exists; otherwise it is an e-mail
// address or a name. What Postgres cannot take as text is nobody's name.
func (d *DB) candidates(ctx context.Context, q Querier, username string) ([]candidate, error) {
	if username == "" || strings.ContainsRune(username, 0) || !utf8.ValidString(username) {
		return nil, nil
	}
	domainUUID := ""
	if at := strings.LastIndexByte(username, '@'); at > 0 {
		domain, err := d.DomainByName(ctx, q, username[at+1:])
		switch {
		case err == nil:
			username, domainUUID = username[:at], domain.UUID
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	has := func(column string) bool { return d.columns["v_users"][column] != "" }
	byEmail, byType, totp := "", "", "''"
	if has("user_email") {
		byEmail = " or lower(u.user_email) = lower($1)"
	}
	if has("user_type") {
		byType = " and (u.user_type = 'default' or u.user_type is null)"
	}
	if has("user_totp_secret") {
		totp = "coalesce(u.user_totp_secret, '')"
	}
	rows, err := q.Query(ctx, `
		select u.user_uuid::text, coalesce(u.username, ''), d.domain_uuid::text, coalesce(d.domain_name, ''),
			coalesce(u.password, ''), coalesce(u.salt, ''), `+totp+`
		from v_users u join v_domains d on d.domain_uuid = u.domain_uuid
		where (lower(u.username) = lower($1)`+byEmail+`)
		and ($2 = '' or u.domain_uuid = nullif($2, '')::uuid)
		and coalesce(`+d.isTrue("v_users", "u.user_enabled")+`, true)
		and coalesce(`+d.isTrue("v_domains", "d.domain_enabled")+`, true)`+byType+`
		order by u.user_uuid limit $3`, username, domainUUID, maxCandidates+1)
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (candidate, error) {
		var c candidate
		err := row.Scan(&c.UUID, &c.Name, &c.DomainUUID, &c.DomainName, &c.password, &c.salt, &c.totp)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	return found, nil
}

// withRole fills in the highest role that the user's groups give.
func (d *DB) withRole(ctx context.Context, q Querier, u User) (User, error) {
	var superadmin, admin bool
	err := q.QueryRow(ctx, `
		select coalesce(bool_or(g.group_name = 'superadmin'), false), coalesce(bool_or(g.group_name = 'admin'), false)
		from v_user_groups ug join v_groups g on g.group_uuid = ug.group_uuid
		where ug.user_uuid = $1::uuid`, u.UUID).Scan(&superadmin, &admin)
	if err != nil {
		return User{}, fmt.Errorf("reading a user's groups: %w", err)
	}
	switch {
	case superadmin:
		u.Role = RoleSuperadmin
	case admin:
		u.Role = RoleAdmin
	}
	return u, nil
}

// passwordMatches checks a bcrypt hash, or the md5 of salt and password that old versions kept.
func passwordMatches(ctx context.Context, c candidate, password string) (bool, error) {
	if strings.HasPrefix(c.password, "$") {
		return matchesBcrypt(ctx, c.password, password)
	}
	sum := md5.Sum([]byte(c.salt + password))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(strings.ToLower(c.password))) == 1, nil
}

// bcryptSlots bounds the processors that checks of passwords may have at once.
var bcryptSlots = make(chan struct{}, max(runtime.GOMAXPROCS(0), 1))

func matchesBcrypt(ctx context.Context, hash, password string) (bool, error) {
	select {
	case bcryptSlots <- struct{}{}:
		defer func() { <-bcryptSlots }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	given := []byte(password)
	return bcrypt.CompareHashAndPassword([]byte(hash), given[:min(len(given), bcryptBytes)]) == nil, nil
}

// anyHash is a hash of nothing that anybody knows, at the cost that FusionPBX uses.
var anyHash = sync.OnceValue(func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte("nobody's password"), bcrypt.DefaultCost)
	if err != nil {
		panic(err) // the password above is short enough and the cost is valid
	}
	return string(hash)
})

// spendBcrypt takes the time of a check that cannot succeed.
func spendBcrypt(ctx context.Context, password string) error {
	_, err := matchesBcrypt(ctx, anyHash(), password)
	return err
}
