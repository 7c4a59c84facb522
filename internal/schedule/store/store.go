// Package store keeps schedules and the windows that they have made, in Postgres. It takes the time from the clock that it is
// given, in SQL too, and knows nothing of who asks or of how jobs are run.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
	"trunkline/internal/schedule"
	"trunkline/internal/tenant"
)

// Store keeps schedules.
type Store struct {
	Pool         *pgxpool.Pool
	DB           *fusionpbx.DB
	Destinations *destinations.Store
	Now          func() time.Time
	// PerDomain is how many schedules one domain may have, and MostBackfilled how many windows of
	// backfills a schedule may have that are not over.
	PerDomain, MostBackfilled int
	// Retention is how long a window is kept after its end; see Prune.
	Retention time.Duration

	lastID atomic.Uint64 // the millisecond and the sequence number of the id that was made last
}

// now is the clock's time as it is kept.
func (s *Store) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// ErrNotFound: there is no such schedule, or it is another domain's.
var ErrNotFound error = fault.Errorf(fault.NotFound, "there is no such schedule")

// Record is a schedule as it is kept.
type Record struct {
	ID string // a later one has a greater one (version 7)
	Definition
	PausedBecause string // why it is not enabled, if somebody said so
	State         schedule.State
	Backfilled    int64      // the number of the last window of a backfill, 0 before the first
	NextRun       *time.Time // nil: it is paused
	CreatedBy     string
	CreatedAt     time.Time
	ChangedBy     string
	ChangedAt     time.Time
	Last          *Window // the last one that was made, of any series; nil: none yet
	Failing       int     // how many of its windows have failed, and were neither exported again nor skipped
	// Unreadable is why this build, or a scheduler's, cannot export it, "" if it can. Its windows wait for one that can.
	Unreadable string

	unread error // of what it exports
}

// Schedule is when it runs, and which windows it makes. The error of one that this build cannot read is a fault.Conflict.
func (r Record) Schedule() (schedule.Schedule, error) {
	if r.unread != nil {
		return schedule.Schedule{}, r.unread
	}
	rules, err := r.Definition.Schedule()
	if err != nil {
		return rules, fault.Errorf(fault.Conflict, "this build cannot read the schedule: %w", err)
	}
	return rules, nil
}

// row is a Record as it is read. Its fields stand as in columns.
type row struct {
	ID, DomainUUID, DomainName, Name, Cron, TimeZone, Kind string
	Lag                                                    int
	Request                                                json.RawMessage
	EachDomain                                             bool
	FileName                                               string
	Destinations                                           []string
	Enabled                                                bool
	PausedBecause                                          string
	Watermark                                              time.Time
	Number, Backfilled                                     int64
	NextRun                                                *time.Time
	CreatedBy                                              string
	CreatedAt                                              time.Time
	ChangedBy                                              string
	ChangedAt                                              time.Time
	Unreadable                                             string
	Failing                                                int
}

const columns = `s.id::text, coalesce(s.domain_uuid::text, ''), s.domain_name, s.name, s.cron, s.time_zone, s.kind, s.lag, s.request, s.each_domain, s.file_name,
	s.destinations::text[], s.enabled, coalesce(s.paused_because, ''), s.watermark, s.number, s.backfilled, s.next_run,
	s.created_by_name, s.created_at, s.changed_by_name, s.changed_at, coalesce(s.unreadable, ''), (` + failing + `)`

// failing counts the failed windows of schedule s that nothing was done about. An extra one has no number by which it could be
// exported again: it is done with once a later window has all of its time.
const failing = `select count(*)::integer from trunkline.windows as f where f.schedule_id = s.id and f.state = 'failed' and not exists (
	select from trunkline.windows as l where l.schedule_id = f.schedule_id and l.series = f.series and l.number = f.number and l.revision > f.revision)
	and not exists (select from trunkline.windows as l where f.series = 'extra' and l.schedule_id = f.schedule_id
		and l.start_at <= f.start_at and l.end_at >= f.end_at and l.made_at > f.made_at)`

func (r row) record() Record {
	made := Record{
		ID: r.ID,
		Definition: Definition{
			DomainUUID: r.DomainUUID, DomainName: r.DomainName, Name: r.Name, Cron: r.Cron, TimeZone: r.TimeZone, Window: schedule.Kind(r.Kind),
			Lag: time.Duration(r.Lag) * time.Second, EachDomain: r.EachDomain, FileName: delivery.NameTemplate(r.FileName),
			Destinations: r.Destinations, Enabled: r.Enabled,
		},
		PausedBecause: r.PausedBecause,
		State:         schedule.State{Watermark: r.Watermark.UTC(), Number: r.Number},
		Backfilled:    r.Backfilled, NextRun: r.NextRun, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, ChangedBy: r.ChangedBy, ChangedAt: r.ChangedAt,
		Failing: r.Failing, Unreadable: r.Unreadable,
	}
	if err := json.Unmarshal(r.Request, &made.Request); err != nil {
		made.unread = fault.Errorf(fault.Conflict, "this build cannot read what the schedule exports: %w", err)
	}
	if _, err := made.Schedule(); err != nil {
		made.Unreadable = fault.Text(err)
	}
	return made
}

// NextWindow is the one that is made next, however the schedule came to be as it is: it begins where the last one ended. The
// end is nil where it depends on when the schedule runs.
func (r Record) NextWindow() (start time.Time, end *time.Time, err error) {
	rules, err := r.Schedule()
	if err != nil {
		return start, nil, err
	}
	if next, fixed := rules.NextWindow(r.State); fixed {
		return next.Start, &next.End, nil
	}
	return r.State.Watermark, nil, nil
}

// NextRuns are the next n times after the moment at which it runs, in its zone, or would run if it were enabled.
func (r Record) NextRuns(after time.Time, n int) ([]time.Time, error) {
	rules, err := r.Schedule()
	if err != nil {
		return nil, err
	}
	runs := make([]time.Time, 0, n)
	for range n {
		after = rules.Next(after)
		runs = append(runs, after.In(rules.Zone))
	}
	return runs, nil
}

// Create keeps a new schedule. Errors: those of a definition that cannot be one, which name the parameter; a fault.Conflict,
// if the domain has one of that name, or as many as one may have.
func (s *Store) Create(ctx context.Context, d Definition, by string) (Record, error) {
	rules, err := s.check(ctx, &d)
	if err != nil {
		return Record{}, err
	}
	now := s.now()
	id := s.newID(now)
	state := rules.Begin(now)
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if err := s.checkRoom(ctx, tx, d.DomainUUID); err != nil {
			return err
		}
		if err := checkNames(ctx, tx, id, d); err != nil {
			return err
		}
		return write(ctx, tx, d, `
			insert into trunkline.schedules (domain_uuid, domain_name, name, cron, time_zone, kind, lag, request, each_domain, file_name, destinations, enabled,
				next_run, planned_at, id, watermark, created_by_name, created_at, changed_by_name, changed_at)
			values (nullif($1, '')::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::uuid[], $12, $13, $14, $15, $16, $17, $14, $17, $14)`,
			nextRun(d, rules, state, now), now, id, state.Watermark, by)
	})
	if err != nil {
		return Record{}, explained(err)
	}
	return s.Get(ctx, id, tenant.All)
}

// write writes what a caller has said, by a statement whose first twelve arguments that is.
func write(ctx context.Context, tx pgx.Tx, d Definition, sql string, further ...any) error {
	request, err := json.Marshal(d.Request)
	if err != nil {
		return fmt.Errorf("encoding what a schedule exports: %w", err)
	}
	_, err = tx.Exec(ctx, sql, append([]any{
		d.DomainUUID, d.DomainName, d.Name, d.Cron, d.TimeZone, string(d.Window), int(d.Lag.Seconds()), request, d.EachDomain, string(d.FileName),
		append([]string{}, d.Destinations...), d.Enabled,
	}, further...)...)
	return err
}

// nextRun is when the schedule runs next; nil: it is paused.
func nextRun(d Definition, rules schedule.Schedule, state schedule.State, after time.Time) *time.Time {
	if !d.Enabled {
		return nil
	}
	next := rules.NextRun(state, after).UTC()
	return &next
}

// checkRoom refuses one more schedule of a domain that has as many as one may have.
func (s *Store) checkRoom(ctx context.Context, tx pgx.Tx, domainUUID string) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("schedules of "+domainUUID)); err != nil {
		return fmt.Errorf("locking the schedules of a domain: %w", err)
	}
	have, err := postgres.Value[int](ctx, tx, "counting schedules", "select count(*) from trunkline.schedules where domain_uuid is not distinct from nullif($1, '')::uuid", domainUUID)
	if err == nil && have >= s.PerDomain {
		return fault.Errorf(fault.Conflict, "this domain has %d schedules, the most that one may have (TRUNKLINE_SCHEDULES_PER_DOMAIN); delete one", s.PerDomain)
	}
	return err
}

// Edit changes a schedule by change, which gets it as it stands. Its windows go on where the last one has ended, whatever
// was changed. Errors: those of Create and of change; ErrNotFound.
func (s *Store) Edit(ctx context.Context, id string, domains tenant.Domains, by string, change func(*Record) error) (Record, error) {
	err := s.locked(ctx, id, domains, func(tx pgx.Tx, r Record) error {
		owner, name := r.DomainUUID, r.DomainName
		if r.unread != nil { // what is not changed would be lost
			return r.unread
		}
		if err := change(&r); err != nil {
			return err
		}
		r.DomainUUID, r.DomainName = owner, name // it belongs to a domain for good
		rules, err := s.check(ctx, &r.Definition)
		if err != nil {
			return err
		}
		if err := checkNames(ctx, tx, r.ID, r.Definition); err != nil {
			return err
		}
		now := s.now()
		return write(ctx, tx, r.Definition, `
			update trunkline.schedules set domain_uuid = nullif($1, '')::uuid, domain_name = $2, name = $3, cron = $4, time_zone = $5, kind = $6, lag = $7, request = $8,
				each_domain = $9, file_name = $10, destinations = $11::uuid[], enabled = $12, next_run = $13, planned_at = $14,
				paused_because = nullif($15, ''), changed_by_name = $16, changed_at = $14, unreadable = null, unreadable_at = null
			where id = $17`, nextRun(r.Definition, rules, r.State, now), now, pausedBecause(r), by, r.ID)
	})
	if err != nil {
		return Record{}, explained(err)
	}
	return s.Get(ctx, id, domains)
}

// pausedBecause is why it is paused, "" once it is not.
func pausedBecause(r Record) string {
	if r.Enabled {
		return ""
	}
	return r.PausedBecause
}

// locked has do look at a schedule that is locked against schedulers and other changes. Errors: ErrNotFound.
func (s *Store) locked(ctx context.Context, id string, domains tenant.Domains, do func(pgx.Tx, Record) error) error {
	if !postgres.IsUUID(id) {
		return ErrNotFound
	}
	return pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select from trunkline.schedules where id = $1 for update", id); err != nil {
			return fmt.Errorf("locking schedule %s: %w", id, err)
		}
		r, err := one(ctx, tx, "where s.id = $1 and "+within, id, domains.All, domains.UUIDs())
		if err != nil {
			return err
		}
		return do(tx, r)
	})
}

// within is whether schedule s is one of the domains'. Arguments 2 and 3 are whether all are meant, and which.
const within = "($2 or s.domain_uuid = any($3::uuid[]))"

// Get returns the schedule if it is one of the domains', else ErrNotFound.
func (s *Store) Get(ctx context.Context, id string, domains tenant.Domains) (Record, error) {
	if !postgres.IsUUID(id) {
		return Record{}, ErrNotFound
	}
	r, err := one(ctx, s.Pool, "where s.id = $1 and "+within, id, domains.All, domains.UUIDs())
	if err != nil {
		return r, err
	}
	all := []Record{r}
	err = s.addLast(ctx, all)
	return all[0], err
}

// Delete deletes a schedule with its history. Exports that are under way go on, and their files stay. Errors: ErrNotFound.
func (s *Store) Delete(ctx context.Context, id string, domains tenant.Domains) (deleted Record, err error) {
	err = s.locked(ctx, id, domains, func(tx pgx.Tx, r Record) error {
		deleted = r
		_, err := tx.Exec(ctx, "delete from trunkline.schedules where id = $1", id)
		return err
	})
	return deleted, explained(err)
}

// one reads one schedule. Errors: ErrNotFound.
func one(ctx context.Context, q postgres.Querier, which string, args ...any) (Record, error) {
	all, err := read(ctx, q, which, args...)
	if err == nil && len(all) == 0 {
		return Record{}, ErrNotFound
	}
	if err != nil {
		return Record{}, err
	}
	return all[0], nil
}

func read(ctx context.Context, q postgres.Querier, which string, args ...any) ([]Record, error) {
	rows, err := postgres.Rows(ctx, q, "reading schedules", pgx.RowToStructByPos[row], "select "+columns+" from trunkline.schedules as s "+which, args...)
	if err != nil {
		return nil, err
	}
	all := make([]Record, len(rows))
	for i, r := range rows {
		all[i] = r.record()
	}
	return all, nil
}

const uniqueViolation = "23505"

func explained(err error) error {
	refused, said := errors.AsType[*pgconn.PgError](err)
	_, worded := errors.AsType[*fault.Error](err)
	switch {
	case err == nil, worded:
		return err
	case said && refused.Code == uniqueViolation && refused.ConstraintName == "schedules_name":
		return fault.Errorf(fault.Conflict, "name: another schedule of this domain has it; choose another one")
	}
	return fmt.Errorf("keeping a schedule: %w", err)
}

// Filter says which schedules are meant: of those of the domains, all that the other fields do not exclude.
type Filter struct {
	Domains  tenant.Domains
	NoDomain bool     // only those of all domains
	IDs      []string // nil: any
	Name     string   // a part of the name, in any case of letters; "": any
	Enabled  *bool    // nil: either
	Failing  bool     // only those of which a window has failed, or that no scheduler can read
	After    string   // of a list: the id of the last one of the page before
	Limit    int      // of a list
}

// where is the filter as a condition, without After and Limit.
const where = `where ($1 or s.domain_uuid = any($2::uuid[])) and (not $3 or s.domain_uuid is null) and ($4::uuid[] is null or s.id = any($4::uuid[]))
	and ($5 = '' or strpos(lower(s.name), lower($5)) > 0) and ($6::boolean is null or s.enabled = $6::boolean) and (not $7 or s.unreadable is not null or (` + failing + `) > 0)`

func (f Filter) args() []any {
	return []any{f.Domains.All, f.Domains.UUIDs(), f.NoDomain, f.IDs, f.Name, f.Enabled, f.Failing}
}

// List returns a page of schedules, the newest first, and the After of the next page, "" on the last one.
func (s *Store) List(ctx context.Context, f Filter) (page []Record, next string, err error) {
	all, err := read(ctx, s.Pool, where+" and ($8 = '' or s.id < nullif($8, '')::uuid) order by s.id desc limit $9", append(f.args(), f.After, f.Limit+1)...)
	if err != nil {
		return nil, "", err
	}
	if len(all) > f.Limit {
		all = all[:f.Limit]
		next = all[f.Limit-1].ID
	}
	return all, next, s.addLast(ctx, all)
}

// Tally is how many schedules a filter means.
type Tally struct {
	Schedules int // all of them
	Enabled   int // those that run
	Paused    int
	Failing   int // those of which a window has failed, or that no scheduler can read
}

// Tally counts the schedules that the filter means.
func (s *Store) Tally(ctx context.Context, f Filter) (t Tally, err error) {
	err = s.Pool.QueryRow(ctx, `
		select count(*), count(*) filter (where s.enabled), count(*) filter (where not s.enabled), count(*) filter (where s.unreadable is not null or (`+failing+`) > 0)
		from trunkline.schedules as s `+where, f.args()...).Scan(&t.Schedules, &t.Enabled, &t.Paused, &t.Failing)
	if err != nil {
		return t, fmt.Errorf("counting the schedules of a filter: %w", err)
	}
	return t, nil
}

// SetEnabled resumes or pauses all schedules that the filter means, and returns those that were not so before. because says
// why they are paused, for people. One whose domain is disabled or gone stays paused; if it alone is meant, that is a
// fault.Conflict.
func (s *Store) SetEnabled(ctx context.Context, f Filter, enabled bool, because, by string) (changed []Record, err error) {
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "select from trunkline.schedules as s "+where+" order by s.id for update of s", f.args()...)
		if err != nil {
			return fmt.Errorf("locking schedules: %w", err)
		}
		changed, err = read(ctx, tx, where+" and s.enabled <> $8 order by s.id", append(f.args(), enabled)...)
		if err != nil {
			return err
		}
		if enabled {
			if changed, err = s.resumable(ctx, changed, len(f.IDs) == 1); err != nil {
				return err
			}
		}
		batch, now := &pgx.Batch{}, s.now()
		for i := range changed {
			r := &changed[i]
			r.Enabled, r.PausedBecause = enabled, because
			r.PausedBecause, r.NextRun, r.ChangedBy, r.ChangedAt = pausedBecause(*r), nil, by, now
			if enabled { // also what another build took can be paused
				rules, err := r.Schedule()
				if err == nil {
					r.NextRun = nextRun(r.Definition, rules, r.State, now)
				} else { // the scheduler sees to it, or one that can read it
					r.NextRun = &now
				}
			}
			batch.Queue(`
				update trunkline.schedules set enabled = $2, paused_because = nullif($3, ''), next_run = $4, planned_at = $5, changed_by_name = $6, changed_at = $5, unreadable_at = null
				where id = $1`, r.ID, r.Enabled, r.PausedBecause, r.NextRun, now, by)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	return changed, explained(err)
}

// resumable are those of the schedules whose domains are there and enabled. Errors: if alone, a fault.Conflict in place of none.
func (s *Store) resumable(ctx context.Context, paused []Record, alone bool) (can []Record, err error) {
	domains, err := s.domainsOf(ctx, paused)
	if err != nil {
		return nil, err
	}
	for _, r := range paused {
		switch why := domains.awayOf(r); {
		case why == "":
			can = append(can, r)
		case alone:
			return nil, fault.Errorf(fault.Conflict, "it stays paused: %s", why)
		}
	}
	return can, nil
}
