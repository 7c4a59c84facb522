package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/postgres"
)

// Store keeps the tokens in Postgres. Times that decide whether a secret is valid are the database's,
// so that all processes agree, however their own clocks go.
type Store struct {
	pool *pgxpool.Pool
	uses *uses
}

// NewStore returns the store of the tokens in pool's database. The log gets what goes wrong while nobody
// waits for an answer.
func NewStore(pool *pgxpool.Pool, log *slog.Logger) *Store {
	return &Store{pool: pool, uses: newUses(pool, log)}
}

// tokenColumns are those of a Token.
const tokenColumns = `id::text, name, hint, scopes, all_domains, domain_uuids::text[], coalesce(home_domain_uuid::text, '') as home_domain_uuid,
	created_by, created_at, expires_at, rotated_at, previous_expires_at, revoked_at, last_used_at, coalesce(last_used_address, '') as last_used_address`

// withinBounds is the condition that a token lies within Bounds, whose args follow the query's own.
func withinBounds(firstArg int) string {
	return fmt.Sprintf("($%d or not all_domains and domain_uuids <@ $%d::uuid[]) and scopes <@ $%d::text[]", firstArg, firstArg+1, firstArg+2)
}

func (b Bounds) args() []any {
	return []any{b.Domains.All, b.Domains.UUIDs(), append([]Scope{}, b.Scopes...)}
}

// Create makes a token and returns it with its secret, which cannot be had again. Errors are
// *InvalidError and ErrNameTaken.
func (s *Store) Create(ctx context.Context, n New) (Token, string, error) {
	n, err := n.checked(time.Now())
	if err != nil {
		return Token{}, "", err
	}
	secret := newSecret()
	t, err := one[Token](ctx, s.pool, `
		insert into trunkline.tokens (id, name, sha256, hint, scopes, all_domains, domain_uuids, home_domain_uuid, created_by, expires_at)
		values ($1, $2, $3, $4, $5, $6, coalesce($7::uuid[], '{}'), nullif($8, '')::uuid, $9, $10)
		returning `+tokenColumns,
		uuid.Must(uuid.NewV7()), n.Name, hashOf(secret), hintOf(secret), n.Scopes, n.AllDomains, n.DomainUUIDs, n.HomeDomainUUID, n.CreatedBy, n.ExpiresAt)
	if conflict, ok := errors.AsType[*pgconn.PgError](err); ok && conflict.ConstraintName == "tokens_name" {
		return Token{}, "", ErrNameTaken
	}
	return t, secret, wrapped(err, "making a token")
}

// Filter says which tokens to list.
type Filter struct {
	Bounds  Bounds
	Revoked bool   // the revoked ones too
	After   string // the id of the last token of the page before; "": from the newest
	Limit   int    // of tokens on the page; at least 1
}

// List returns a page of tokens, newest first, and the After of the next page, "" on the last one.
func (s *Store) List(ctx context.Context, f Filter) (tokens []Token, next string, err error) {
	rows, err := s.pool.Query(ctx, `
		select `+tokenColumns+` from trunkline.tokens
		where ($1 or revoked_at is null) and ($2 = '' or id < nullif($2, '')::uuid) and `+withinBounds(4)+`
		order by id desc limit $3`,
		append([]any{f.Revoked, f.After, f.Limit + 1}, f.Bounds.args()...)...)
	if err == nil {
		tokens, err = pgx.CollectRows(rows, pgx.RowToStructByName[Token])
	}
	if err != nil {
		return nil, "", fmt.Errorf("listing tokens: %w", err)
	}
	if len(tokens) > f.Limit {
		tokens = tokens[:f.Limit]
		next = tokens[f.Limit-1].ID
	}
	return tokens, next, nil
}

// Get returns the token of that id, or ErrNotFound.
func (s *Store) Get(ctx context.Context, id string, bounds Bounds) (Token, error) {
	if !postgres.IsUUID(id) {
		return Token{}, ErrNotFound
	}
	t, err := one[Token](ctx, s.pool, `select `+tokenColumns+` from trunkline.tokens where id = $1 and `+withinBounds(2), append([]any{id}, bounds.args()...)...)
	return t, wrapped(err, "reading token "+id)
}

// Named returns the token of that name that is not revoked, or ErrNotFound.
func (s *Store) Named(ctx context.Context, name string) (Token, error) {
	if checkName(name) != nil {
		return Token{}, ErrNotFound
	}
	t, err := one[Token](ctx, s.pool, `select `+tokenColumns+` from trunkline.tokens where lower(name) = lower($1) and revoked_at is null`, name)
	return t, wrapped(err, "reading a token by its name")
}

// Rotate gives the token a new secret, and a new expiry if expires is not nil. The secret that it
// had stays valid for the grace period, though no longer than it would have been; the one before that
// ends at once. Errors are ErrNotFound, ErrRevoked, ErrExpired (if there is no new expiry) and
// *InvalidError.
func (s *Store) Rotate(ctx context.Context, id string, bounds Bounds, grace time.Duration, expires *time.Time) (Token, string, error) {
	if err := errors.Join(checkGrace(grace), checkExpiry(expires, time.Now())); err != nil {
		return Token{}, "", err
	}
	before, err := s.Get(ctx, id, bounds)
	if err != nil {
		return Token{}, "", err
	}
	secret := newSecret()
	// A secret that has ended must not come back with the new expiry.
	const oldHolds = "$4 > 0 and (expires_at is null or expires_at > now())"
	t, err := one[Token](ctx, s.pool, `
		update trunkline.tokens set
			previous_sha256 = case when `+oldHolds+` then sha256 end,
			previous_expires_at = case when `+oldHolds+` then least(now() + make_interval(secs => $4::float8), expires_at) end,
			sha256 = $2, hint = $3, rotated_at = now(), expires_at = coalesce($5, expires_at)
		where id = $1 and revoked_at is null and coalesce($5, expires_at, 'infinity') > now()
		returning `+tokenColumns, before.ID, hashOf(secret), hintOf(secret), grace.Seconds(), expires)
	if errors.Is(err, pgx.ErrNoRows) {
		if before, err = s.Get(ctx, id, bounds); err != nil {
			return Token{}, "", err
		}
		if before.RevokedAt != nil {
			return Token{}, "", ErrRevoked
		}
		return Token{}, "", ErrExpired
	}
	return t, secret, wrapped(err, "rotating token "+id)
}

// Revoke ends the token and all its secrets, and reports whether it had not been before. The only
// error of its own is ErrNotFound.
func (s *Store) Revoke(ctx context.Context, id string, bounds Bounds) (t Token, now bool, err error) {
	if t, err = s.Get(ctx, id, bounds); err != nil {
		return t, false, err
	}
	t, err = one[Token](ctx, s.pool, `update trunkline.tokens set revoked_at = now() where id = $1 and revoked_at is null returning `+tokenColumns, t.ID)
	if errors.Is(err, pgx.ErrNoRows) {
		t, err = s.Get(ctx, id, bounds)
		return t, false, err
	}
	return t, err == nil, wrapped(err, "revoking token "+id)
}

// one runs a statement that returns at most one row.
func one[T any](ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) (T, error) {
	rows, _ := pool.Query(ctx, sql, args...) // an error is in the rows too
	return pgx.CollectOneRow(rows, pgx.RowToStructByName[T])
}

func wrapped(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	}
	return fmt.Errorf("%s: %w", doing, err)
}
