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
	ID             string          `json:"id" format:"uuid"` // a later one has a greater one (version 7)
	DomainUUID     string          `json:"domain_uuid,omitempty"`
	Name           string          `json:"name"`
	Kind           string          `json:"kind"`
	Settings       json.RawMessage `json:"settings"`
	HasCredentials bool            `json:"has_credentials"`
	Enabled        bool            `json:"enabled"`
	CreatedBy      string          `json:"created_by"`
	CreatedAt      time.Time       `json:"created_at"`
	ChangedAt      time.Time       `json:"changed_at"`
}

const columns = `id::text, coalesce(domain_uuid::text, ''), name, kind, settings, sealed is not null, enabled, created_by_name, created_at, changed_at`

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
	DomainUUID  string // "": all domains
	Name        string
	Kind        string
	Settings    json.RawMessage
	Credentials json.RawMessage // nil: none
	Enabled     bool
	CreatedBy   string // for people
}

const maxName = 64

// checkName refuses what cannot be printed in a line.
func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || strings.TrimSpace(name) != name || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fault.Invalid("name", "write 1 to %d characters that can be printed, without a space at an end", maxName)
	}
	return nil
}

// Create keeps a new destination. Errors: a fault.InvalidRequest that names the parameter; a fault.Conflict, if the owner has
// one of that name, or as many as one may have.
func (s *Store) Create(ctx context.Context, g Given) (Destination, error) {
	if err := checkName(g.Name); err != nil {
		return Destination{}, err
	}
	k, err := kindOf(g.Kind)
	if err != nil {
		return Destination{}, err
	}
	settings, credentials, err := k.check(g.Settings, g.Credentials)
	if err != nil {
		return Destination{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Destination{}, fmt.Errorf("making the id of a destination: %w", err)
	}
	sealed, err := s.seal(id.String(), credentials)
	if err != nil {
		return Destination{}, err
	}
	var made Destination
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if err := s.checkRoom(ctx, tx, g.DomainUUID); err != nil {
			return err
		}
		made, err = one(ctx, tx, `
			insert into trunkline.destinations (id, domain_uuid, name, kind, settings, sealed, enabled, created_by_name)
			values ($1, nullif($2, '')::uuid, $3, $4, $5, $6, $7, $8) returning `+columns,
			id.String(), g.DomainUUID, g.Name, g.Kind, settings, sealed, g.Enabled, g.CreatedBy)
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

// Get returns the destination if it is one of the domains', else ErrNotFound.
func (s *Store) Get(ctx context.Context, id string, domains tenant.Domains) (Destination, error) {
	if !postgres.IsUUID(id) {
		return Destination{}, ErrNotFound
	}
	d, err := one(ctx, s.pool, `
		select `+columns+` from trunkline.destinations where id = $1 and ($2 or domain_uuid = any($3::uuid[]))`, id, domains.All, domains.UUIDs())
	return d, explained(err)
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

// Open opens the destination. Somebody should close it. Errors are a *fault.Error whose Passes says whether a retry may help.
func (s *Store) Open(ctx context.Context, d Destination) (delivery.Sender, error) {
	k, err := kindOf(d.Kind)
	if err != nil {
		return nil, fault.Errorf(fault.ServerError, "this build does not know destinations of kind %q; run the same version everywhere", d.Kind)
	}
	sealed, err := postgres.Value[[]byte](ctx, s.pool, "reading credentials", "select sealed from trunkline.destinations where id = $1", d.ID)
	if err != nil {
		return nil, err
	}
	var credentials json.RawMessage
	if sealed != nil {
		if err := s.keys.Open(sealedFor(d.ID), sealed, &credentials); err != nil {
			return nil, fault.Errorf(fault.ServerError, "the credentials of the destination %s cannot be opened with this TRUNKLINE_SECRET_KEY; give them anew", d.Name)
		}
	}
	return k.open(ctx, opening{s.settings, d.DomainUUID}, d.Settings, credentials)
}

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
