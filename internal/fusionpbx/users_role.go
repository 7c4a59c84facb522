package fusionpbx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// The levels that FusionPBX gives the two groups. One of the name with a lower level is something else.
const (
	superadminLevel = 80
	adminLevel      = 50
)

// role is an SQL expression: the highest role that user u has by its groups. A domain may have groups of its
// own, and call one of them superadmin: that makes nobody one. An admin's may be its own domain's.
func (d *DB) role() string {
	level, domain := d.orNull("v_groups", "g.group_level")+"::numeric", d.orNull("v_groups", "g.domain_uuid")+"::uuid"
	return fmt.Sprintf(`(select coalesce(max(case
			when g.group_name = 'superadmin' and %[1]s is null and coalesce(%[2]s, %[3]d) >= %[3]d then %[4]d
			when g.group_name in ('superadmin', 'admin') and coalesce(%[1]s, u.domain_uuid) = u.domain_uuid and coalesce(%[2]s, %[5]d) >= %[5]d then %[6]d
		end), %[7]d) from v_user_groups ug join v_groups g on g.group_uuid = ug.group_uuid where ug.user_uuid = u.user_uuid)`,
		domain, level, superadminLevel, RoleSuperadmin, adminLevel, RoleAdmin, RoleNone)
}

// withRole fills in the highest role that the user's groups give.
func (d *DB) withRole(ctx context.Context, u User) (User, error) {
	role, err := again(ctx, d, func() (Role, error) {
		return postgres.Value[Role](ctx, d.q, "reading a user's groups",
			"select coalesce((select "+d.role()+" from v_users u where u.user_uuid = $1::uuid), $2)", u.UUID, RoleNone)
	})
	u.Role = role
	return u, err
}

// Standing is a user as they stand now.
type Standing struct {
	User
	Enabled bool // they are, and their domain is
	// Mark is another one once any of their credentials is: password, second factor, api_key. It gives none of them away.
	Mark string
}

// UserByUUID returns the user of that uuid as they stand, or ErrNotFound.
func (d *DB) UserByUUID(ctx context.Context, uuid string) (Standing, error) {
	return first(again(ctx, d, func() ([]Standing, error) {
		return postgres.Rows(ctx, d.q, "reading a user", func(row pgx.CollectableRow) (s Standing, err error) {
			var password, salt, totp, key string
			err = row.Scan(&s.UUID, &s.Name, &s.DomainUUID, &s.DomainName, &s.Role, &s.Enabled, &password, &salt, &totp, &key)
			sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", password, salt, totp, key))
			s.Mark = hex.EncodeToString(sum[:])
			return s, err
		}, `
		select u.user_uuid::text, coalesce(u.username, ''), d.domain_uuid::text, coalesce(d.domain_name, ''), `+d.role()+`, `+d.userEnabled()+`,
			coalesce(u.password, ''), coalesce(u.salt, ''), coalesce(`+d.orNull("v_users", "u.user_totp_secret")+`, ''), coalesce(`+d.orNull("v_users", "u.api_key")+`, '')
		from v_users u join v_domains d on d.domain_uuid = u.domain_uuid where u.user_uuid = $1::uuid`, uuid)
	}))
}
