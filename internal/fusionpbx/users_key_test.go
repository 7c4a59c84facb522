package fusionpbx

import (
	"errors"
	"strings"
	"testing"

	"trunkline/internal/pbxtest/sample"
)

// key is one of the length that FusionPBX makes them.
func key(letter string) string { return strings.Repeat(letter, 36) }

func TestAuthenticateKey(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		superadmin, admin := p.group(t, "superadmin"), p.group(t, "admin")
		one, off := p.domain(t, "one.example", "NULL"), p.domain(t, "off.example", "false")
		root := p.user(t, one, "root", row{"api_key": key("r")}, admin, superadmin)
		careful := p.user(t, one, "careful", row{"api_key": key("c"), "user_totp_secret": "JBSWY3DP", "user_type": "NULL", "user_enabled": "NULL"}, superadmin)
		p.user(t, one, "short", row{"api_key": key("s")[:30]}, superadmin)
		long := p.user(t, one, "just-long-enough", row{"api_key": key("l")[:31]}, superadmin)
		p.user(t, one, "boss", row{"api_key": key("b")}, admin)
		p.user(t, one, "nogroup", row{"api_key": key("n")})
		p.user(t, one, "disabled", row{"api_key": key("d"), "user_enabled": "false"}, superadmin)
		p.user(t, one, "virtual", row{"api_key": key("v"), "user_type": "virtual"}, superadmin)
		p.user(t, off, "tenant", row{"api_key": key("t")}, superadmin)
		p.user(t, one, "none", row{"api_key": "NULL"}, superadmin)
		p.user(t, one, "empty", row{"api_key": ""}, superadmin)
		for _, c := range []struct{ name, key, want string }{
			{"a superadmin's", key("r"), root},
			{"that of an account with a second factor", key("c"), careful},
			{"31 characters", key("l")[:31], long},
			{"30 characters", key("s")[:30], ""},
			{"an admin's", key("b"), ""},
			{"that of a user of no group", key("n"), ""},
			{"a disabled user's", key("d"), ""},
			{"that of another type of user", key("v"), ""},
			{"that of a disabled domain", key("t"), ""},
			{"none", "", ""},
			{"nobody's", key("x"), ""},
			{"a longer one", key("r") + "r", ""},
			{"the beginning of one", key("r")[:35], ""},
			{"another case", key("R"), ""},
			{"bytes that are no text", key("\xff") + "\x00", ""},
		} {
			got, err := p.AuthenticateKey(t.Context(), c.key)
			if got.UUID != c.want || (c.want == "") != errors.Is(err, ErrUnknownKey) || c.want != "" && (err != nil || got.Role != RoleSuperadmin || got.DomainUUID != one) {
				t.Errorf("%s: got %+v, %v; want %q", c.name, got, err, c.want)
			}
		}
	})
}

func TestAuthenticateKeyWithoutTheColumn(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	p.user(t, p.domain(t, "one.example", "true"), "root", nil, p.group(t, "superadmin"))
	p.exec(t, "alter table v_users drop column api_key")
	without, err := Probe(t.Context(), p.conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.AuthenticateKey(t.Context(), key("r")); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v, want %v", err, ErrUnknownKey)
	}
}
