// Package audit keeps, as rows, who was denied what and who changed what, for as long as the settings
// say. It knows Postgres, and nothing of HTTP: its callers decide what is a denial and what a change,
// and never hand it a secret.
package audit

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Kind is what an entry is about.
type Kind string

// The kinds of entry.
const (
	KindDenial Kind = "denial"
	KindChange Kind = "change"
)

// Kinds are both of them.
var Kinds = []Kind{KindDenial, KindChange}

// Denial is one refused request. Its texts may be the caller's own: they are cleaned and cut here.
type Denial struct {
	Address    string // the caller's, or the peer's if the caller's is not known
	Who        string // who signed in, or the name that was tried, or ""
	Endpoint   string // the route, never the path that the caller wrote
	Code       string // the reason, as the answer had it
	DomainUUID string // of a caller who signed in; "" for none
	RequestID  string // of several denials that are alike the first one's
}

// Event is one change that somebody made. Its texts may be the caller's own, and never hold a secret.
type Event struct {
	Who        string
	Address    string
	Action     string // such as token.revoke
	Subject    string // what was changed
	DomainUUID string // whose it is; "" for none
	RequestID  string
	Detail     map[string]string // may be nil
}

// changeTimeout bounds the recording of a change, for which its caller waits.
const changeTimeout = 2 * time.Second

// Log writes the entries and reads them. Denials are gathered in this process and written by Run.
type Log struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	writing sync.Mutex // one batch at a time
	away    bool       // the log has said that denials cannot be written; writing is held

	mu     sync.Mutex
	denied gathered
}

// New returns the log of the database.
func New(pool *pgxpool.Pool, log *slog.Logger) *Log {
	return &Log{pool: pool, log: log, denied: gathered{waiting: map[alike]count{}, seen: map[alike]struct{}{}, repeated: map[alike]int64{}}}
}

// Change records a change at once. The change has been made by then: it stands even if it cannot be
// recorded or its caller has hung up, and the error log has what the row would have had.
func (l *Log) Change(ctx context.Context, e Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	e = e.cleaned()
	if err := l.insert(ctx, e); err != nil {
		l.log.Error("change not recorded in the audit", "action", e.Action, "subject", e.Subject, "who", e.Who,
			"address", e.Address, "request_id", e.RequestID, "error", err)
	}
}

func (l *Log) insert(ctx context.Context, e Event) error {
	id := uuid.Must(uuid.NewV7())
	detail, _ := json.Marshal(e.Detail) // never fails: it holds texts alone
	const sql = `
		insert into trunkline.audit (id, kind, address, who, action, subject, domain_uuid, request_id, detail)
		values ($1, 'change', $2, $3, $4, $5, nullif($6, '')::uuid, $7, $8)`
	_, err := l.pool.Exec(ctx, sql, id, e.Address, e.Who, e.Action, e.Subject, e.DomainUUID, e.RequestID, detail)
	if unwritable(err) {
		e = e.inASCII()
		_, err = l.pool.Exec(ctx, sql, id, e.Address, e.Who, e.Action, e.Subject, e.DomainUUID, e.RequestID, inASCII(string(detail)))
	}
	return err
}
