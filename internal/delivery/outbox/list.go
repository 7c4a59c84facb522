package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/tenant"
)

// ErrNotFound: there is no such delivery, or it is another domain's.
var ErrNotFound error = fault.Errorf(fault.NotFound, "there is no such delivery")

// Filter says which deliveries a list shows: newest first, after the one called After ("" for the first page), at most Limit.
// What is "" is any.
type Filter struct {
	Domains       tenant.Domains // whose
	NoDomain      bool           // only those of all domains
	State         State
	DestinationID string
	ExportJobID   string
	ScheduleID    string // files of its windows
	WindowID      string // its files
	Event         string
	After         string
	Limit         int
}

// List returns one page, and the After of the next, "" on the last one.
func (b *Box) List(ctx context.Context, f Filter) (page []Delivery, next string, err error) {
	page, err = postgres.Rows(ctx, b.pool, "listing deliveries", pgx.RowToStructByPos[Delivery], `
		select `+columns+` from trunkline.deliveries
		where ($1 or domain_uuid = any($2::uuid[])) and (not $3 or domain_uuid is null) and ($4 = '' or state = $4)
		and ($5 = '' or destination_id = nullif($5, '')::uuid) and ($6 = '' or export_job_id = nullif($6, '')::uuid) and ($7 = '' or event = $7)
		and ($8 = '' or id < nullif($8, '')::uuid)
		and ($9 = '' or export_job_id in (
			select job_id from trunkline.window_files join trunkline.windows on windows.id = window_id where schedule_id = nullif($9, '')::uuid))
		and ($10 = '' or export_job_id in (select job_id from trunkline.window_files where window_id = nullif($10, '')::uuid))
		order by id desc limit $11`,
		f.Domains.All, f.Domains.UUIDs(), f.NoDomain, string(f.State), f.DestinationID, f.ExportJobID, f.Event, f.After, f.ScheduleID, f.WindowID, f.Limit+1)
	if len(page) > f.Limit {
		page = page[:f.Limit]
		next = page[f.Limit-1].ID
	}
	return page, next, err
}

// Get returns the delivery if it is one of the domains', else ErrNotFound.
func (b *Box) Get(ctx context.Context, id string, domains tenant.Domains) (Delivery, error) {
	return b.get(ctx, b.pool, id, domains, "")
}

func (b *Box) get(ctx context.Context, q postgres.Querier, id string, domains tenant.Domains, lock string) (Delivery, error) {
	if !postgres.IsUUID(id) {
		return Delivery{}, ErrNotFound
	}
	d, err := one(ctx, q, `
		select `+columns+` from trunkline.deliveries where id = $1 and ($2 or domain_uuid = any($3::uuid[]))`+lock, id, domains.All, domains.UUIDs())
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return d, ErrNotFound
	case err != nil:
		return d, fmt.Errorf("reading a delivery: %w", err)
	}
	return d, nil
}

// Standing is how many deliveries of an export's file are in each state.
type Standing struct {
	Pending   int `json:"pending"` // also between two tries
	Delivered int `json:"delivered"`
	Failed    int `json:"failed"`
}

// OfExports are how the deliveries of exports' files stand, by the ids of their jobs. One that is brought nowhere, or has
// not ended, has none.
func (b *Box) OfExports(ctx context.Context, exportJobIDs []string) (map[string]Standing, error) {
	type counted struct {
		ExportJobID string
		Standing
	}
	found, err := postgres.Rows(ctx, b.pool, "counting the deliveries of exports", pgx.RowToStructByPos[counted], `
		select export_job_id::text, count(*) filter (where state = 'pending'), count(*) filter (where state = 'delivered'), count(*) filter (where state = 'failed')
		from trunkline.deliveries where export_job_id = any($1::uuid[]) group by export_job_id`, exportJobIDs)
	all := make(map[string]Standing, len(found))
	for _, c := range found {
		all[c.ExportJobID] = c.Standing
	}
	return all, err
}

// OfSchedule is how the deliveries of all files of a schedule's windows stand, as far as they are kept; nil: there are none.
func (b *Box) OfSchedule(ctx context.Context, scheduleID string) (*Standing, error) {
	found, err := postgres.Rows(ctx, b.pool, "counting the deliveries of a schedule", pgx.RowToStructByPos[Standing], `
		select count(*) filter (where state = 'pending'), count(*) filter (where state = 'delivered'), count(*) filter (where state = 'failed')
		from trunkline.deliveries where export_job_id in (
			select job_id from trunkline.window_files join trunkline.windows on windows.id = window_id where schedule_id = $1)
		having count(*) > 0`, scheduleID)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// StandingOf is how one delivery stands.
func StandingOf(s State) Standing {
	switch s {
	case StateDelivered:
		return Standing{Delivered: 1}
	case StateFailed:
		return Standing{Failed: 1}
	}
	return Standing{Pending: 1}
}

// Plus is how both stand together.
func (s Standing) Plus(other Standing) Standing {
	return Standing{s.Pending + other.Pending, s.Delivered + other.Delivered, s.Failed + other.Failed}
}

// OfExport are the deliveries of an export's file, in the order in which they were asked for.
func (b *Box) OfExport(ctx context.Context, exportJobID string) ([]Delivery, error) {
	return postgres.Rows(ctx, b.pool, "reading the deliveries of an export", pgx.RowToStructByPos[Delivery],
		`select `+columns+` from trunkline.deliveries where export_job_id = $1 order by id`, exportJobID)
}

// Tried is one try at a delivery, as it was recorded.
type Tried struct {
	Number int
	At     time.Time
	Took   *time.Duration // nil: it goes on, or its worker was lost
	Status *int           // of the HTTP answer, where there was one
	Error  *fault.Error   // nil: it was delivered, or it goes on
}

// Tries are all tries at a delivery, the first one first.
func (b *Box) Tries(ctx context.Context, id string) ([]Tried, error) {
	return postgres.Rows(ctx, b.pool, "reading the tries at a delivery", pgx.RowToStructByPos[Tried], `
		select number, at, took, status, case when error_code is not null then json_build_object('code', error_code, 'message', error_message) end
		from trunkline.delivery_attempts where delivery_id = $1 order by number`, id)
}

// TriedTimes says how often a delivery was tried, and what the last answer was.
type TriedTimes struct {
	Tries  int
	Status *int // of the HTTP answer to the last try, where there was one
}

// TriesOf are how often deliveries were tried, by their ids; one that was not yet has none.
func (b *Box) TriesOf(ctx context.Context, ids []string) (map[string]TriedTimes, error) {
	type counted struct {
		ID string
		TriedTimes
	}
	found, err := postgres.Rows(ctx, b.pool, "counting the tries at deliveries", pgx.RowToStructByPos[counted],
		`select delivery_id::text, count(*), (array_agg(status order by number desc))[1]
		from trunkline.delivery_attempts where delivery_id = any($1::uuid[]) group by delivery_id`, ids)
	all := make(map[string]TriedTimes, len(found))
	for _, c := range found {
		all[c.ID] = c.TriedTimes
	}
	return all, err
}

// FailedOf are how many deliveries to destinations have failed and were not sent again since, by the destinations' ids; one
// without any has none.
func (b *Box) FailedOf(ctx context.Context, destinationIDs []string) (map[string]int, error) {
	type counted struct {
		ID     string
		Failed int
	}
	found, err := postgres.Rows(ctx, b.pool, "counting failed deliveries", pgx.RowToStructByPos[counted],
		"select destination_id::text, count(*) from trunkline.deliveries where state = 'failed' and destination_id = any($1::uuid[]) group by destination_id", destinationIDs)
	all := make(map[string]int, len(found))
	for _, c := range found {
		all[c.ID] = c.Failed
	}
	return all, err
}

// NextTry is when a delivery that waits is tried again, nil if it does not wait.
func (b *Box) NextTry(ctx context.Context, d Delivery) (*time.Time, error) {
	at, err := postgres.Value[*time.Time](ctx, b.pool, "reading when a delivery is tried again",
		"select max(wake_at) from trunkline.jobs where id = $1 and state = 'running' and parked_at is not null", d.JobID)
	return at, err
}

// SendAgain has a delivery of these domains tried anew: at once if it waits for its next try, and else by a new job, with the
// same bytes. It returns the delivery as it stands then. Errors: ErrNotFound; a fault.Conflict if it is under way.
func (b *Box) SendAgain(ctx context.Context, id string, domains tenant.Domains, by, byName string) (d Delivery, err error) {
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		if d, err = b.get(ctx, tx, id, domains, " for update"); err != nil {
			return err
		}
		if d.State == StatePending {
			woken, err := b.tasks.Wake(ctx, tx, d.JobID)
			if err == nil && !woken {
				err = &fault.Error{Code: fault.Conflict, JobID: d.JobID, Message: "it is under way or about to be; look at it again in a moment"}
			}
			return err
		}
		jobs, err := b.tasks.CreateIn(ctx, tx, New{DomainUUID: d.DomainUUID, CreatedBy: by, CreatedByName: byName}.job(d.ID))
		if err != nil {
			return err
		}
		d, err = one(ctx, tx, `
			update trunkline.deliveries set job_id = $2, state = 'pending', receipt = null, error_code = null, error_message = null, finished_at = null
			where id = $1 returning `+columns, d.ID, jobs[0].ID)
		if err != nil {
			return fmt.Errorf("sending a delivery again: %w", err)
		}
		return nil
	})
	if err == nil {
		b.tasks.Admit(ctx)
	}
	return d, err
}
