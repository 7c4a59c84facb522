package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// Creator is who makes or rotates a token, and so knows its secret. The zero value is the command line or
// somebody else who is no token.
type Creator struct {
	TokenID string     // the token that asks; "": a user, or the command line
	Owner   string     // whose token that is
	Ends    *time.Time // when the secret that it showed ends; nil: with the token
}

// OwnerCLI owns what the command line makes.
const OwnerCLI = "cli"

// latest is when what the creator makes ends at the latest, nil if it need not end. A token that has ended a
// moment ago makes nothing any more.
func (c Creator) latest(ctx context.Context, tx pgx.Tx) (*time.Time, error) {
	if c.TokenID == "" {
		return nil, nil
	}
	by, err := one[Token](ctx, tx, `select `+tokenColumns+` from trunkline.tokens where id = $1`, c.TokenID)
	switch now := time.Now(); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, ErrUnknown
	case err != nil:
		return nil, fmt.Errorf("reading the token that makes another: %w", err)
	case by.RevokedAt != nil:
		return nil, ErrRevoked
	case by.State(now) == StateExpired:
		return nil, ErrExpired
	}
	if c.Ends != nil && (by.ExpiresAt == nil || c.Ends.Before(*by.ExpiresAt)) {
		return c.Ends, nil
	}
	return by.ExpiresAt, nil
}

// within fails if what ends then, nil for never, outlives whoever makes it.
func within(latest, ends *time.Time) error {
	if latest == nil || ends != nil && !ends.After(*latest) {
		return nil
	}
	return fault.Errorf(fault.Forbidden, "expires_at: what a token makes or rotates ends no later than it does itself, at %s; "+
		"name such a time, or have a user do it", latest.UTC().Format(time.RFC3339))
}

// comesFrom reports whether the token is a descendant of that ancestor.
func comesFrom(ctx context.Context, tx pgx.Tx, id, ancestor string) (bool, error) {
	return postgres.Value[bool](ctx, tx, "reading where a token comes from", `
		with recursive line as (
			select parent from trunkline.tokens where id = $1
			union select t.parent from trunkline.tokens t join line on t.id = line.parent)
		select exists (select from line where parent = $2)`, id, ancestor)
}

// room fails if one of the domains has as many tokens that serve as it may, that of the id apart.
func (s *Store) room(ctx context.Context, tx pgx.Tx, domains []string, id string) error {
	full, err := postgres.Value[bool](ctx, tx, "counting a domain's tokens", `
		select exists (select from unnest($1::uuid[]) as d (uuid) join trunkline.tokens t on d.uuid = any(t.domain_uuids)
			where t.revoked_at is null and coalesce(t.expires_at > now(), true) and t.id::text <> $2
			group by d.uuid having count(*) >= $3)`, domains, id, s.perDomain)
	if err == nil && full {
		invalid := &InvalidError{"domains", fmt.Sprintf("one has %d tokens already, the most that it may have (TRUNKLINE_TOKENS_PER_DOMAIN); revoke those that nobody needs", s.perDomain)}
		return &fault.Error{Code: fault.Conflict, Message: invalid.Error(), Cause: invalid}
	}
	return err
}

// change makes a change of tokens in a transaction, one at a time: what a token makes while it is being revoked
// is revoked with it.
func (s *Store) change(ctx context.Context, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("tokens")); err != nil {
			return fmt.Errorf("locking the tokens: %w", err)
		}
		return f(tx)
	})
}
