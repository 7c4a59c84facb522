package fusionpbx

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Domain is a tenant.
type Domain struct {
	UUID, Name string
	Enabled    bool
}

// DomainByName returns the domain of that name, compared without case, or ErrNotFound.
func (d *DB) DomainByName(ctx context.Context, name string) (Domain, error) {
	return d.domain(ctx, "lower(domain_name) = lower($1)", name)
}

// DomainByUUID returns the domain, or ErrNotFound.
func (d *DB) DomainByUUID(ctx context.Context, uuid string) (Domain, error) {
	return d.domain(ctx, "domain_uuid = $1::uuid", uuid)
}

func (d *DB) domain(ctx context.Context, condition, value string) (Domain, error) {
	var domain Domain
	err := d.q.QueryRow(ctx, `
		select domain_uuid::text, coalesce(domain_name, ''), coalesce(`+d.isTrue("v_domains", "d.domain_enabled")+`, true)
		from v_domains d where `+condition+` order by domain_uuid limit 1`, value).
		Scan(&domain.UUID, &domain.Name, &domain.Enabled)
	if errors.Is(err, pgx.ErrNoRows) {
		return Domain{}, ErrNotFound
	}
	if err != nil {
		return Domain{}, fmt.Errorf("reading domain %s: %w", value, err)
	}
	return domain, nil
}

// Domains returns those of the domains that exist, in no order.
func (d *DB) Domains(ctx context.Context, uuids []string) ([]Domain, error) {
	rows, err := d.q.Query(ctx, `
		select domain_uuid::text, coalesce(domain_name, ''), coalesce(`+d.isTrue("v_domains", "d.domain_enabled")+`, true)
		from v_domains d where domain_uuid = any($1::uuid[])`, uuids)
	if err != nil {
		return nil, fmt.Errorf("reading domains: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Domain])
	if err != nil {
		return nil, fmt.Errorf("reading domains: %w", err)
	}
	return found, nil
}

// DomainNames returns the names of those of the domains that exist, by uuid.
func (d *DB) DomainNames(ctx context.Context, uuids []string) (map[string]string, error) {
	names := make(map[string]string, len(uuids))
	if len(uuids) == 0 {
		return names, nil
	}
	found, err := d.Domains(ctx, uuids)
	for _, domain := range found {
		names[domain.UUID] = domain.Name
	}
	return names, err
}

// TimeZone returns the name of the domain's time zone: its own setting, else the default setting, else
// UTC. The domain "" has the default setting.
func (d *DB) TimeZone(ctx context.Context, domainUUID string) (string, error) {
	var zone string
	err := d.q.QueryRow(ctx, `
		select coalesce(
			(select s.domain_setting_value from v_domain_settings s
			where s.domain_uuid = nullif($1, '')::uuid and s.domain_setting_category = 'domain'
			and s.domain_setting_subcategory = 'time_zone' and `+d.isTrue("v_domain_settings", "s.domain_setting_enabled")+`
			and s.domain_setting_value <> '' limit 1),
			(select s.default_setting_value from v_default_settings s
			where s.default_setting_category = 'domain' and s.default_setting_subcategory = 'time_zone'
			and `+d.isTrue("v_default_settings", "s.default_setting_enabled")+` and s.default_setting_value <> '' limit 1),
			'UTC')`, domainUUID).Scan(&zone)
	if err != nil {
		return "", fmt.Errorf("reading a domain's time zone: %w", err)
	}
	return zone, nil
}

// GatewayMode is how FusionPBX hands gateways to FreeSWITCH.
type GatewayMode string

// The gateway modes. In database mode FreeSWITCH asks for its configuration and gets it from the
// database; in file mode FusionPBX writes a file for each gateway. ModeAuto leaves it to FusionPBX's
// settings.
const (
	ModeAuto     GatewayMode = "auto"
	ModeDatabase GatewayMode = "database"
	ModeFile     GatewayMode = "file"
)

// GatewayMode is the mode that was set, ModeDatabase or ModeFile; if that is ModeAuto or "", it is read:
// ModeFile if the default setting switch, sip_profiles, dir is enabled.
func (d *DB) GatewayMode(ctx context.Context, set GatewayMode) (GatewayMode, error) {
	if set == ModeDatabase || set == ModeFile {
		return set, nil
	}
	dir, err := d.SIPProfilesDir(ctx)
	if err != nil {
		return "", err
	}
	if dir != "" {
		return ModeFile, nil
	}
	return ModeDatabase, nil
}

// SIPProfilesDir is the folder where FusionPBX keeps gateways as files, of the default setting switch,
// sip_profiles, dir; "" if that is not enabled.
func (d *DB) SIPProfilesDir(ctx context.Context) (string, error) {
	var dir string
	err := d.q.QueryRow(ctx, `
		select coalesce(
			(select s.default_setting_value from v_default_settings s
			where s.default_setting_category = 'switch' and s.default_setting_subcategory = 'sip_profiles'
			and s.default_setting_name = 'dir' and `+d.isTrue("v_default_settings", "s.default_setting_enabled")+`
			and s.default_setting_value <> '' limit 1), '')`).Scan(&dir)
	if err != nil {
		return "", fmt.Errorf("reading how FusionPBX keeps gateways: %w", err)
	}
	return dir, nil
}

// EnabledProfiles names the enabled SIP profiles, sorted.
func (d *DB) EnabledProfiles(ctx context.Context) ([]string, error) {
	rows, err := d.q.Query(ctx, `
		select distinct p.sip_profile_name from v_sip_profiles p
		where `+d.isTrue("v_sip_profiles", "p.sip_profile_enabled")+` and p.sip_profile_name <> '' order by 1`)
	if err != nil {
		return nil, fmt.Errorf("reading the SIP profiles: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reading the SIP profiles: %w", err)
	}
	return names, nil
}

// ProfileEnabled reports whether there is an enabled SIP profile of that name.
func (d *DB) ProfileEnabled(ctx context.Context, name string) (bool, error) {
	var enabled bool
	err := d.q.QueryRow(ctx, `
		select exists (select from v_sip_profiles p
			where p.sip_profile_name = $1 and `+d.isTrue("v_sip_profiles", "p.sip_profile_enabled")+`)`, name).Scan(&enabled)
	if err != nil {
		return false, fmt.Errorf("reading SIP profile %s: %w", name, err)
	}
	return enabled, nil
}
