package fusionpbx

import (
	"testing"

	"github.com/google/uuid"
)

// Whether a profile has TLS is known from its settings, and from FusionPBX's variables if they name one.
func TestProfilesTellWhetherTheyHaveTLS(t *testing.T) {
	each(t, func(t *testing.T, p pbx) {
		p.exec(t, "create table v_vars (var_uuid uuid primary key, var_name text, var_value text, var_enabled text)")
		p.exec(t, "insert into v_vars values (gen_random_uuid(), 'off', 'false', 'true'), (gen_random_uuid(), 'on', 'true', 'true'), (gen_random_uuid(), 'old', 'false', 'false')")
		want := map[string]Profile{}
		for name, c := range map[string]struct {
			value, enabled string // of the setting tls; "": there is none
			without        bool
		}{
			"false": {"false", "true", true}, "true": {"true", "true", false}, "disabled": {"true", "false", true}, "none": {"", "", true},
			"a variable that is false": {"$${off}", "true", true}, "a variable that is true": {"$${on}", "true", false},
			"a variable that is not known": {"$${nowhere}", "true", false}, "a variable that is disabled": {"$${old}", "true", false},
		} {
			id := uuid.NewString()
			p.insert(t, "v_sip_profiles", row{"sip_profile_uuid": id, "sip_profile_name": name, "sip_profile_enabled": "true"})
			settings := map[string][2]string{"sip-port": {"5080", "true"}}
			if c.value != "" {
				settings["tls"] = [2]string{c.value, c.enabled}
			}
			for setting, s := range settings {
				p.insert(t, "v_sip_profile_settings", row{
					"sip_profile_setting_uuid": uuid.NewString(), "sip_profile_uuid": id, "sip_profile_setting_name": setting,
					"sip_profile_setting_value": s[0], "sip_profile_setting_enabled": s[1],
				})
			}
			want[name] = Profile{Name: name, WithoutTLS: c.without}
		}
		p.insert(t, "v_sip_profiles", row{"sip_profile_uuid": uuid.NewString(), "sip_profile_name": "without settings", "sip_profile_enabled": "true"})
		want["without settings"] = Profile{Name: "without settings"}
		db, err := Probe(t.Context(), p.conn)
		if err != nil {
			t.Fatal(err)
		}
		got, err := db.Profiles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, profile := range want {
			if got[name] != profile {
				t.Errorf("%s: got %+v, want %+v", name, got[name], profile)
			}
		}
	})
}
