package fusionpbx

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// extension adds an extension and returns its UUID.
func (p pbx) extension(t testing.TB, domainUUID, number, alias, enabled string) string {
	t.Helper()
	id := uuid.NewString()
	p.insert(t, "v_extensions", row{"extension_uuid": id, "domain_uuid": domainUUID, "extension": number, "number_alias": alias, "enabled": enabled})
	return id
}

func TestExtension(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, two := p.domain(t, "one", "true"), p.domain(t, "two", "true")
		plain := p.extension(t, one, "1001", "NULL", "true")
		off := p.extension(t, one, "1002", "", "false")
		aliased := p.extension(t, one, "alice", "1003", "NULL")
		shadowed := p.extension(t, one, "1004", "1001", "true")
		other := p.extension(t, two, "1001", "1002", "true")
		for _, c := range []struct {
			domain, number string
			want           Extension
		}{
			{one, "1001", Extension{plain, "1001", "", true}}, // and not the one with that alias
			{one, "1002", Extension{off, "1002", "", false}},
			{one, "alice", Extension{aliased, "alice", "1003", true}},
			{one, "1003", Extension{aliased, "alice", "1003", true}},
			{one, "1004", Extension{shadowed, "1004", "1001", true}},
			{two, "1002", Extension{other, "1001", "1002", true}},
		} {
			if got, err := p.Extension(t.Context(), c.domain, c.number); got != c.want || err != nil {
				t.Errorf("%s: got %+v, %v; want %+v", c.number, got, err, c.want)
			}
		}
		for _, number := range []string{"1005", "", "ALICE", "100%"} {
			if got, err := p.Extension(t.Context(), one, number); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: got %+v, %v", number, got, err)
			}
		}
		counts, err := p.ExtensionCounts(t.Context())
		if want := map[string]int{one: 4, two: 1}; err != nil || !maps.Equal(counts, want) {
			t.Errorf("got %v, %v; want %v", counts, err, want)
		}
	})
}

func TestEnabledProfiles(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		for name, enabled := range map[string]string{"internal": "true", "external": "true", "internal-ipv6": "false", "wan": "NULL", "": "true"} {
			p.insert(t, "v_sip_profiles", row{"sip_profile_uuid": uuid.NewString(), "sip_profile_name": name, "sip_profile_enabled": enabled})
		}
		p.insert(t, "v_sip_profiles", row{"sip_profile_uuid": uuid.NewString(), "sip_profile_name": "internal", "sip_profile_enabled": "true"})
		got, err := p.EnabledProfiles(t.Context())
		if want := []string{"external", "internal"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	})
}
