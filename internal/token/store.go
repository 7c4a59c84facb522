package token

import (
	"cmp"
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
	pool      *pgxpool.Pool
	perDomain int
	uses      *uses
}

// NewStore returns the store of the tokens in pool's database, of which so many that serve may be for one domain.
// The log gets what goes wrong while nobody waits for an answer.
func NewStore(pool *pgxpool.Pool, perDomain int, log *slog.Logger) *Store {
	return &Store{pool: pool, perDomain: perDomain, uses: newUses(pool, log)}
}

// tokenColumns are those of a Token.
const tokenColumns = `id::text, name, hint, scopes, all_domains, domain_uuids::text[], coalesce(home_domain_uuid::text, '') as home_domain_uuid,
	created_by, owner, coalesce(parent::text, '') as parent, created_at, expires_at, rotated_at, previous_expires_at, revoked_at, last_used_at, coalesce(last_used_address, '') as last_used_address`

// withinBounds is the condition that a token lies within Bounds, whose args follow the query's own.
func withinBounds(firstArg int) string {
	return fmt.Sprintf("($%d or not all_domains and domain_uuids <@ $%d::uuid[]) and scopes <@ $%d::text[]", firstArg, firstArg+1, firstArg+2)
}

func (b Bounds) args() []any {
	return []any{b.Domains.All, b.Domains.UUIDs(), append([]Scope{}, b.Scopes...)}
}

// Create makes a token and returns it with its secret, which cannot be had again. What a token makes ends with
// it, if not earlier. Errors are *InvalidError, ErrNameTaken and other faults.
func (s *Store) Create(ctx context.Context, n New) (t Token, secret string, err error) {
	if n, err = n.checked(time.Now()); err != nil {
		return Token{}, "", err
	}
	secret = newSecret()
	err = s.change(ctx, func(tx pgx.Tx) error {
		latest, err := n.By.latest(ctx, tx)
		if err != nil {
			return err
		}
		ends := cmp.Or(n.ExpiresAt, latest)
		if err := errors.Join(within(latest, ends), s.room(ctx, tx, n.DomainUUIDs, "")); err != nil {
			return err
		}
		t, err = one[Token](ctx, tx, `
			insert into trunkline.tokens (id, name, sha256, hint, scopes, all_domains, domain_uuids, home_domain_uuid, created_by, expires_at, owner, parent)
			values ($1, $2, $3, $4, $5, $6, coalesce($7::uuid[], '{}'), nullif($8, '')::uuid, $9, $10, $11, nullif($12, '')::uuid)
			returning `+tokenColumns,
			uuid.Must(uuid.NewV7()), n.Name, hashOf(secret), hintOf(secret), n.Scopes, n.AllDomains, n.DomainUUIDs, n.HomeDomainUUID, n.CreatedBy, ends,
			cmp.Or(n.By.Owner, n.CreatedBy), n.By.TokenID)
		if conflict, ok := errors.AsType[*pgconn.PgError](err); ok && conflict.ConstraintName == "tokens_name" {
			return ErrNameTaken
		}
		return wrapped(err, "making a token")
	})
	if err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
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
	return get(ctx, s.pool, id, bounds)
}

func get(ctx context.Context, q querier, id string, bounds Bounds) (Token, error) {
	if !postgres.IsUUID(id) {
		return Token{}, ErrNotFound
	}
	t, err := one[Token](ctx, q, `select `+tokenColumns+` from trunkline.tokens where id = $1 and `+withinBounds(2), append([]any{id}, bounds.args()...)...)
	return t, wrapped(err, "reading token "+id)
}

// Named returns the token of that name that is not revoked, ErrNotFound, or ErrSeveral.
func (s *Store) Named(ctx context.Context, name string) (Token, error) {
	if checkName(name) != nil {
		return Token{}, ErrNotFound
	}
	t, err := one[Token](ctx, s.pool, `select `+tokenColumns+` from trunkline.tokens where lower(name) = lower($1) and revoked_at is null limit 2`, name)
	if errors.Is(err, pgx.ErrTooManyRows) {
		return Token{}, ErrSeveral
	}
	return t, wrapped(err, "reading a token by its name")
}

// querier is what a statement is asked on: the pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// one runs a statement that returns one row. Errors: pgx.ErrNoRows, pgx.ErrTooManyRows.
func one[T any](ctx context.Context, q querier, sql string, args ...any) (T, error) {
	rows, _ := q.Query(ctx, sql, args...) // an error is in the rows too
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
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
