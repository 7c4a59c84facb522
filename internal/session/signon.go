package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SignOn is what the code of a sign-on stands for: somebody who acts for the holder, within one domain.
type SignOn struct {
	HolderID   string
	Who        string
	DomainUUID string
	MarkHash   []byte
}

// NewSignOn makes a code by which a session of the domain is made once, within a minute, and says until when. Mark is
// that of the holder's credentials. Codes that are over are deleted.
func (s *Store) NewSignOn(ctx context.Context, holderID, mark, who, domainUUID string) (code string, until time.Time, err error) {
	code = newSecret()
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from trunkline.sign_ons where expires_at <= now()"); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			insert into trunkline.sign_ons (code_hash, holder_id, mark_hash, who, domain_uuid, expires_at)
			values ($1, $2, $3, $4, $5, now() + $6::interval) returning expires_at`,
			s.Keys.BodyHash(ofCode, code), holderID, s.Keys.BodyHash(ofMark, mark), who, domainUUID, signOnLife).Scan(&until)
	})
	if err != nil {
		return "", until, fmt.Errorf("making a sign-on: %w", err)
	}
	return code, until, nil
}

// TakeSignOn uses the code up and returns what it stands for, or ErrNone.
func (s *Store) TakeSignOn(ctx context.Context, code string) (SignOn, error) {
	if !wellFormed(code) {
		return SignOn{}, ErrNone
	}
	rows, _ := s.Pool.Query(ctx, `
		delete from trunkline.sign_ons where code_hash = any($1) and expires_at > now()
		returning holder_id::text, who, domain_uuid::text, mark_hash`, s.Keys.BodyHashes(ofCode, code))
	taken, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[SignOn])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return taken, ErrNone
	case err != nil:
		return taken, fmt.Errorf("taking a sign-on: %w", err)
	}
	return taken, nil
}

// SpendStep takes note that the user has used the code of that step. It reports false if that one, or a later one, was
// used before.
func (s *Store) SpendStep(ctx context.Context, userUUID string, step int64) (fresh bool, err error) {
	tag, err := s.Pool.Exec(ctx, `
		insert into trunkline.totp_steps as used (user_uuid, step) values ($1, $2)
		on conflict (user_uuid) do update set step = excluded.step where used.step < excluded.step`, userUUID, step)
	if err != nil {
		return false, fmt.Errorf("noting that a code was used: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}
