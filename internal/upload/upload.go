// Package upload keeps files that were sent in the console while their senders look at what they would do: sealed, for
// one session, few at a time and not for long. It knows Postgres, and nothing of HTTP, nor of what is in a file.
package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
)

const (
	// Life is for how long a file is kept that is not used.
	Life = 45 * time.Minute
	// PerSession is how many files of a session are kept at once, and PerDomain of all sessions whose holders have one and
	// the same domain: one more is in place of the oldest.
	PerSession, PerDomain = 3, 12
)

// ErrNone is answered if the session has no such file, or not any more.
var ErrNone = errors.New("no such file")

// New is a file that is to be kept.
type New struct {
	SessionID  string
	DomainUUID string // the one domain of the session's holder; "": they have several
	CheckedBy  string // the job that says what it would do
	File
}

// File is what is sealed.
type File struct {
	Content []byte
	Media   string            // its media type, as it was sent
	Options map[string]string // what was asked for beside it
}

// Kept is a file without its content.
type Kept struct {
	ID        string
	Bytes     int
	CheckedBy string
	AppliedBy string // the job that does what it says; "": nobody has asked for that
	CreatedAt time.Time
	ExpiresAt time.Time // it is gone then
}

// Store keeps files in Postgres. Times are the database's.
type Store struct {
	Pool *pgxpool.Pool
	Keys *sealing.Keys
}

func sealedFor(id string) string { return "upload/" + id }

// Keep keeps a file and returns its id. What is past its time or too many goes.
func (s *Store) Keep(ctx context.Context, n New) (id string, err error) {
	id = uuid.Must(uuid.NewV7()).String()
	sealed, err := s.Keys.Seal(sealedFor(id), n.File)
	if err != nil {
		return "", err
	}
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		// Two that come at once would not see each other, and both be kept.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("uploads of "+n.DomainUUID)); err != nil {
			return fmt.Errorf("waiting for other files that are kept: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			delete from trunkline.uploads where expires_at < now()
			or id in (select id from trunkline.uploads where session_id = $1 order by created_at desc, id desc offset $2)
			or id in (select id from trunkline.uploads where domain_uuid is not distinct from nullif($3, '')::uuid order by created_at desc, id desc offset $4)`,
			n.SessionID, PerSession-1, n.DomainUUID, PerDomain-1); err != nil {
			return fmt.Errorf("deleting files that are too many: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			insert into trunkline.uploads (id, session_id, domain_uuid, bytes, checked_by, sealed, expires_at)
			values ($1, $2, nullif($3, '')::uuid, $4, $5, $6, now() + $7::interval)`,
			id, n.SessionID, n.DomainUUID, len(n.Content), n.CheckedBy, sealed, Life); err != nil {
			return fmt.Errorf("keeping a file: %w", err)
		}
		return nil
	})
	return id, err
}

// Find returns a file of the session, or ErrNone.
func (s *Store) Find(ctx context.Context, sessionID, id string) (kept Kept, err error) {
	err = s.read(ctx, sessionID, id, "", kept.fields()...)
	return kept, err
}

// Open returns a file of the session with what was sealed, or ErrNone; one that was applied has that no more.
func (s *Store) Open(ctx context.Context, sessionID, id string) (kept Kept, file File, err error) {
	var sealed []byte
	err = s.read(ctx, sessionID, id, ", sealed", append(kept.fields(), &sealed)...)
	if err == nil && sealed != nil {
		err = s.Keys.Open(sealedFor(kept.ID), sealed, &file)
	}
	return kept, file, err
}

// List returns the files of the session, the newest first.
func (s *Store) List(ctx context.Context, sessionID string) ([]Kept, error) {
	rows, _ := s.Pool.Query(ctx, "select "+columns+" from trunkline.uploads where session_id = $1 and expires_at > now() order by created_at desc, id desc", sessionID)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Kept])
	if err != nil {
		return nil, fmt.Errorf("listing files: %w", err)
	}
	return list, nil
}

const columns = "id::text, bytes, checked_by::text, coalesce(applied_by::text, ''), created_at, expires_at"

// fields take the columns.
func (k *Kept) fields() []any {
	return []any{&k.ID, &k.Bytes, &k.CheckedBy, &k.AppliedBy, &k.CreatedAt, &k.ExpiresAt}
}

func (s *Store) read(ctx context.Context, sessionID, id, more string, into ...any) error {
	if !postgres.IsUUID(id) {
		return ErrNone
	}
	err := s.Pool.QueryRow(ctx, "select "+columns+more+" from trunkline.uploads where id = $1 and session_id = $2 and expires_at > now()", id, sessionID).Scan(into...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNone
	case err != nil:
		return fmt.Errorf("looking a file up: %w", err)
	}
	return nil
}

// Applied takes note of the job that does what the file says, and drops what was sealed.
func (s *Store) Applied(ctx context.Context, sessionID, id, jobID string) error {
	if _, err := s.Pool.Exec(ctx, "update trunkline.uploads set applied_by = $3, sealed = null where id = $1 and session_id = $2", id, sessionID, jobID); err != nil {
		return fmt.Errorf("noting that a file was applied: %w", err)
	}
	return nil
}

// Drop forgets a file of the session, or answers ErrNone.
func (s *Store) Drop(ctx context.Context, sessionID, id string) error {
	if !postgres.IsUUID(id) {
		return ErrNone
	}
	gone, err := s.Pool.Exec(ctx, "delete from trunkline.uploads where id = $1 and session_id = $2", id, sessionID)
	if err != nil {
		return fmt.Errorf("dropping a file: %w", err)
	}
	if gone.RowsAffected() == 0 {
		return ErrNone
	}
	return nil
}

// Prune deletes the files that are past their time, and returns how many these were.
func (s *Store) Prune(ctx context.Context) (deleted int64, err error) {
	gone, err := s.Pool.Exec(ctx, "delete from trunkline.uploads where expires_at < now()")
	if err != nil {
		return 0, fmt.Errorf("deleting files past their time: %w", err)
	}
	return gone.RowsAffected(), nil
}
