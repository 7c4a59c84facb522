// Package destinations keeps where files are brought: how each destination is reached, and its credentials, sealed. It knows
// every kind of destination by a table, and nothing of who asks or of what is delivered.
package destinations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/config"
	"trunkline/internal/delivery"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
	"trunkline/internal/tenant"
)

// Destination is a row of trunkline.destinations, without its credentials. Its fields stand as in columns.
type Destination struct {
	ID             string
	DomainUUID     string // whose it is; "": of all domains
	Name           string
	Kind           string
	Settings       json.RawMessage
	HasCredentials bool
	Enabled        bool
	CreatedBy      string // for people
	CreatedAt      time.Time
	ChangedAt      time.Time
	LastTest       *Tested // nil: it was not tested
	// Secret is one that we made for it now, for its owner to keep; it is not shown again.
	Secret string `db:"-"`
}

const columns = `id::text, coalesce(domain_uuid::text, ''), name, kind, settings, sealed is not null, enabled, created_by_name, created_at, changed_at, last_test`

// ErrNotFound: there is no such destination, or it is another domain's.
var ErrNotFound error = fault.Errorf(fault.NotFound, "there is no such destination")

// Store keeps destinations, and opens them.
type Store struct {
	pool     *pgxpool.Pool
	keys     *sealing.Keys
	settings config.Settings
}

// New returns a store on the pool's database, which seals with the keys.
func New(pool *pgxpool.Pool, keys *sealing.Keys, settings config.Settings) *Store {
	return &Store{pool, keys, settings}
}

// Given is what a destination is to be, as a caller says it.
type Given struct {
	DomainUUID string // "": all domains
	Name       string // 1 to MaxName printable characters, which no other destination of its domain has
	Kind       string
	Values     Values
	Enabled    bool
	CreatedBy  string // for people
	LastTest   *Tested
}

// MaxName is how many characters a destination's name may have.
const MaxName = 64

// checkName refuses what cannot be printed in a line.
func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > MaxName || strings.TrimSpace(name) != name || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fault.Invalid("name", "write 1 to %d characters that can be printed, without a space at an end", MaxName)
	}
	return nil
}

// checked are the settings and credentials that were given, as they are kept.
func (g Given) checked() (k kind, settings, credentials json.RawMessage, err error) {
	if k, err = kindOf(g.Kind); err != nil {
		return k, nil, nil, err
	}
	if settings, credentials, err = g.Values.over(k, nil, nil); err != nil {
		return k, nil, nil, err
	}
	settings, credentials, err = k.check(settings, credentials)
	return k, settings, credentials, err
}

// Create keeps a new destination. Errors: a fault.InvalidRequest that names the parameter; a fault.Conflict, if the owner has
// one of that name, or as many as one may have.
func (s *Store) Create(ctx context.Context, g Given) (made Destination, err error) {
	if err := checkName(g.Name); err != nil {
		return made, err
	}
	k, settings, credentials, err := g.checked()
	if err != nil {
		return made, err
	}
	credentials, secret, err := k.withSecret(credentials)
	if err != nil {
		return made, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return made, fmt.Errorf("making the id of a destination: %w", err)
	}
	sealed, err := s.seal(id.String(), credentials)
	if err != nil {
		return made, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.checkRoom(ctx, tx, g.DomainUUID); err != nil {
			return err
		}
		made, err = one(ctx, tx, `
			insert into trunkline.destinations (id, domain_uuid, name, kind, settings, sealed, enabled, created_by_name, last_test)
			values ($1, nullif($2, '')::uuid, $3, $4, $5, $6, $7, $8, $9) returning `+columns,
			id.String(), g.DomainUUID, g.Name, g.Kind, settings, sealed, g.Enabled, g.CreatedBy, g.LastTest)
		made.Secret = secret
		return err
	})
	return made, explained(err)
}

// checkRoom refuses one more destination of a domain that has as many as one may have.
func (s *Store) checkRoom(ctx context.Context, tx pgx.Tx, domainUUID string) error {
	if domainUUID == "" {
		return nil
	}
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("destinations of "+domainUUID)); err != nil {
		return fmt.Errorf("locking the destinations of a domain: %w", err)
	}
	have, err := postgres.Value[int](ctx, tx, "counting destinations", "select count(*) from trunkline.destinations where domain_uuid = $1", domainUUID)
	if most := s.settings.DestinationsPerDomain; err == nil && have >= most {
		return fault.Errorf(fault.Conflict, "this domain has %d destinations, the most that one may have (TRUNKLINE_DESTINATIONS_PER_DOMAIN); delete one", most)
	}
	return err
}

// Change is what is to be changed of a destination; nil leaves something as it is.
type Change struct {
	Name    *string
	Enabled *bool
	Values  Values
	Seen    *time.Time // when what is to be changed was changed last; nil: whatever it is
}

// Change changes a destination of these domains. Whoever changes where its credentials are sent gives them anew: those that
// are kept are forgotten. Errors: those of Create, ErrNotFound, and a fault.PreconditionFailed if it was changed since c.Seen.
func (s *Store) Change(ctx context.Context, id string, domains tenant.Domains, c Change) (changed Destination, err error) {
	if c.Name != nil {
		if err := checkName(*c.Name); err != nil {
			return changed, err
		}
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		d, err := get(ctx, tx, id, domains, " for update")
		if err == nil && c.Seen != nil && !c.Seen.Equal(d.ChangedAt) {
			err = fault.Errorf(fault.PreconditionFailed, "the destination was changed since; look at it as it stands now")
		}
		if err != nil {
			return err
		}
		k, credentials, err := s.credentials(ctx, tx, d)
		if err != nil && !(errors.Is(err, errUnopened) && c.Values.haveSecrets(k)) {
			return err
		}
		settings, credentials, err := changedValues(k, d, credentials, c.Values)
		if err != nil {
			return err
		}
		credentials, secret, err := k.withSecret(credentials)
		if err != nil {
			return err
		}
		sealed, err := s.seal(d.ID, credentials)
		if err != nil {
			return err
		}
		changed, err = one(ctx, tx, `
			update trunkline.destinations set name = coalesce($2, name), enabled = coalesce($3, enabled), settings = $4, sealed = $5, changed_at = now()
			where id = $1 returning `+columns, d.ID, c.Name, c.Enabled, settings, sealed)
		changed.Secret = secret
		return err
	})
	return changed, explained(err)
}

// changedValues are settings and credentials with values in place of what was kept.
func changedValues(k kind, d Destination, credentials json.RawMessage, v Values) (s, c json.RawMessage, err error) {
	settings, unread, err := v.over(k, d.Settings, credentials)
	if err != nil {
		return nil, nil, err
	}
	before, err1 := k.reached(d.Settings)
	after, err2 := k.reached(settings)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	if before != after {
		if settings, unread, err = v.over(k, d.Settings, nil); err != nil {
			return nil, nil, err
		}
		if credentials != nil && unread == nil {
			return nil, nil, fault.Errorf(fault.InvalidRequest, "the credentials are kept for %s and are not sent elsewhere: give them anew with the new address", before)
		}
	}
	return k.check(settings, unread)
}

// Delete deletes a destination of these domains, and returns it as it was. Errors: ErrNotFound; a fault.Conflict that names the
// schedules that deliver there.
func (s *Store) Delete(ctx context.Context, id string, domains tenant.Domains) (deleted Destination, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if deleted, err = get(ctx, tx, id, domains, " for update"); err != nil {
			return err
		}
		users, err := users(ctx, tx, deleted.ID, maxNamed+1)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fault.Errorf(fault.Conflict, "these schedules deliver there: %s; take it out of them first", named(users))
		}
		_, err = tx.Exec(ctx, "delete from trunkline.destinations where id = $1", deleted.ID)
		return err
	})
	return deleted, explained(err)
}

// maxNamed is how many schedules a message names.
const maxNamed = 5

func named(users []User) string {
	var names []string
	for _, u := range users[:min(len(users), maxNamed)] {
		names = append(names, u.Name)
	}
	if len(users) > maxNamed {
		names = append(names, "and others")
	}
	return strings.Join(names, ", ")
}

// User is a schedule that delivers to a destination.
type User struct{ ID, Name string }

// MaxUsers is how many schedules Users names.
const MaxUsers = 50

// Users are the schedules that deliver to a destination, by name, up to MaxUsers. They are of its domain, or of any if it is of
// all domains.
func (s *Store) Users(ctx context.Context, id string) ([]User, error) {
	return users(ctx, s.pool, id, MaxUsers)
}

func users(ctx context.Context, q postgres.Querier, id string, most int) ([]User, error) {
	return postgres.Rows(ctx, q, "looking for schedules that deliver somewhere", pgx.RowToStructByPos[User],
		"select id::text, name from trunkline.schedules where $1 = any(destinations) order by name, id limit $2", id, most)
}

// Get returns the destination if it is one of the domains', else ErrNotFound.
func (s *Store) Get(ctx context.Context, id string, domains tenant.Domains) (Destination, error) {
	d, err := get(ctx, s.pool, id, domains, "")
	return d, explained(err)
}

func get(ctx context.Context, q postgres.Querier, id string, domains tenant.Domains, lock string) (Destination, error) {
	if !postgres.IsUUID(id) {
		return Destination{}, ErrNotFound
	}
	return one(ctx, q, `
		select `+columns+` from trunkline.destinations where id = $1 and ($2 or domain_uuid = any($3::uuid[]))`+lock, id, domains.All, domains.UUIDs())
}

// Filter says which destinations a list shows: newest first, after the one called After ("" for the first page), at most Limit.
type Filter struct {
	Domains  tenant.Domains // whose
	NoDomain bool           // only those of all domains
	Kind     string         // "": any
	After    string
	Limit    int
}

// List returns one page, and the After of the next, "" on the last one.
func (s *Store) List(ctx context.Context, f Filter) (page []Destination, next string, err error) {
	page, err = postgres.Rows(ctx, s.pool, "listing destinations", pgx.RowToStructByPos[Destination], `
		select `+columns+` from trunkline.destinations
		where ($1 or domain_uuid = any($2::uuid[])) and (not $3 or domain_uuid is null) and ($4 = '' or kind = $4)
		and ($5 = '' or id < nullif($5, '')::uuid)
		order by id desc limit $6`, f.Domains.All, f.Domains.UUIDs(), f.NoDomain, f.Kind, f.After, f.Limit+1)
	if len(page) > f.Limit {
		page = page[:f.Limit]
		next = page[f.Limit-1].ID
	}
	return page, next, err
}

// Named returns the destination that has the name, in any case of letters, and may be used for a delivery of that domain
// ("": of all): the domain's own, else one of all domains. It is one of these domains. Errors: ErrNotFound.
func (s *Store) Named(ctx context.Context, name, domainUUID string, domains tenant.Domains) (Destination, error) {
	d, err := one(ctx, s.pool, `
		select `+columns+` from trunkline.destinations
		where lower(name) = lower($1) and (domain_uuid is null or domain_uuid = nullif($2, '')::uuid) and ($3 or domain_uuid = any($4::uuid[]))
		order by domain_uuid nulls last limit 1`, name, domainUUID, domains.All, domains.UUIDs())
	return d, explained(err)
}

// Names are what destinations are called now, by their ids; one that was deleted has none.
func (s *Store) Names(ctx context.Context, ids []string) (map[string]string, error) {
	type called struct{ ID, Name string }
	found, err := postgres.Rows(ctx, s.pool, "reading the names of destinations", pgx.RowToStructByPos[called],
		"select id::text, name from trunkline.destinations where id = any($1::uuid[])", ids)
	names := make(map[string]string, len(found))
	for _, d := range found {
		names[d.ID] = d.Name
	}
	return names, err
}

// Use returns the destination for a delivery of that domain, "" for one of all domains, if it may be used for it now.
// Errors are a *fault.Error that says what to do.
func (s *Store) Use(ctx context.Context, id, domainUUID string) (Destination, error) {
	d, err := s.Get(ctx, id, tenant.All)
	switch {
	case fault.Is(err, fault.NotFound):
		return d, fault.Errorf(fault.NotFound, "the destination was deleted; choose another one")
	case err != nil:
		return d, err
	case d.DomainUUID != "" && d.DomainUUID != domainUUID:
		return Destination{}, fault.Errorf(fault.Forbidden, "the destination belongs to another domain than what is delivered; choose one of this domain's")
	case !d.Enabled:
		return d, fault.Errorf(fault.Conflict, "the destination %s is disabled; enable it, then send this again", d.Name)
	}
	return d, nil
}

// Disable has nothing delivered to a destination until somebody enables it, in the caller's transaction.
func (s *Store) Disable(ctx context.Context, tx pgx.Tx, id string) error {
	_, err := tx.Exec(ctx, "update trunkline.destinations set enabled = false, changed_at = now() where id = $1 and enabled", id)
	if err != nil {
		return fmt.Errorf("disabling a destination: %w", err)
	}
	return nil
}

// Open opens the destination. Somebody should close it. moved is told of the bytes that go over connections by which files are
// brought, either way; nil: nobody is. Errors are a *fault.Error whose Passes says whether a retry may help,
// or of our own database.
func (s *Store) Open(ctx context.Context, d Destination, moved func(bytes int)) (delivery.Sender, error) {
	k, credentials, err := s.credentials(ctx, s.pool, d)
	if err != nil {
		return nil, err
	}
	return k.open(ctx, opening{s.settings, d.DomainUUID, moved}, d.Settings, credentials)
}

// credentials are those of a destination, nil for none, with its kind.
func (s *Store) credentials(ctx context.Context, q postgres.Querier, d Destination) (k kind, credentials json.RawMessage, err error) {
	if k, err = kindOf(d.Kind); err != nil {
		return k, nil, fault.Errorf(fault.ServerError, "this build does not know destinations of kind %q; run the same version everywhere", d.Kind)
	}
	sealed, err := postgres.Value[[]byte](ctx, q, "reading credentials", "select sealed from trunkline.destinations where id = $1", d.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		return k, nil, ErrNotFound
	}
	if err != nil || sealed == nil {
		return k, nil, err
	}
	if err := s.keys.Open(sealedFor(d.ID), sealed, &credentials); err != nil {
		return k, nil, fault.Errorf(fault.ServerError, "the destination %s: %w", d.Name, errUnopened)
	}
	return k, credentials, nil
}

// errUnopened: they were sealed with a key that was lost.
var errUnopened = errors.New("its credentials cannot be opened with this TRUNKLINE_SECRET_KEY; give them anew")

func (s *Store) seal(id string, credentials json.RawMessage) ([]byte, error) {
	if credentials == nil {
		return nil, nil
	}
	return s.keys.Seal(sealedFor(id), credentials)
}

// sealedFor says for what the credentials are sealed; package sealing knows that too.
func sealedFor(id string) string { return "destination/" + id }

func one(ctx context.Context, q postgres.Querier, sql string, args ...any) (Destination, error) {
	rows, _ := q.Query(ctx, sql, args...) // its error is the row's too
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Destination])
}

const uniqueViolation = "23505"

func explained(err error) error {
	refused, said := errors.AsType[*pgconn.PgError](err)
	_, worded := errors.AsType[*fault.Error](err)
	switch {
	case err == nil, worded:
		return err
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case said && refused.Code == uniqueViolation:
		return fault.Errorf(fault.Conflict, "name: another destination of this domain has it; choose another one")
	}
	return fmt.Errorf("keeping a destination: %w", err)
}
