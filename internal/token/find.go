package token

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// Forever is how long a secret without an expiry stays valid.
const Forever = time.Duration(math.MaxInt64)

// Find returns the secret's token, and for how long from now the secret stays valid. The error is
// ErrUnknown or, if the secret was once right, ErrExpired, ErrRotated or ErrRevoked; with those the token
// is returned too.
func (s *Store) Find(ctx context.Context, secret string) (t Token, holds time.Duration, err error) {
	if !wellFormed(secret) {
		return Token{}, 0, ErrUnknown
	}
	type found struct {
		Token
		Expired bool
		Ends    *time.Time
		Left    *float64 // the seconds that are left to this secret; nil: it has no end
	}
	f, err := one[found](ctx, s.pool, `
		select `+tokenColumns+`, coalesce(expires_at <= now(), false) as expired,
			ends, extract(epoch from ends - now())::float8 as left
		from trunkline.tokens, lateral (select least(expires_at, case when previous_sha256 = $1 then previous_expires_at end)) as until (ends)
		where sha256 = $1 or previous_sha256 = $1`, hashOf(secret))
	f.SecretEnds = f.Ends
	switch t, left := f.Token, f.Left; {
	case errors.Is(err, pgx.ErrNoRows):
		return Token{}, 0, ErrUnknown
	case err != nil:
		return Token{}, 0, fmt.Errorf("looking a token up: %w", err)
	case t.RevokedAt != nil:
		return t, 0, ErrRevoked
	case f.Expired:
		return t, 0, ErrExpired
	case left == nil:
		return t, Forever, nil
	case *left <= 0:
		return t, 0, ErrRotated
	case *left >= maxLifetime.Seconds(): // no more than this was ever asked for, but a row can be written by hand
		return t, maxLifetime, nil
	default:
		return t, time.Duration(*left * float64(time.Second)), nil
	}
}
