package fusionpbx

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// unique makes FusionPBX's default setting of how names of users are unique.
func (p pbx) unique(t testing.TB, value, enabled string) {
	t.Helper()
	p.exec(t, "delete from v_default_settings where default_setting_category = 'users'")
	p.insert(t, "v_default_settings", row{"default_setting_uuid": uuid.NewString(), "default_setting_category": "users",
		"default_setting_subcategory": "unique", "default_setting_name": "text", "default_setting_value": value, "default_setting_enabled": enabled})
}

// Whom user@domain means if names are unique over all domains, and if they are not.
func TestNamesThatAreUniqueOverAllDomains(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
		p.user(t, one, "bob", nil)
		p.user(t, two, "Bob@one.example", nil)
		p.user(t, two, "carol", row{"user_email": "mail@one.example"})
		p.user(t, one, "mail", nil)
		p.user(t, one, "dave", nil)
		p.user(t, two, "dave@one.example", row{"user_enabled": "false"})
		p.user(t, one, "erin", nil)
		p.user(t, two, "erin", nil)
		p.user(t, two, "frank@elsewhere.example", nil)
		for _, c := range []struct {
			name, username     string
			perDomain, overAll []string // as name@domain
		}{
			{"another's whole name", "bob@ONE.example", []string{"bob@one.example"}, []string{"Bob@one.example@two.example"}},
			{"another's e-mail address", "mail@one.example", []string{"mail@one.example"}, []string{"carol@two.example"}},
			{"the whole name of one who is disabled", "dave@one.example", []string{"dave@one.example"}, nil},
			{"a text that is nobody's name", "erin@one.example", []string{"erin@one.example"}, []string{"erin@one.example"}},
			{"a bare name", "bob", []string{"bob@one.example"}, []string{"bob@one.example"}},
			{"a bare name in two domains", "erin", []string{"erin@one.example", "erin@two.example"}, []string{"erin@one.example", "erin@two.example"}},
			{"no such domain", "frank@elsewhere.example", []string{"frank@elsewhere.example@two.example"}, []string{"frank@elsewhere.example@two.example"}},
		} {
			for _, setting := range []struct {
				value, enabled string
				want           []string
			}{
				{"global", "true", c.overAll}, {"global", "false", c.perDomain}, {"domain", "true", c.perDomain},
			} {
				p.unique(t, setting.value, setting.enabled)
				if got := p.candidateNames(t, c.username); !slices.Equal(got, setting.want) {
					t.Errorf("%s, unique %s, enabled %s: got %q, want %q", c.name, setting.value, setting.enabled, got, setting.want)
				}
			}
		}
	})
}

// The password says who is meant of two who shared a name before it had to be unique.
func TestAuthenticateOverAllDomains(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := p.domain(t, "one.example", "true"), p.domain(t, "two.example", "true")
		p.unique(t, "global", "true")
		p.user(t, one, "erin", row{"password": bcryptHash(t, "first")})
		second := p.user(t, two, "erin", row{"password": bcryptHash(t, "second")})
		p.user(t, one, "boss", row{"password": bcryptHash(t, "own")})
		mail := p.user(t, two, "boss@one.example", row{"password": bcryptHash(t, "mail")})
		for _, c := range []struct {
			username, password, want string
			err                      error
		}{
			{"erin", "second", second, nil},
			{"erin@two.example", "second", second, nil},
			{"erin@one.example", "second", "", ErrBadCredentials},
			{"boss@one.example", "mail", mail, nil},
			{"boss@one.example", "own", "", ErrBadCredentials},
		} {
			got, err := p.Authenticate(t.Context(), nil, c.username, c.password)
			if got.UUID != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %s: got %+v, %v; want %q, %v", c.username, c.password, got, err, c.want, c.err)
			}
		}
	})
}
