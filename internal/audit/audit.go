// Package audit keeps, as rows, who was denied what and who changed what, for as long as the settings
// say. It knows Postgres, and nothing of HTTP: its callers decide what is a denial and what a change,
// and never hand it a secret.
package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/batching"
	"trunkline/internal/postgres"
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

const (
	// changeTimeout bounds the recording of a change, for which its caller waits.
	changeTimeout = 2 * time.Second
	// changesAtOnce is how many changes one transaction records.
	changesAtOnce = 100
)

// Log writes the entries and reads them. Denials are gathered in this process and written by Run.
type Log struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	changes *batching.Batches[Event, error]

	writing sync.Mutex // one batch at a time
	away    bool       // the log has said that denials cannot be written; writing is held

	mu     sync.Mutex
	denied gathered
}

// New returns the log of the database.
func New(pool *pgxpool.Pool, log *slog.Logger) *Log {
	l := &Log{pool: pool, log: log, denied: gathered{waiting: map[alike]count{}, seen: map[alike]struct{}{}, repeated: map[alike]int64{}}}
	l.changes = batching.New(changesAtOnce, nil, l.insertAll)
	return l
}

// Change records a change at once. The change has been made by then: it stands even if it cannot be
// recorded or its caller has hung up, and the error log has what the row would have had.
func (l *Log) Change(ctx context.Context, e Event) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	e = e.cleaned()
	answer, err := l.changes.Do(ctx, "", e)
	if err = cmp.Or(err, answer); err != nil {
		l.log.Error("change not recorded in the audit", "action", e.Action, "subject", e.Subject, "who", e.Who,
			"address", e.Address, "request_id", e.RequestID, "error", err)
	}
}

// insertAll records changes in one transaction or, if the database refuses one of them, each in its own.
func (l *Log) insertAll(ctx context.Context, all []Event) []error {
	ctx, stop := context.WithTimeout(ctx, changeTimeout)
	defer stop()
	batch := &pgx.Batch{}
	for _, e := range all {
		e.insert(batch)
	}
	err := l.pool.SendBatch(ctx, batch).Close()
	if len(all) == 1 && unwritable(err) {
		batch = &pgx.Batch{}
		all[0].inASCII().insert(batch)
		err = l.pool.SendBatch(ctx, batch).Close()
	}
	errs := slices.Repeat([]error{err}, len(all))
	if len(all) > 1 && postgres.Refused(err) {
		for i := range all {
			errs[i] = l.insertAll(ctx, all[i:i+1])[0]
		}
	}
	return errs
}

func (e Event) insert(batch *pgx.Batch) {
	detail, _ := json.Marshal(e.Detail) // never fails: it holds texts alone
	batch.Queue(`
		insert into trunkline.audit (id, kind, address, who, action, subject, domain_uuid, request_id, detail)
		values ($1, 'change', $2, $3, $4, $5, nullif($6, '')::uuid, $7, $8)`,
		uuid.Must(uuid.NewV7()), e.Address, e.Who, e.Action, e.Subject, e.DomainUUID, e.RequestID, detail)
}
