package fusionpbx

import (
	"context"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// EnabledProfiles names the enabled SIP profiles, sorted.
func (d *DB) EnabledProfiles(ctx context.Context) ([]string, error) {
	return again(ctx, d, func() ([]string, error) {
		return postgres.Rows(ctx, d.q, "reading the SIP profiles", pgx.RowTo[string], `
		select distinct p.sip_profile_name from v_sip_profiles p
		where `+d.isTrue("v_sip_profiles", "p.sip_profile_enabled")+` and p.sip_profile_name <> '' order by 1`)
	})
}

// ProfileNames are all SIP profiles, and whether each is enabled.
func (d *DB) ProfileNames(ctx context.Context) (map[string]bool, error) {
	type named struct {
		Name    string
		Enabled bool
	}
	found, err := again(ctx, d, func() ([]named, error) {
		return postgres.Rows(ctx, d.q, "reading the SIP profiles", pgx.RowToStructByPos[named], `
		select p.sip_profile_name, coalesce(bool_or(`+d.isTrue("v_sip_profiles", "p.sip_profile_enabled")+`), false) from v_sip_profiles p
		where p.sip_profile_name <> '' group by 1`)
	})
	profiles := make(map[string]bool, len(found))
	for _, n := range found {
		profiles[n.Name] = n.Enabled
	}
	return profiles, err
}

// Profile is an enabled SIP profile.
type Profile struct {
	Name string
	// WithoutTLS: its settings say that it has none. It is false if they do not tell.
	WithoutTLS bool
}

// Profiles are the enabled SIP profiles, by name.
func (d *DB) Profiles(ctx context.Context) (map[string]Profile, error) {
	found, err := again(ctx, d, func() ([]Profile, error) {
		return postgres.Rows(ctx, d.q, "reading the SIP profiles", pgx.RowToStructByPos[Profile], `
		select p.sip_profile_name, coalesce(bool_and(`+d.withoutTLS()+`), false) from v_sip_profiles p
		where `+d.isTrue("v_sip_profiles", "p.sip_profile_enabled")+` and p.sip_profile_name <> '' group by 1`)
	})
	profiles := make(map[string]Profile, len(found))
	for _, p := range found {
		profiles[p.Name] = p
	}
	return profiles, err
}

// withoutTLS is an SQL condition on a profile p: it has settings, and none that sets tls to what FreeSWITCH takes
// for true. As FusionPBX ships it the value is a variable such as $${external_ssl_enable}; one that v_vars does
// not tell may be true.
func (d *DB) withoutTLS() string {
	for _, column := range []string{"sip_profile_uuid", "sip_profile_setting_name", "sip_profile_setting_value", "sip_profile_setting_enabled"} {
		if !d.hasColumn("v_sip_profile_settings", column) {
			return "false"
		}
	}
	if !d.hasColumn("v_sip_profiles", "sip_profile_uuid") {
		return "false"
	}
	variable := "null"
	if d.hasColumn("v_vars", "var_name") && d.hasColumn("v_vars", "var_value") {
		variable = `(select v.var_value from v_vars v where s.sip_profile_setting_value = '$${' || v.var_name || '}'
			and coalesce(` + d.isTrue("v_vars", "v.var_enabled") + `, true) limit 1)`
	}
	of := "from v_sip_profile_settings s where s.sip_profile_uuid = p.sip_profile_uuid and " + d.isTrue("v_sip_profile_settings", "s.sip_profile_setting_enabled")
	return "exists (select " + of + ") and not exists (select " + of + ` and s.sip_profile_setting_name = 'tls'
		and coalesce(` + variable + `, s.sip_profile_setting_value) ~* '^(true|t|yes|on|enabled|active|allow|0*[1-9][0-9]*|.*\$\{.*)$')`
}
