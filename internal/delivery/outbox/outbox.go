// Package outbox keeps what is to be delivered: each delivery with the job that delivers it, made in one transaction, and what
// was tried. It knows jobs, and nothing of how anything is delivered or of who asks.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/delivery"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/tasks"
)

// State is where a delivery stands.
type State string

// The states of a delivery.
const (
	StatePending   State = "pending" // also between two tries
	StateDelivered State = "delivered"
	StateFailed    State = "failed"
)

// States lists every state, for checking a caller's filter.
var States = []State{StatePending, StateDelivered, StateFailed}

// EventFile is the event of a delivery that brings the file of an export.
const EventFile = "file"

// Events lists every event that a delivery can be about, for checking a caller's filter.
var Events = append([]string{EventFile, delivery.EventJobEnded}, delivery.Subscribed...)

// Delivery is a row of trunkline.deliveries. Its fields stand as in columns.
type Delivery struct {
	ID              string
	DomainUUID      string // "": of all domains
	JobID           string // that delivers it; the last one, if it was sent again
	DestinationID   string // "": a URL that was given with what it is about, see Box.URL
	DestinationName string // when it was ordered, for people
	ExportJobID     string // "": it is no file
	Event           string
	Name            string          // of the file at the destination
	Payload         json.RawMessage // of a message; nil: it is a file
	State           State
	Receipt         json.RawMessage // of what was delivered
	Error           *fault.Error    // of what has failed
	CreatedAt       time.Time
	FinishedAt      *time.Time
}

const columns = `id::text, coalesce(domain_uuid::text, ''), job_id::text, coalesce(destination_id::text, ''), destination_name, coalesce(export_job_id::text, ''),
	event, name, payload, state, receipt, case when error_code is not null then json_build_object('code', error_code, 'message', error_message) end,
	created_at, finished_at`

// New is what is to be delivered.
type New struct {
	DomainUUID      string // whose it is; "": of all domains
	CreatedBy       string // the uuid of the FusionPBX user or of the token
	CreatedByName   string
	DestinationID   string
	DestinationName string // "": as the destination is called
	ExportJobID     string
	Event           string
	Name            string
	Payload         json.RawMessage
	URL             string // without a destination: who is told
}

// params are the parameters of the job that delivers.
type params struct {
	DeliveryID string `json:"delivery_id"`
}

// Box keeps deliveries.
type Box struct {
	pool  *pgxpool.Pool
	tasks *tasks.Client
}

// NewBox returns a box on the pool's database.
func NewBox(pool *pgxpool.Pool, t *tasks.Client) *Box { return &Box{pool, t} }

// Add keeps deliveries and their jobs, in the caller's transaction. Once that is committed, the caller has the jobs admitted
// with Admit or Finished.
func (b *Box) Add(ctx context.Context, tx pgx.Tx, all []New) ([]Delivery, error) {
	var made []Delivery
	for _, n := range all {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("making the id of a delivery: %w", err)
		}
		jobs, err := b.tasks.CreateIn(ctx, tx, n.job(id.String()))
		if err != nil {
			return nil, err
		}
		var sealed []byte
		if n.URL != "" {
			if sealed, err = b.tasks.Keys().Seal(sealedFor(id.String()), n.URL); err != nil {
				return nil, err
			}
		}
		d, err := one(ctx, tx, `
			insert into trunkline.deliveries (id, domain_uuid, job_id, destination_id, destination_name, export_job_id, event, name, payload, sealed)
			values ($1, nullif($2, '')::uuid, $3, nullif($4, '')::uuid,
				coalesce(nullif($5, ''), (select name from trunkline.destinations where id = nullif($4, '')::uuid), ''), nullif($6, '')::uuid, $7, $8, $9, $10)
			returning `+columns,
			id.String(), n.DomainUUID, jobs[0].ID, n.DestinationID, n.DestinationName, n.ExportJobID, n.Event, n.Name, n.Payload, sealed)
		if err != nil {
			return nil, fmt.Errorf("keeping a delivery: %w", err)
		}
		made = append(made, d)
	}
	return made, nil
}

// sealedFor says for what a URL is sealed; package sealing knows that too.
func sealedFor(id string) string { return "delivery/" + id }

// URL is who is told by a delivery that has no destination.
func (b *Box) URL(ctx context.Context, d Delivery) (url string, err error) {
	sealed, err := postgres.Value[[]byte](ctx, b.pool, "reading who is told", "select sealed from trunkline.deliveries where id = $1", d.ID)
	if err != nil {
		return "", err
	}
	if err := b.tasks.Keys().Open(sealedFor(d.ID), sealed, &url); err != nil {
		return "", fault.Errorf(fault.ServerError, "the URL that is told cannot be opened with this TRUNKLINE_SECRET_KEY")
	}
	return url, nil
}

// job is the job that delivers it.
func (n New) job(id string) tasks.NewJob {
	subject := "delivery " + id
	return tasks.NewJob{
		Kind: tasks.KindDeliver, DomainUUID: n.DomainUUID, CreatedBy: n.CreatedBy, CreatedByName: n.CreatedByName,
		Subject: subject, BodyHash: []byte(subject), Params: params{id},
	}
}

// Try is one try at a delivery.
type Try struct {
	Delivery
	Number int
	Began  time.Time
}

// Begin records that the attempt at the job begins to deliver. Errors: tasks.ErrFenced, and a fault.Superseded if another job
// delivers that by now.
func (b *Box) Begin(ctx context.Context, a *tasks.Attempt) (t Try, err error) {
	t.Began = time.Now()
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if err := a.Fence(ctx, tx); err != nil {
			return err
		}
		t.Delivery, err = one(ctx, tx, "select "+columns+" from trunkline.deliveries where job_id = $1", a.Job.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.Errorf(fault.Superseded, "this was sent again by another job, which is the one to look at")
		}
		if err != nil {
			return fmt.Errorf("reading what job %s delivers: %w", a.Job.ID, err)
		}
		t.Number, err = postgres.Value[int](ctx, tx, "recording a try at a delivery", `
			insert into trunkline.delivery_attempts (delivery_id, number)
			select $1, coalesce(max(number), 0) + 1 from trunkline.delivery_attempts where delivery_id = $1 returning number`, t.ID)
		return err
	})
	return t, err
}

// End records how the try ended, in the caller's transaction: status is that of an HTTP answer, 0 for none, and failed nil if
// it was delivered.
func (t Try) End(ctx context.Context, tx pgx.Tx, status int, failed error) error {
	var code, message *string
	if failed != nil {
		f, worded := errors.AsType[*fault.Error](failed)
		if !worded {
			f = fault.Errorf(fault.ServerError, "%w", failed)
		}
		code, message = &f.Code, &f.Message
	}
	_, err := tx.Exec(ctx, `
		update trunkline.delivery_attempts set took = $3, status = nullif($4, 0), error_code = $5, error_message = $6
		where delivery_id = $1 and number = $2`, t.ID, t.Number, time.Since(t.Began), status, code, message)
	if err != nil {
		return fmt.Errorf("recording the end of a try at a delivery: %w", err)
	}
	return nil
}

// StatusOf is the status of the HTTP answer that an error is about, 0 if it is about none.
func StatusOf(err error) int {
	if answered, is := errors.AsType[delivery.Answered](err); is {
		return answered.Status()
	}
	return 0
}

func one(ctx context.Context, q postgres.Querier, sql string, args ...any) (Delivery, error) {
	rows, _ := q.Query(ctx, sql, args...) // its error is the row's too
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Delivery])
}
