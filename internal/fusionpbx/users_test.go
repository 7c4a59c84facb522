package fusionpbx

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/sample"
)

// bcryptHash hashes as PHP does, but quickly.
func bcryptHash(t testing.TB, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return "$2y$" + strings.TrimPrefix(string(hash), "$2a$")
}

func saltedMD5(salt, password string) string {
	sum := md5.Sum([]byte(salt + password))
	return hex.EncodeToString(sum[:])
}

// user adds a user with these columns besides the usual ones, in the given groups.
func (p pbx) user(t testing.TB, domainUUID, name string, columns row, groupUUIDs ...string) string {
	t.Helper()
	id := uuid.NewString()
	r := row{"user_uuid": id, "domain_uuid": domainUUID, "username": name, "user_enabled": "true", "user_type": "default"}
	for column, value := range columns {
		r[column] = value
	}
	p.insert(t, "v_users", r)
	for _, group := range groupUUIDs {
		p.insert(t, "v_user_groups", row{"user_group_uuid": uuid.NewString(), "user_uuid": id, "group_uuid": group})
	}
	return id
}

func (p pbx) group(t testing.TB, name string) string {
	t.Helper()
	id := uuid.NewString()
	p.insert(t, "v_groups", row{"group_uuid": id, "group_name": name})
	return id
}

// Who a name may mean, in every version.
func TestCandidates(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := p.domain(t, "one.example", "true"), p.domain(t, "Two.example", "NULL")
		off := p.domain(t, "off.example", "false")
		p.user(t, one, "Root", row{"user_email": "Root@mail.example"})
		p.user(t, two, "boss", row{"user_email": "NULL"})
		p.user(t, one, "nullflags", row{"user_enabled": "NULL", "user_type": "NULL"})
		p.user(t, one, "disabled", row{"user_enabled": "false"})
		p.user(t, one, "virtual", row{"user_type": "virtual"})
		p.user(t, off, "tenant", nil)
		p.user(t, one, "shared", nil)
		p.user(t, two, "Shared", nil)
		p.user(t, one, "a@b", nil)
		p.user(t, one, "x@elsewhere.example", nil)
		p.user(t, one, "'; drop table v_users; --", nil)
		p.user(t, one, "", row{"user_email": ""})
		for range maxCandidates + 2 {
			p.user(t, one, "everywhere", nil)
		}
		for _, c := range []struct {
			name, username string
			want           []string // as name@domain
		}{
			{"a name in another case", "rOOT", []string{"Root@one.example"}},
			{"an e-mail address", "ROOT@MAIL.example", []string{"Root@one.example"}},
			{"a domain whose flag is NULL", "boss", []string{"boss@Two.example"}},
			{"flags that are NULL", "nullflags", []string{"nullflags@one.example"}},
			{"a disabled user", "disabled", nil},
			{"another type of user", "virtual", nil},
			{"a disabled domain", "tenant", nil},
			{"a disabled domain by name", "tenant@off.example", nil},
			{"two of a name", "SHARED", []string{"Shared@Two.example", "shared@one.example"}},
			{"user@domain", "Shared@two.EXAMPLE", []string{"Shared@Two.example"}},
			{"user@another domain", "boss@one.example", nil},
			{"@ in the name, with domain", "a@b@one.example", []string{"a@b@one.example"}},
			{"@ in the name, no such domain", "x@elsewhere.example", []string{"x@elsewhere.example@one.example"}},
			{"the domain alone", "@one.example", nil},
			{"SQL", "'; drop table v_users; --", []string{"'; drop table v_users; --@one.example"}},
			{"a pattern", "%", nil},
			{"no name", "", nil},
			{"NUL", "root\x00", nil},
			{"invalid UTF-8", "root\xff", nil},
			{"one too many", "everywhere", slices.Repeat([]string{"everywhere@one.example"}, maxCandidates+1)},
		} {
			if got := p.candidateNames(t, c.username); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	})
}

// candidateNames are the users, as name@domain, who may be meant.
func (p pbx) candidateNames(t *testing.T, username string) (names []string) {
	t.Helper()
	found, err := p.candidates(t.Context(), username)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		names = append(names, c.Name+"@"+c.DomainName)
	}
	slices.Sort(names)
	return names
}

// The two kinds of password and the roles, in every version.
func TestAuthenticateInEveryVersion(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		superadmin, admin, agent := p.group(t, "superadmin"), p.group(t, "admin"), p.group(t, "agent")
		domain := p.domain(t, "one.example", "true")
		p.user(t, domain, "root", row{"password": bcryptHash(t, "pw")}, admin, superadmin)
		p.user(t, domain, "boss", row{"password": saltedMD5("salt", "pw"), "salt": "salt"}, admin, agent)
		p.user(t, domain, "agent", row{"password": strings.ToUpper(saltedMD5("", "pw")), "salt": "NULL"}, agent)
		p.user(t, domain, "nogroup", row{"password": bcryptHash(t, "pw")})
		p.user(t, domain, "totp", row{"password": bcryptHash(t, "pw"), "user_totp_secret": "JBSWY3DP"}, admin)
		for name, want := range map[string]Role{"root": RoleSuperadmin, "boss": RoleAdmin, "agent": RoleNone, "nogroup": RoleNone} {
			got, err := p.Authenticate(t.Context(), nil, name+"@one.example", "pw")
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			got.UUID = ""
			if want := (User{Name: name, DomainUUID: domain, DomainName: "one.example", Role: want}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		if _, err := p.Authenticate(t.Context(), nil, "totp", "pw"); !errors.Is(err, ErrTOTP) {
			t.Errorf("a second factor: got %v, want %v", err, ErrTOTP)
		}
	})
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	one, two := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
	users := map[string]string{}
	add := func(label, domain, name string, columns row) { users[label] = p.user(t, domain, name, columns) }
	add("root", one, "root", row{"password": bcryptHash(t, "pw")})
	add("old", one, "old", row{"password": saltedMD5("salt", "pw"), "salt": "salt"})
	add("totp", one, "totp", row{"password": bcryptHash(t, "pw"), "user_totp_secret": "JBSWY3DP"})
	add("nopassword", one, "nopassword", row{"password": "NULL"})
	add("emptypassword", one, "emptypassword", row{"password": ""})
	add("broken", one, "broken", row{"password": "$2y$nonsense"})
	add("long", one, "long", row{"password": bcryptHash(t, strings.Repeat("x", bcryptBytes))})
	add("first", one, "shared", row{"password": bcryptHash(t, "first")})
	add("second", two, "shared", row{"password": bcryptHash(t, "second")})
	add("twin1", one, "twin", row{"password": bcryptHash(t, "pw")})
	add("twin2", two, "twin", row{"password": saltedMD5("", "pw")})
	for range maxCandidates + 1 {
		add("everywhere", one, "everywhere", row{"password": bcryptHash(t, "pw")})
	}
	for _, c := range []struct {
		name, username, password string
		want                     string // a label of users
		err                      error
	}{
		{"the right password", "root", "pw", "root", nil},
		{"a wrong password", "root", "pW", "", ErrBadCredentials},
		{"no password", "root", "", "", ErrBadCredentials},
		{"salted md5", "old", "pw", "old", nil},
		{"salted md5, wrong", "old", "wp", "", ErrBadCredentials},
		{"the hash itself", "old", saltedMD5("salt", "pw"), "", ErrBadCredentials},
		{"a second factor", "totp", "pw", "", ErrTOTP},
		{"a second factor, wrong password", "totp", "wp", "", ErrBadCredentials},
		{"a user without password", "nopassword", "", "", ErrBadCredentials},
		{"an empty hash", "emptypassword", "", "", ErrBadCredentials},
		{"a broken hash", "broken", "pw", "", ErrBadCredentials},
		{"more than 72 bytes", "long", strings.Repeat("x", bcryptBytes+9), "long", nil},
		{"71 bytes", "long", strings.Repeat("x", bcryptBytes-1), "", ErrBadCredentials},
		{"nobody", "nobody", "pw", "", ErrBadCredentials},
		{"the password tells which", "shared", "second", "second", nil},
		{"the password of neither", "shared", "third", "", ErrBadCredentials},
		{"the same password twice", "twin", "pw", "", ErrAmbiguous},
		{"told apart by domain", "twin@one.example", "pw", "twin1", nil},
		{"too many to check", "everywhere", "pw", "", ErrAmbiguous},
	} {
		got, err := p.Authenticate(t.Context(), nil, c.username, c.password)
		if got.UUID != users[c.want] || !errors.Is(err, c.err) {
			t.Errorf("%s: got %+v, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// A flag that is text is read whatever its case.
func TestCandidatesReadTextFlags(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V54)
	domain := p.domain(t, "one.example", "true")
	for flag, want := range map[string]int{"true": 1, "TRUE": 1, "t": 1, "False": 0, "": 0, "no": 0} {
		name := fmt.Sprintf("user %x", flag) // names are compared without case
		p.user(t, domain, name, row{"user_enabled": flag})
		if found, err := p.candidates(t.Context(), name); len(found) != want || err != nil {
			t.Errorf("user_enabled %q: got %d users, %v; want %d", flag, len(found), err, want)
		}
	}
}

// occupied lets one test at a time take all turns at the processors: two would wait for each other.
var occupied sync.Mutex

// occupyBcrypt takes all turns until release is called.
func occupyBcrypt() (release func()) {
	occupied.Lock()
	for range cap(bcryptSlots) {
		bcryptSlots <- struct{}{}
	}
	return func() {
		for range cap(bcryptSlots) {
			<-bcryptSlots
		}
		occupied.Unlock()
	}
}

// Whether a name exists cannot be told from the time that an answer takes: every refusal costs a bcrypt
// check. With all turns at the processors taken, each of them waits for one.
func TestEveryRefusalCostsABcryptCheck(t *testing.T) {
	t.Parallel()
	p := open(t, sample.V55)
	domain := p.domain(t, "one.example", "true")
	p.user(t, domain, "old", row{"password": saltedMD5("", "pw")})
	p.user(t, domain, "broken", row{"password": "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA"})
	for range maxCandidates + 1 {
		p.user(t, domain, "everywhere", row{"password": saltedMD5("", "pw")})
	}
	defer occupyBcrypt()()
	for _, name := range []string{"nobody", "", "old", "broken", "everywhere"} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := p.In(pbxtest.Connect(t, p.conn.Config().ConnString())).Authenticate(ctx, nil, name, "wrong")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: got %v without a check", name, err)
		}
	}
}

// A caller that has gone does not wait for its turn at the processors.
func TestAuthenticateGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	hash := anyHash()
	defer occupyBcrypt()()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := matchesBcrypt(ctx, hash, "pw")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
