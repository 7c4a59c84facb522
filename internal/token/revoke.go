package token

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Revocation is what came of revoking a token.
type Revocation struct {
	Token
	Now         bool    // it had not been revoked before
	Descendants []Token // those that it, or those that it made, had made or rotated, and that are revoked with it
}

// Revoke ends the token and all its secrets and, unless they are to be kept, its descendants. The only error of
// its own is ErrNotFound.
func (s *Store) Revoke(ctx context.Context, id string, bounds Bounds, keepDescendants bool) (r Revocation, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		before, err := get(ctx, tx, id, bounds)
		if err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `
			with recursive line as (
				select id from trunkline.tokens where id = $1
				union select t.id from trunkline.tokens t join line on t.parent = line.id where not $2)
			update trunkline.tokens set revoked_at = now() where id in (select id from line) and revoked_at is null
			returning `+tokenColumns, before.ID, keepDescendants) // an error is in the rows too
		revoked, err := pgx.CollectRows(rows, pgx.RowToStructByName[Token])
		if err != nil {
			return wrapped(err, "revoking token "+id)
		}
		r.Token = before
		for _, t := range revoked {
			if t.ID == before.ID {
				r.Token, r.Now = t, true
			} else {
				r.Descendants = append(r.Descendants, t)
			}
		}
		return nil
	})
	return r, err
}
