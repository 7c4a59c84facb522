package fusionpbx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestDomains(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		one, off := p.domain(t, "One.example", "true"), p.domain(t, "off.example", "false")
		for _, c := range []struct {
			name string
			want Domain
			err  error
		}{
			{"one.EXAMPLE", Domain{UUID: one, Name: "One.example", Enabled: true}, nil},
			{"off.example", Domain{UUID: off, Name: "off.example"}, nil},
			{"one%", Domain{}, ErrNotFound},
			{"", Domain{}, ErrNotFound},
		} {
			got, err := p.DomainByName(t.Context(), c.name)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%q: got %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
			}
		}
		if got, err := p.DomainByUUID(t.Context(), strings.ToUpper(off)); err != nil || got.UUID != off {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := p.DomainByUUID(t.Context(), uuid.NewString()); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want %v", err, ErrNotFound)
		}
	})
}

// setting adds a default setting, or one of a domain.
func (p pbx) setting(t *testing.T, domainUUID, category, subcategory, name, value, enabled string) {
	t.Helper()
	table, kind := "v_default_settings", "default_setting"
	r := row{}
	if domainUUID != "" {
		table, kind = "v_domain_settings", "domain_setting"
		r["domain_uuid"] = domainUUID
	}
	r[kind+"_uuid"], r[kind+"_category"], r[kind+"_subcategory"] = uuid.NewString(), category, subcategory
	r[kind+"_name"], r[kind+"_value"], r[kind+"_enabled"] = name, value, enabled
	p.insert(t, table, r)
}

func TestClock24(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		own, none := p.domain(t, "own", "true"), p.domain(t, "none", "true")
		p.setting(t, own, "domain", "time_format", "text", "24h", "true")
		for domain, want := range map[string]bool{own: true, none: false} {
			if got, err := p.Clock24(t.Context(), domain); got != want || err != nil {
				t.Errorf("got %t, %v; want %t", got, err, want)
			}
		}
	})
}

func TestTimeZone(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		own, off, empty, none := p.domain(t, "own", "true"), p.domain(t, "off", "true"), p.domain(t, "empty", "true"), p.domain(t, "none", "true")
		check := func(when, domainUUID, want string) {
			t.Helper()
			if got, err := p.TimeZone(t.Context(), domainUUID); got != want || err != nil {
				t.Errorf("%s: got %q, %v; want %q", when, got, err, want)
			}
		}
		p.setting(t, "", "domain", "language", "code", "en-us", "true")
		p.setting(t, own, "domain", "time_zone", "name", "America/New_York", "true")
		p.setting(t, off, "domain", "time_zone", "name", "America/New_York", "false")
		p.setting(t, empty, "domain", "time_zone", "name", "", "true")
		check("no default", none, "UTC")
		p.setting(t, "", "domain", "time_zone", "name", "Asia/Tokyo", "false")
		check("a default that is disabled", none, "UTC")
		p.setting(t, "", "domain", "time_zone", "name", "Europe/Rome", "true")
		check("its own", own, "America/New_York")
		check("its own is disabled", off, "Europe/Rome")
		check("its own is empty", empty, "Europe/Rome")
		check("none of its own", none, "Europe/Rome")
		check("no domain", "", "Europe/Rome")
	})
}

func TestGatewayMode(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		check := func(when string, want GatewayMode, wantDir string) {
			t.Helper()
			for set, want := range map[GatewayMode]GatewayMode{"": want, ModeAuto: want, ModeDatabase: ModeDatabase, ModeFile: ModeFile} {
				if got, err := p.GatewayMode(t.Context(), set); got != want || err != nil {
					t.Errorf("%s, set to %q: got %q, %v; want %q", when, set, got, err, want)
				}
			}
			if got, err := p.SIPProfilesDir(t.Context()); got != wantDir || err != nil {
				t.Errorf("%s: got the folder %q, %v; want %q", when, got, err, wantDir)
			}
		}
		check("no setting", ModeDatabase, "")
		p.setting(t, "", "switch", "sip_profiles", "dir", "/etc/freeswitch/sip_profiles", "false")
		check("as it ships", ModeDatabase, "")
		p.setting(t, "", "switch", "sip_profiles", "dir", "", "true")
		check("enabled and empty", ModeDatabase, "")
		p.setting(t, "", "switch", "sip_profiles", "dir", "/etc/freeswitch/sip_profiles", "true")
		check("enabled", ModeFile, "/etc/freeswitch/sip_profiles")
	})
}

func TestWhichProfilesAreEnabled(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		for name, enabled := range map[string]string{"external": "true", "off": "false", "unset": "NULL"} {
			p.insert(t, "v_sip_profiles", row{"sip_profile_uuid": uuid.NewString(), "sip_profile_name": name, "sip_profile_enabled": enabled})
		}
		for name, want := range map[string]bool{"external": true, "off": false, "unset": false, "External": false, "none": false, "": false} {
			if got, err := p.EnabledProfiles(t.Context()); slices.Contains(got, name) != want || err != nil {
				t.Errorf("%q: got %q, %v; want %t", name, got, err, want)
			}
		}
	})
}

func TestSendsCodes(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		own, none := p.domain(t, "own", "true"), p.domain(t, "none", "true")
		want := func(what string, ofOwn, ofNone bool) {
			t.Helper()
			for domain, want := range map[string]bool{own: ofOwn, none: ofNone} {
				if got, err := p.SendsCodes(t.Context(), domain); got != want || err != nil {
					t.Errorf("%s: got %t, %v; want %t", what, got, err, want)
				}
			}
		}
		p.setting(t, "", "authentication", "methods", "array", "database", "true")
		p.setting(t, "", "authentication", "methods", "array", "email", "false")
		p.setting(t, none, "authentication", "methods", "array", "email", "false")
		want("a method that is off", false, false)
		p.setting(t, own, "authentication", "methods", "array", "email", "true")
		want("a method of one domain", true, false)
		p.setting(t, "", "authentication", "methods", "array", "email", "true")
		want("a method of all", true, true)
	})
}
