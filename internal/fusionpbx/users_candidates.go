package fusionpbx

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

// maxCandidates bounds how many users of one name have their passwords checked for one request.
const maxCandidates = 4

// candidate is a user that a name may mean.
type candidate struct {
	User
	password, salt, totp string
	enabled              bool // and the domain is enabled too
}

// candidates are the enabled users that the name may mean, one more than maxCandidates at most.
//
// user@domain is split at its last @, and only if that domain exists; otherwise it is an e-mail address or
// a name. If FusionPBX keeps names unique over all domains it never splits, since names are e-mail
// addresses there: then the whole text means whoever has it as name or address, even if they are disabled,
// so that nobody else can take their name. Only a text that nobody has is split, which tells apart users
// who shared a name before that setting was made.
func (d *DB) candidates(ctx context.Context, username string) ([]candidate, error) {
	// What Postgres cannot take as text is nobody's name.
	if username == "" || strings.ContainsRune(username, 0) || !utf8.ValidString(username) {
		return nil, nil
	}
	at := strings.LastIndexByte(username, '@')
	if at <= 0 {
		return d.enabledUsers(ctx, username, "")
	}
	domain, err := d.DomainByName(ctx, username[at+1:])
	if errors.Is(err, ErrNotFound) {
		return d.enabledUsers(ctx, username, "")
	}
	if err != nil {
		return nil, err
	}
	global, err := d.namesAreGlobal(ctx)
	if err != nil {
		return nil, err
	}
	if global {
		whole, err := d.usersCalled(ctx, username, "")
		if err != nil || len(whole) > 0 {
			return onlyEnabled(whole), err
		}
	}
	return d.enabledUsers(ctx, username[:at], domain.UUID)
}

func (d *DB) enabledUsers(ctx context.Context, name, domainUUID string) ([]candidate, error) {
	found, err := d.usersCalled(ctx, name, domainUUID)
	return onlyEnabled(found), err
}

func onlyEnabled(found []candidate) []candidate {
	return slices.DeleteFunc(found, func(c candidate) bool { return !c.enabled })
}

// namesAreGlobal reports whether FusionPBX keeps the names of users unique over all domains: its default
// setting users, unique, text is enabled and says global.
func (d *DB) namesAreGlobal(ctx context.Context) (bool, error) {
	return again(ctx, d, func() (bool, error) {
		return postgres.Value[bool](ctx, d.q, "reading whether users' names are unique over all domains", `
		select exists (select from `+d.defaultSettings()+`
			where category = 'users' and subcategory = 'unique' and name = 'text' and value = 'global')`)
	})
}

// usersCalled are the users of that name or e-mail address, in one domain or with "" in all, those that
// are enabled first.
func (d *DB) usersCalled(ctx context.Context, name, domainUUID string) ([]candidate, error) {
	return again(ctx, d, func() ([]candidate, error) {
		return postgres.Rows(ctx, d.q, "reading users", readCandidate, `
		select u.user_uuid::text, coalesce(u.username, ''), d.domain_uuid::text, coalesce(d.domain_name, ''),
			coalesce(u.password, ''), coalesce(u.salt, ''), coalesce(`+d.orNull("v_users", "u.user_totp_secret")+`, ''),
			`+d.userEnabled()+` as enabled
		from v_users u join v_domains d on d.domain_uuid = u.domain_uuid
		where (lower(u.username) = lower($1) or lower(`+d.orNull("v_users", "u.user_email")+`) = lower($1))
		and ($2 = '' or u.domain_uuid = nullif($2, '')::uuid)`+d.ordinaryUser()+`
		order by enabled desc, u.user_uuid limit $3`, name, domainUUID, maxCandidates+1)
	})
}

func readCandidate(row pgx.CollectableRow) (c candidate, err error) {
	err = row.Scan(&c.UUID, &c.Name, &c.DomainUUID, &c.DomainName, &c.password, &c.salt, &c.totp, &c.enabled)
	return c, err
}

// userEnabled is an SQL expression: that user u and domain d are enabled.
func (d *DB) userEnabled() string {
	return "(coalesce(" + d.isTrue("v_users", "u.user_enabled") + ", true) and coalesce(" + d.isTrue("v_domains", "d.domain_enabled") + ", true))"
}

// ordinaryUser is an SQL condition, to follow others: that user u is of the type that signs in.
func (d *DB) ordinaryUser() string {
	return " and coalesce(" + d.orNull("v_users", "u.user_type") + ", 'default') = 'default'"
}
