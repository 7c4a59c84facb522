package fusionpbx

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

func TestPasswordsAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPasswords(time.Minute)
		right := candidate{User: User{UUID: "1"}, password: "hash", salt: "salt"}
		other := candidate{User: User{UUID: "2"}, password: "other", salt: "salt"}
		want := func(c candidate, password string, matched, known bool) {
			t.Helper()
			if m, k := p.known(c, password); m != matched || k != known {
				t.Errorf("%s with %q: got %t, %t; want %t, %t", c.UUID, password, m, k, matched, known)
			}
		}
		want(right, "pw", false, false)
		p.remember([]candidate{right, other}, []candidate{right}, "pw")
		want(right, "pw", true, true)
		want(other, "pw", false, true)
		want(right, "PW", false, false)
		// The three must not run into each other.
		want(candidate{password: "hash", salt: "sal"}, "tpw", false, false)
		want(candidate{password: "hashs", salt: "alt"}, "pw", false, false)
		// Nor is its time made longer by use.
		pbxtest.Pass(40 * time.Second)
		p.remember([]candidate{right}, []candidate{right}, "pw")
		pbxtest.Pass(21 * time.Second)
		want(right, "pw", false, false)
	})
}

func TestPasswordsRemembersNothing(t *testing.T) {
	t.Parallel()
	none := NewPasswords(0)
	c := candidate{password: "hash"}
	none.remember([]candidate{c}, []candidate{c}, "pw")
	if _, known := none.known(c, "pw"); known {
		t.Error("it is remembered")
	}
}

func TestPasswordsAreBounded(t *testing.T) {
	t.Parallel()
	p := NewPasswords(time.Minute)
	for i := range maxPasswords + 100 {
		c := candidate{password: fmt.Sprint(i)}
		p.remember([]candidate{c}, []candidate{c}, "pw")
	}
	if n := p.matched.Len(); n > maxPasswords {
		t.Errorf("%d are remembered, the bound is %d", n, maxPasswords)
	}
}

// A password that was right once is not hashed again, while whoever may use it is looked at each time.
func TestAuthenticateLooksAtUsersEachTime(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	admin, superadmin := p.group(t, "admin"), p.group(t, "superadmin")
	domain := p.domain(t, "one.example", "true")
	id := p.user(t, domain, "boss", row{"password": bcryptHash(t, "pw")}, admin)
	passwords := NewPasswords(time.Hour)
	want := func(what, password string, role Role, err error) {
		t.Helper()
		got, gotErr := p.Authenticate(t.Context(), passwords, "boss", password)
		if got.Role != role || !errors.Is(gotErr, err) {
			t.Errorf("%s: got %+v, %v; want %v, %v", what, got, gotErr, role, err)
		}
	}
	want("the right password", "pw", RoleAdmin, nil)
	want("a wrong one", "wrong", RoleNone, ErrBadCredentials)
	if n := passwords.matched.Len(); n != 1 {
		t.Errorf("%d outcomes are remembered, want the right one alone", n)
	}
	p.exec(t, "update v_user_groups set group_uuid = $1", superadmin)
	want("another role", "pw", RoleSuperadmin, nil)
	p.exec(t, "update v_users set user_totp_secret = 'JBSWY3DP'")
	want("a second factor", "pw", RoleNone, ErrTOTP)
	p.exec(t, "update v_users set user_totp_secret = null, user_enabled = false")
	want("disabled", "pw", RoleNone, ErrBadCredentials)
	p.exec(t, "update v_users set user_enabled = true")
	p.exec(t, "update v_domains set domain_enabled = false")
	want("its domain disabled", "pw", RoleNone, ErrBadCredentials)
	p.exec(t, "update v_domains set domain_enabled = true")
	want("enabled again", "pw", RoleSuperadmin, nil)
	p.exec(t, "update v_users set password = $1 where user_uuid = $2::uuid", bcryptHash(t, "new"), id)
	want("the password before", "pw", RoleNone, ErrBadCredentials)
	want("the new password", "new", RoleSuperadmin, nil)

	// With all turns at the processors taken, only what is remembered is answered.
	defer occupyBcrypt()()
	want("remembered", "new", RoleSuperadmin, nil)
}
