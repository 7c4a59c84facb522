package fusionpbx

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// Domain is a tenant.
type Domain struct {
	UUID, Name string
	Enabled    bool
}

// DomainByName returns the domain of that name, compared without case, or ErrNotFound.
func (d *DB) DomainByName(ctx context.Context, name string) (Domain, error) {
	return first(d.domains(ctx, "reading domain "+name, "lower(domain_name) = lower($1)", name))
}

// DomainByUUID returns the domain, or ErrNotFound.
func (d *DB) DomainByUUID(ctx context.Context, uuid string) (Domain, error) {
	return first(d.domains(ctx, "reading domain "+uuid, "domain_uuid = $1::uuid", uuid))
}

// Domains returns those of the domains that exist.
func (d *DB) Domains(ctx context.Context, uuids []string) ([]Domain, error) {
	return d.domains(ctx, "reading domains", "domain_uuid = any($1::uuid[])", uuids)
}

// DomainsRead are domains that were read at once.
type DomainsRead struct{ byName, byUUID map[string]Domain }

// DomainsNamed returns those of the domains that exist of these names, in any case, and of these uuids, in one
// question.
func (d *DB) DomainsNamed(ctx context.Context, names, uuids []string) (DomainsRead, error) {
	read := DomainsRead{map[string]Domain{}, map[string]Domain{}}
	found, err := d.domains(ctx, "reading domains", "lower(domain_name) = any(select lower(unnest($1::text[]))) or domain_uuid::text = any($2::text[])", names, uuids)
	for _, domain := range slices.Backward(found) { // of two the first, as DomainByName has it
		read.byName[strings.ToLower(domain.Name)], read.byUUID[domain.UUID] = domain, domain
	}
	return read, err
}

// DomainByName is that of DB.
func (r DomainsRead) DomainByName(_ context.Context, name string) (Domain, error) {
	return among(r.byName, strings.ToLower(name))
}

// DomainByUUID is that of DB.
func (r DomainsRead) DomainByUUID(_ context.Context, uuid string) (Domain, error) {
	return among(r.byUUID, uuid)
}

func among(domains map[string]Domain, key string) (Domain, error) {
	if domain, there := domains[key]; there {
		return domain, nil
	}
	return Domain{}, ErrNotFound
}

// SeveralDomains reports whether there is more than one.
func (d *DB) SeveralDomains(ctx context.Context) (bool, error) {
	return again(ctx, d, func() (bool, error) {
		return postgres.Value[bool](ctx, d.q, "counting domains", "select count(*) > 1 from (select from v_domains limit 2) as domains")
	})
}

func (d *DB) domains(ctx context.Context, doing, condition string, values ...any) ([]Domain, error) {
	return again(ctx, d, func() ([]Domain, error) {
		return postgres.Rows(ctx, d.q, doing, pgx.RowToStructByPos[Domain], `
		select domain_uuid::text, coalesce(domain_name, ''), coalesce(`+d.isTrue("v_domains", "d.domain_enabled")+`, true)
		from v_domains d where `+condition+` order by domain_uuid`, values...)
	})
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
	return again(ctx, d, func() (string, error) {
		return postgres.Value[string](ctx, d.q, "reading a domain's time zone", "select "+d.domainSetting("nullif($3, '')::uuid"), "time_zone", "UTC", domainUUID)
	})
}

// Clock24 reports whether FusionPBX's pages show the domain's times of day as 18:00, and not as 06:00 pm: the setting
// time_format is 24h.
func (d *DB) Clock24(ctx context.Context, domainUUID string) (bool, error) {
	clocks, err := d.Clocks24(ctx, []string{domainUUID})
	return clocks[domainUUID], err
}

// Clocks24 is Clock24 of many domains, by UUID.
func (d *DB) Clocks24(ctx context.Context, domainUUIDs []string) (map[string]bool, error) {
	return again(ctx, d, func() (map[string]bool, error) {
		rows, err := postgres.Rows(ctx, d.q, "reading domains' clocks", pgx.RowToStructByPos[struct {
			Domain  string
			Clock24 bool
		}], "select of.domain, "+d.domainSetting("nullif(of.domain, '')::uuid")+" = '24h' from unnest($3::text[]) as of (domain)", "time_format", "", domainUUIDs)
		clocks := make(map[string]bool, len(rows))
		for _, row := range rows {
			clocks[row.Domain] = row.Clock24
		}
		return clocks, err
	})
}

// domainSetting is the SQL of the setting $1 of the category domain: the domain's own, else the default setting, else $2.
func (d *DB) domainSetting(domainUUID string) string {
	return `coalesce(
		(select s.domain_setting_value from v_domain_settings s
		where s.domain_uuid = ` + domainUUID + ` and s.domain_setting_category = 'domain'
		and s.domain_setting_subcategory = $1 and ` + d.isTrue("v_domain_settings", "s.domain_setting_enabled") + `
		and s.domain_setting_value <> '' limit 1),
		(select value from ` + d.defaultSettings() + ` where category = 'domain' and subcategory = $1 limit 1),
		$2)`
}

// defaultSettings is an SQL table of the default settings that are enabled and not empty.
func (d *DB) defaultSettings() string {
	return `(select default_setting_category as category, default_setting_subcategory as subcategory,
			default_setting_name as name, default_setting_value as value
			from v_default_settings s
			where default_setting_value <> '' and ` + d.isTrue("v_default_settings", "s.default_setting_enabled") + `) as settings`
}

// SendsCodes reports whether users of the domain also need a code by e-mail to sign in to FusionPBX: email is among its
// methods of authentication, by the default settings or the domain's.
func (d *DB) SendsCodes(ctx context.Context, domainUUID string) (bool, error) {
	return again(ctx, d, func() (bool, error) {
		return postgres.Value[bool](ctx, d.q, "reading how users sign in", `
		select exists (select from `+d.defaultSettings()+` where category = 'authentication' and subcategory = 'methods' and value = 'email')
			or exists (select from v_domain_settings s where s.domain_uuid = $1::uuid and s.domain_setting_category = 'authentication'
				and s.domain_setting_subcategory = 'methods' and s.domain_setting_value = 'email' and `+d.isTrue("v_domain_settings", "s.domain_setting_enabled")+`)`, domainUUID)
	})
}

// GatewayMode is how FusionPBX hands gateways to FreeSWITCH.
type GatewayMode string

// The gateway modes. FreeSWITCH gets its configuration from the database, or FusionPBX writes a file for
// each gateway. ModeAuto leaves it to FusionPBX's settings.
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
	return again(ctx, d, func() (string, error) {
		return postgres.Value[string](ctx, d.q, "reading how FusionPBX keeps gateways", `
		select coalesce((select value from `+d.defaultSettings()+`
			where category = 'switch' and subcategory = 'sip_profiles' and name = 'dir' limit 1), '')`)
	})
}
