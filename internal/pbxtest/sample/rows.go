package sample

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	// bcryptCost is the cost with which FusionPBX hashes passwords.
	bcryptCost = 10

	defaultTimeZone = "UTC"
	otherTimeZone   = "America/New_York" // the second domain's

	firstExtension = 1001
)

// field is one value of a row, written as Postgres writes it; empty means NULL.
type field struct{ column, value string }

// row adds a row to a table, each value cast to the type that its column has in this database.
func (l *loader) row(table string, fields ...field) {
	names := make([]string, len(fields))
	values := make([]string, len(fields))
	args := make([]any, len(fields))
	for i, f := range fields {
		sqlType, ok := l.types[column{table, f.column}]
		if !ok && l.err == nil {
			l.err = fmt.Errorf("this database has no column %s.%s", table, f.column)
		}
		names[i] = quoteName(f.column)
		values[i] = fmt.Sprintf("$%d::text::%s", i+1, sqlType)
		if f.value != "" {
			args[i] = f.value
		}
	}
	l.batch.Queue(fmt.Sprintf("insert into %s (%s) values (%s)",
		quoteName(table), strings.Join(names, ", "), strings.Join(values, ", ")), args...)
}

// settings sets the time zone that holds where a domain has none of its own.
func (l *loader) settings() {
	l.row("v_default_settings",
		field{"default_setting_uuid", l.uuid()},
		field{"default_setting_category", "domain"},
		field{"default_setting_subcategory", "time_zone"},
		field{"default_setting_name", "name"},
		field{"default_setting_value", defaultTimeZone},
		field{"default_setting_enabled", "true"})
}

// domains makes the tenants pbx1.example, pbx2.example and so on, the second in another time zone.
func (l *loader) domains() {
	for i := range l.options.Domains {
		d := Domain{UUID: l.uuid(), Name: fmt.Sprintf("pbx%d.example", i+1), TimeZone: defaultTimeZone}
		l.row("v_domains",
			field{"domain_uuid", d.UUID}, field{"domain_name", d.Name}, field{"domain_enabled", "true"})
		if i == 1 {
			d.TimeZone = otherTimeZone
			l.row("v_domain_settings",
				field{"domain_setting_uuid", l.uuid()},
				field{"domain_uuid", d.UUID},
				field{"domain_setting_category", "domain"},
				field{"domain_setting_subcategory", "time_zone"},
				field{"domain_setting_name", "name"},
				field{"domain_setting_value", d.TimeZone},
				field{"domain_setting_enabled", "true"})
		}
		l.sample.Domains = append(l.sample.Domains, d)
	}
}

// users makes the groups and the two users. The superadmin's password is hashed as versions since 4.5
// do it, the admin's as those before did, which stays so until the password is changed.
func (l *loader) users() error {
	groups := make(map[string]string)
	for _, g := range []struct{ name, level string }{{"superadmin", "80"}, {"admin", "50"}, {"user", "30"}} {
		groups[g.name] = l.uuid()
		l.row("v_groups",
			field{"group_uuid", groups[g.name]},
			field{"group_name", g.name},
			field{"group_level", g.level},
			field{"group_protected", "false"})
	}

	s := &l.sample
	s.SuperadminName, s.SuperadminUUID, s.SuperadminPassword = "superadmin", l.uuid(), l.options.SuperadminPassword
	hash, err := bcrypt.GenerateFromPassword([]byte(s.SuperadminPassword), l.options.BcryptCost)
	if err != nil {
		return fmt.Errorf("hashing the superadmin's password: %w", err)
	}
	// PHP marks the same algorithm 2y that others mark 2a.
	l.user(s.SuperadminUUID, s.SuperadminName, "$2y$"+strings.TrimPrefix(string(hash), "$2a$"), "", s.Domains[0].UUID)
	l.member(s.SuperadminUUID, s.Domains[0].UUID, groups["superadmin"], "superadmin")

	home := s.Domains[min(1, len(s.Domains)-1)]
	s.AdminName, s.AdminUUID, s.AdminPassword, s.AdminDomain = "admin", l.uuid(), l.options.AdminPassword, home.Name
	salt := l.uuid()
	sum := md5.Sum([]byte(salt + s.AdminPassword))
	l.user(s.AdminUUID, s.AdminName, hex.EncodeToString(sum[:]), salt, home.UUID)
	l.member(s.AdminUUID, home.UUID, groups["admin"], "admin")
	return nil
}

func (l *loader) user(uuid, name, hash, salt, domainUUID string) {
	l.row("v_users",
		field{"user_uuid", uuid},
		field{"domain_uuid", domainUUID},
		field{"username", name},
		field{"password", hash},
		field{"salt", salt},
		field{"user_email", name + "@mail.example"},
		field{"user_type", "default"},
		field{"user_enabled", "true"})
}

func (l *loader) member(userUUID, domainUUID, groupUUID, group string) {
	l.row("v_user_groups",
		field{"user_group_uuid", l.uuid()},
		field{"domain_uuid", domainUUID},
		field{"group_name", group},
		field{"group_uuid", groupUUID},
		field{"user_uuid", userUUID})
}

func (l *loader) profiles() {
	for _, name := range []string{"internal", "external"} {
		l.row("v_sip_profiles",
			field{"sip_profile_uuid", l.uuid()},
			field{"sip_profile_name", name},
			field{"sip_profile_enabled", "true"})
	}
}

// extensions deals the extensions out to the domains in turn, numbered from 1001 in each.
func (l *loader) extensions() {
	for i := range l.options.Extensions {
		d := &l.sample.Domains[i%len(l.sample.Domains)]
		number := strconv.Itoa(firstExtension + d.Extensions)
		d.Extensions++
		uuid := l.uuid()
		l.extensionUUIDs = append(l.extensionUUIDs, uuid)
		l.row("v_extensions",
			field{"extension_uuid", uuid},
			field{"domain_uuid", d.UUID},
			field{"extension", number},
			field{"password", l.uuid()},
			field{"accountcode", d.Name},
			field{"effective_caller_id_name", callerNames[i%len(callerNames)]},
			field{"effective_caller_id_number", number},
			field{"directory_visible", "true"},
			field{"directory_exten_visible", "true"},
			field{"limit_max", "5"},
			field{"limit_destination", "!USER_BUSY"},
			field{"user_context", d.Name},
			field{"call_timeout", "30"},
			field{"do_not_disturb", "false"},
			field{"enabled", "true"})
	}
}

// gateways makes gateways of five kinds in turn: one that registers, one known by its address, one
// that is switched off, a global one, and one known by its address that is pinged.
func (l *loader) gateways() {
	for i := range l.options.Gateways {
		g := Gateway{UUID: l.uuid(), Name: fmt.Sprintf("carrier-%d", i+1), Profile: "external", Enabled: true}
		g.DomainUUID = l.sample.Domains[i%len(l.sample.Domains)].UUID
		ping := ""
		switch i % 5 {
		case 0:
			g.Register = true
		case 2:
			g.Register, g.Enabled = true, false
		case 3:
			g.Register, g.DomainUUID = true, ""
		case 4:
			ping = "30"
		}
		user, password := "", ""
		if g.Register {
			user, password = fmt.Sprintf("trunk%04d", i+1), l.uuid()
		}
		host := fmt.Sprintf("sip%d.carrier.example", i+1)
		l.row("v_gateways",
			field{"gateway_uuid", g.UUID},
			field{"domain_uuid", g.DomainUUID},
			field{"gateway", g.Name},
			field{"username", user},
			field{"password", password},
			field{"distinct_to", "false"},
			field{"realm", host},
			field{"proxy", host},
			field{"expire_seconds", "800"},
			field{"register", strconv.FormatBool(g.Register)},
			field{"retry_seconds", "30"},
			field{"ping", ping},
			field{"contact_in_ping", "false"},
			field{"caller_id_in_from", "false"},
			field{"supress_cng", "false"},
			field{"channels", "0"},
			field{"context", "public"},
			field{"profile", g.Profile},
			field{"enabled", strconv.FormatBool(g.Enabled)})
		l.sample.Gateways = append(l.sample.Gateways, g)
	}
}
