package fusionpbx

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
)

// Which groups make a superadmin, which an admin: by name, level and whose they are, for a password as for an
// api_key.
func TestRolesOfGroups(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
		for i, c := range []struct {
			name, level, domain string // NULL: FusionPBX's own, or none is told
			want                Role
		}{
			{"superadmin", "80", "NULL", RoleSuperadmin},
			{"superadmin", "NULL", "NULL", RoleSuperadmin},
			{"superadmin", "79", "NULL", RoleAdmin},
			{"superadmin", "10", "NULL", RoleNone},
			{"superadmin", "80", one, RoleAdmin},
			{"superadmin", "30", one, RoleNone},
			{"superadmin", "80", two, RoleNone},
			{"admin", "50", "NULL", RoleAdmin},
			{"admin", "NULL", "NULL", RoleAdmin},
			{"admin", "80", "NULL", RoleAdmin},
			{"admin", "49", "NULL", RoleNone},
			{"admin", "50", one, RoleAdmin},
			{"admin", "50", two, RoleNone},
			{"owner", "90", "NULL", RoleNone},
		} {
			group := uuid.NewString()
			p.insert(t, "v_groups", row{"group_uuid": group, "group_name": c.name, "group_level": c.level, "domain_uuid": c.domain})
			name, secret := fmt.Sprintf("user%d", i), fmt.Sprintf("%036d", i)
			id := p.user(t, one, name, row{"password": saltedMD5("", "pw"), "api_key": secret}, group)
			what := fmt.Sprintf("group %s of level %s, domain %s", c.name, c.level, c.domain)
			if got, err := p.Authenticate(t.Context(), nil, name, "pw"); err != nil || got.Role != c.want {
				t.Errorf("%s: got role %d, %v; want %d", what, got.Role, err, c.want)
			}
			if got, err := p.UserByUUID(t.Context(), id); err != nil || !got.Enabled || got.User != (User{id, name, one, "one.example", c.want}) {
				t.Errorf("%s: got %+v, %v", what, got, err)
			}
			if _, err := p.AuthenticateKey(t.Context(), secret); (err == nil) != (c.want == RoleSuperadmin) {
				t.Errorf("%s: the api_key gives %v", what, err)
			}
		}
	})
}

func TestUserByUUID(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, off := p.domain(t, "one.example", "true"), p.domain(t, "off.example", "false")
		for what, id := range map[string]string{
			"a disabled user": p.user(t, one, "disabled", row{"user_enabled": "false"}), "a user of a disabled domain": p.user(t, off, "tenant", nil),
		} {
			if got, err := p.UserByUUID(t.Context(), id); err != nil || got.Enabled || got.UUID != id {
				t.Errorf("%s: got %+v, %v", what, got, err)
			}
		}
		if _, err := p.UserByUUID(t.Context(), uuid.NewString()); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want %v", err, ErrNotFound)
		}
	})
}

// A user's mark changes with each of their credentials, and with nothing else.
func TestMarkOfCredentials(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		id := p.user(t, p.domain(t, "one.example", "true"), "boss", row{"password": "p", "salt": "s"})
		seen := map[string]string{}
		mark := func(what string) string {
			t.Helper()
			got, err := p.UserByUUID(t.Context(), id)
			if err != nil || got.Mark == "" {
				t.Fatalf("%s: %+v, %v", what, got, err)
			}
			return got.Mark
		}
		seen[mark("at first")] = "at first"
		p.exec(t, "update v_users set username = 'chief'")
		if seen[mark("renamed")] == "" {
			t.Error("another name changes the mark")
		}
		for _, column := range []string{"password", "salt", "user_totp_secret", "api_key"} {
			p.exec(t, "update v_users set "+column+" = 'other'")
			if before, known := seen[mark(column)]; known {
				t.Errorf("another %s leaves the mark of %s", column, before)
			}
			seen[mark(column)] = column
		}
	})
}
