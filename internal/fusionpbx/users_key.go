package fusionpbx

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// minKey is the length, in bytes, that FusionPBX asks of an api_key: it takes no shorter one either.
const minKey = 31

// ErrUnknownKey is what AuthenticateKey answers besides a user: a *fault.Error.
var ErrUnknownKey error = fault.Errorf(fault.AuthenticationFailed, "this key is neither a token nor the api_key of an enabled superadmin in FusionPBX")

// AuthenticateKey returns the enabled superadmin whose api_key this is, or ErrUnknownKey. A second factor
// does not matter: it protects the password, and the key is a credential of its own. The key is compared
// with that of every superadmin in the same time, whether or not one of them is like it.
func (d *DB) AuthenticateKey(ctx context.Context, key string) (User, error) {
	if len(key) < minKey || !d.hasColumn("v_users", "api_key") {
		return User{}, ErrUnknownKey
	}
	superadmins, err := again(ctx, d, func() ([]keyHolder, error) {
		return postgres.Rows(ctx, d.q, "reading api_keys", readHolder, `
		select u.user_uuid::text, coalesce(u.username, ''), d.domain_uuid::text, coalesce(d.domain_name, ''), u.api_key::text
		from v_users u join v_domains d on d.domain_uuid = u.domain_uuid
		where octet_length(u.api_key::text) >= $1 and `+d.userEnabled()+d.ordinaryUser()+`
		and `+d.role()+` = $2
		order by u.user_uuid`, minKey, RoleSuperadmin)
	})
	if err != nil {
		return User{}, err
	}
	// Their hashes are compared, since keys themselves differ in length.
	given := sha256.Sum256([]byte(key))
	found := User{}
	for _, s := range superadmins {
		sum := sha256.Sum256([]byte(s.key))
		if subtle.ConstantTimeCompare(sum[:], given[:]) == 1 && found.UUID == "" {
			found = s.User
		}
	}
	if found.UUID == "" {
		return User{}, ErrUnknownKey
	}
	return found, nil
}

// keyHolder is a superadmin with an api_key.
type keyHolder struct {
	User
	key string
}

func readHolder(row pgx.CollectableRow) (h keyHolder, err error) {
	h.Role = RoleSuperadmin
	err = row.Scan(&h.UUID, &h.Name, &h.DomainUUID, &h.DomainName, &h.key)
	return h, err
}
