package token

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
)

// Rotate gives the token a new secret, and a new expiry if expires is not nil. The secret that it
// had stays valid for the grace period, though no longer than it would have been; the one before that
// ends at once. Whoever rotates it knows its secret, as whoever makes it does: a token rotates what ends no later
// than itself, and is its parent from then on; none rotates the one that it comes from. An earlier expiry is that of
// its descendants too. Errors are ErrNotFound, ErrRevoked, ErrExpired (if there is no new expiry), *InvalidError and
// other faults.
func (s *Store) Rotate(ctx context.Context, id string, bounds Bounds, grace time.Duration, expires *time.Time) (t Token, secret string, err error) {
	if err := errors.Join(checkGrace(grace), checkExpiry(expires, time.Now())); err != nil {
		return Token{}, "", err
	}
	err = s.change(ctx, func(tx pgx.Tx) error {
		before, err := get(ctx, tx, id, bounds)
		if err != nil {
			return err
		}
		if err := s.mayRotate(ctx, tx, before, bounds.By, expires); err != nil {
			return err
		}
		secret = newSecret()
		// A secret that has ended must not come back with the new expiry.
		const oldHolds = "$4 > 0 and (expires_at is null or expires_at > now())"
		t, err = one[Token](ctx, tx, `
			update trunkline.tokens set
				previous_sha256 = case when `+oldHolds+` then sha256 end,
				previous_expires_at = case when `+oldHolds+` then least(now() + make_interval(secs => $4::float8), expires_at) end,
				sha256 = $2, hint = $3, rotated_at = now(), expires_at = coalesce($5, expires_at),
				parent = case when id::text = $6 then parent else nullif($6, '')::uuid end
			where id = $1 and revoked_at is null and coalesce($5, expires_at, 'infinity') > now()
			returning `+tokenColumns, before.ID, hashOf(secret), hintOf(secret), grace.Seconds(), expires, bounds.By.TokenID)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrExpired
		}
		if err != nil || expires == nil {
			return wrapped(err, "rotating token "+id)
		}
		return endDescendants(ctx, tx, t)
	})
	if err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

// endDescendants has the token's descendants end no later than it does.
func endDescendants(ctx context.Context, tx pgx.Tx, t Token) error {
	_, err := tx.Exec(ctx, `
		with recursive line as (
			select id from trunkline.tokens where parent = $1
			union select t.id from trunkline.tokens t join line on t.parent = line.id)
		update trunkline.tokens set expires_at = $2 where id in (select id from line) and coalesce(expires_at > $2, true)`, t.ID, t.ExpiresAt)
	return wrapped(err, "ending the descendants of token "+t.ID)
}

// mayRotate fails for what is at an end, and for what is not this one's to rotate.
func (s *Store) mayRotate(ctx context.Context, tx pgx.Tx, t Token, by Creator, expires *time.Time) error {
	if t.RevokedAt != nil {
		return ErrRevoked
	}
	latest, err := by.latest(ctx, tx)
	if err != nil {
		return err
	}
	if err := within(latest, cmp.Or(expires, t.ExpiresAt)); err != nil {
		return err
	}
	if by.TokenID != "" {
		ancestor, err := comesFrom(ctx, tx, by.TokenID, t.ID)
		if err != nil {
			return err
		}
		if ancestor {
			return fault.Errorf(fault.Forbidden, "this token comes from the one that it would rotate; have a user or that token do it")
		}
	}
	if t.State(time.Now()) == StateExpired {
		return s.room(ctx, tx, t.DomainUUIDs, t.ID) // it is to serve again
	}
	return nil
}
