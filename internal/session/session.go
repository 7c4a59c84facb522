// Package session keeps who is signed in to the console: their sessions, the codes by which one is made for somebody
// else, and which codes of second factors were used. It knows Postgres, and nothing of HTTP, nor of what anybody may do:
// a session names its holder, whose rights are looked up at each use.
package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/postgres"
	"trunkline/internal/sealing"
	"trunkline/internal/tenant"
)

// Way is how somebody signed in.
type Way string

// The ways of signing in.
const (
	ByPassword Way = "password"
	ByToken    Way = "token"   // a token of ours, or an api_key
	BySignOn   Way = "sign-on" // a code that was made for one domain
)

// ErrNone is answered if there is no such session or sign-on, or not any more.
var ErrNone = errors.New("no such session")

// Session is somebody who is signed in.
type Session struct {
	ID         string
	HolderID   string // the FusionPBX user or the token whose rights it has
	Who        string // their name when they signed in
	Way        Way
	DomainUUID string // of a sign-on the one that it is for; of others that of a holder who has one, else ""
	Address    string // from which they signed in
	Agent      string // what their browser calls itself
	CreatedAt  time.Time
	UsedAt     time.Time // to the minute
	ExpiresAt  time.Time // whatever it is used

	MarkHash []byte
	Unused   time.Duration // since UsedAt, by the database's clock
}

// New is a session that is to be.
type New struct {
	HolderID, Mark, Who string // Mark is that of the holder's credentials
	Way                 Way
	DomainUUID          string
	Address, Agent      string
}

const (
	// secretBytes is how long a secret or a code is, of random bytes.
	secretBytes = 32
	// usedEvery is how often a session's use is written down.
	usedEvery = time.Minute
	// maxAgent bounds what is kept of a browser's name, in bytes.
	maxAgent = 200
	// signOnLife is how long the code of a sign-on is good.
	signOnLife = time.Minute
)

// Store keeps sessions in Postgres. Times are the database's, so that all processes agree.
type Store struct {
	Pool *pgxpool.Pool
	Keys *sealing.Keys
	Idle time.Duration // after how long without use a session is over
	Life time.Duration // after how long it is over anyway
	Most int           // how many one holder may have at once for one domain, and as many by sign-ons
}

// What hashes are of, so that none serves for another.
const (
	ofSecret = "console session"
	ofMark   = "credentials of a console session"
	ofCode   = "console sign-on"
)

const columns = `id::text, holder_id::text, who, way, coalesce(domain_uuid::text, '') as domain_uuid, address, agent, created_at, used_at, now() - used_at as unused, expires_at, mark_hash`

// alive is the condition that a session is not over, with the argument that is Idle.
func alive(idle string) string {
	return "expires_at > now() and used_at > now() - " + idle + "::interval"
}

// Create makes a session and returns the secret of its cookie, which cannot be had again. Sessions that are over are
// deleted, and of the holder's those that were used longest ago and are too many.
func (s *Store) Create(ctx context.Context, n New) (made Session, secret string, err error) {
	secret = newSecret()
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		// Two that are made at once would not see each other, and be one too many.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("sessions of "+n.HolderID+" "+n.DomainUUID)); err != nil {
			return fmt.Errorf("waiting for other sessions that are made: %w", err)
		}
		if _, err := tx.Exec(ctx, "delete from trunkline.sessions where not ("+alive("$1")+")", s.Idle); err != nil {
			return fmt.Errorf("deleting sessions that are over: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			delete from trunkline.sessions where id in (
				select id from trunkline.sessions where holder_id = $1 and coalesce(domain_uuid::text, '') = $2 and (way = $3) = $4
				order by used_at desc, id desc offset $5)`, n.HolderID, n.DomainUUID, string(BySignOn), n.Way == BySignOn, s.Most-1); err != nil {
			return fmt.Errorf("ending the sessions that are too many: %w", err)
		}
		rows, _ := tx.Query(ctx, `
			insert into trunkline.sessions (id, secret_hash, holder_id, mark_hash, who, way, domain_uuid, address, agent, expires_at)
			values ($1, $2, $3, $4, $5, $6, nullif($7, '')::uuid, $8, $9, now() + $10::interval) returning `+columns,
			uuid.Must(uuid.NewV7()), s.Keys.BodyHash(ofSecret, secret), n.HolderID, s.Keys.BodyHash(ofMark, n.Mark), n.Who, string(n.Way),
			n.DomainUUID, n.Address, plain(n.Agent), s.Life)
		made, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Session])
		if err != nil {
			return fmt.Errorf("making a session: %w", err)
		}
		return nil
	})
	return made, secret, err
}

// Find returns the session with that secret and takes note that it is used, or ErrNone.
func (s *Store) Find(ctx context.Context, secret string) (Session, error) {
	found, err := s.Look(ctx, secret)
	if err != nil {
		return Session{}, err
	}
	// Not more often, so that reading a page writes nothing; but well before an Idle of less than that is over.
	if found.Unused <= min(usedEvery, s.Idle/2) {
		return found, nil
	}
	if _, err := s.Pool.Exec(ctx, "update trunkline.sessions set used_at = now() where id = $1", found.ID); err != nil {
		return Session{}, fmt.Errorf("noting that a session is used: %w", err)
	}
	return found, nil
}

// Look returns the session with that secret, or ErrNone. It is not used by that.
func (s *Store) Look(ctx context.Context, secret string) (Session, error) {
	if !wellFormed(secret) {
		return Session{}, ErrNone
	}
	rows, _ := s.Pool.Query(ctx, "select "+columns+" from trunkline.sessions where secret_hash = any($1) and "+alive("$2"),
		s.Keys.BodyHashes(ofSecret, secret), s.Idle)
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Session])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Session{}, ErrNone
	case err != nil:
		return Session{}, fmt.Errorf("looking a session up: %w", err)
	}
	return found, nil
}

// Marked reports whether the mark of the holder's credentials is still the one of which a session or a sign-on has the
// hash.
func (s *Store) Marked(hash []byte, mark string) bool { return s.Keys.SameBody(hash, ofMark, mark) }

// Bounds say whose sessions somebody sees and may end: those of the holder and domain, their own, and beside them
// those of Domains.
type Bounds struct {
	HolderID, DomainUUID string
	// SignOn leaves of their own those that are of sign-ons: who was signed on by another's credentials has no say in how
	// those are used otherwise.
	SignOn  bool
	Domains tenant.Domains
}

func (b Bounds) args() []any {
	return []any{b.HolderID, b.DomainUUID, b.SignOn, string(BySignOn), b.Domains.All, b.Domains.UUIDs()}
}

// within is the condition that a session lies within Bounds, whose args follow the query's own.
func within(first int) string {
	return fmt.Sprintf("(holder_id::text = $%d and coalesce(domain_uuid::text, '') = $%d and (not $%d or way = $%d) or $%d or domain_uuid = any($%d::uuid[]))",
		first, first+1, first+2, first+3, first+4, first+5)
}

// mostListed is how many sessions a list has: those that were used last.
const mostListed = 500

// List returns the sessions that are not over, the one that was used last first, up to 500.
func (s *Store) List(ctx context.Context, b Bounds) ([]Session, error) {
	rows, _ := s.Pool.Query(ctx, "select "+columns+" from trunkline.sessions where "+alive("$1")+" and "+within(3)+" order by used_at desc, id desc limit $2",
		append([]any{s.Idle, mostListed}, b.args()...)...)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Session])
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	return list, nil
}

// End ends a session, or answers ErrNone.
func (s *Store) End(ctx context.Context, id string, b Bounds) (ended Session, err error) {
	if !postgres.IsUUID(id) {
		return ended, ErrNone
	}
	rows, _ := s.Pool.Query(ctx, "delete from trunkline.sessions where id = $1 and "+within(2)+" returning "+columns, append([]any{id}, b.args()...)...)
	ended, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Session])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ended, ErrNone
	case err != nil:
		return ended, fmt.Errorf("ending a session: %w", err)
	}
	return ended, nil
}

// Unbounded are the bounds of whoever sees to it that sessions end.
var Unbounded = Bounds{Domains: tenant.All}

func newSecret() string {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// plain is a browser's name as every database takes it and every page shows it: printable ASCII, up to maxAgent bytes.
func plain(agent string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, agent[:min(len(agent), maxAgent)])
}

// wellFormed spares the database what cannot be a secret.
func wellFormed(secret string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	return err == nil && len(raw) == secretBytes
}
