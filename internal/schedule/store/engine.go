package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/export"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// dueAtOnce is how many schedules, or windows, one transaction of a scheduler takes on.
const dueAtOnce = 200

// windowsAtOnce is from how many windows on a transaction makes those of no further schedule.
const windowsAtOnce = 1000

// unreadablePause is for how long a schedule that could not be read is left alone: a scheduler of another build may come.
const unreadablePause = time.Minute

// readable is whether schedule s was not found unreadable a moment ago, of the times now and unreadablePause before.
func readable(now, before string) string {
	return "(s.unreadable_at is null or s.unreadable_at <= " + before + " or s.unreadable_at > " + now + ")"
}

// noteUnreadable queues why a schedule cannot be exported.
func noteUnreadable(batch *pgx.Batch, r Record, now time.Time) {
	batch.Queue("update trunkline.schedules set unreadable = $2, unreadable_at = $3 where id = $1", r.ID, r.Unreadable, now)
}

// MakeDue makes the windows of schedules whose time has come, each exactly once however many schedulers there are, and pauses
// schedules whose domain is disabled or gone. more says that others are due.
func (s *Store) MakeDue(ctx context.Context) (made int, more bool, err error) {
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		now := s.now()
		ids, err := postgres.Rows(ctx, tx, "looking for schedules that are due", pgx.RowTo[string], `
			select s.id::text from trunkline.schedules as s where (s.next_run <= $1 or s.next_run is not null and s.planned_at > $1) and `+readable("$1", "$3")+`
			order by s.next_run limit $2 for update skip locked`, now, dueAtOnce, now.Add(-unreadablePause))
		if err != nil || len(ids) == 0 {
			return err
		}
		more = len(ids) == dueAtOnce
		due, err := read(ctx, tx, "where s.id = any($1::uuid[]) order by s.next_run", ids)
		if err != nil {
			return err
		}
		domains, err := s.domainsOf(ctx, due)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		for _, r := range due {
			if why := domains.awayOf(r); why != "" {
				batch.Queue("update trunkline.schedules set enabled = false, next_run = null, paused_because = $2 where id = $1", r.ID, why)
				continue
			}
			rules, err := r.Schedule()
			if err != nil {
				noteUnreadable(batch, r, now)
				continue
			}
			if made >= windowsAtOnce { // it stays due, as do those after it
				more = true
				break
			}
			state, windows := s.dueWindows(r, rules, now)
			keep(batch, windows...)
			keepState(batch, r, state)
			made += len(windows)
			if len(windows) == mostAtOnce { // it stays due
				more = true
				continue
			}
			batch.Queue("update trunkline.schedules set next_run = $2, planned_at = $3, unreadable = null, unreadable_at = null where id = $1", r.ID, rules.NextRun(state, now), now)
		}
		return tx.SendBatch(ctx, batch).Close()
	})
	return made, more, explained(err)
}

// domainsNow are domains as they are now, by UUID.
type domainsNow map[string]fusionpbx.Domain

func (s *Store) domainsOf(ctx context.Context, schedules []Record) (domainsNow, error) {
	var uuids []string
	for _, r := range schedules {
		if r.DomainUUID != "" {
			uuids = append(uuids, r.DomainUUID)
		}
	}
	found, err := s.DB.Domains(ctx, uuids)
	if err != nil {
		return nil, err
	}
	now := make(domainsNow, len(found))
	for _, d := range found {
		now[d.UUID] = d
	}
	return now, nil
}

// awayOf says why nothing is exported of the schedule's domain, "" if it is there and enabled.
func (d domainsNow) awayOf(r Record) string {
	if r.DomainUUID == "" {
		return ""
	}
	switch domain, there := d[r.DomainUUID]; {
	case !there:
		return "its domain " + r.DomainName + " is no longer in FusionPBX; delete the schedule"
	case !domain.Enabled:
		return "its domain " + r.DomainName + " is disabled in FusionPBX; enable that, and resume the schedule: it exports what has come meanwhile"
	}
	return ""
}

// Starting is a window whose turn it is.
type Starting struct {
	Window
	Of Record
}

// Request is what a file of the window holds: of one domain, or as the schedule has it.
func (w Starting) Request(domain fusionpbx.Domain, clock24 bool) (cdr.Request, error) {
	rules, err := w.Of.Schedule()
	if err != nil {
		return cdr.Request{}, err
	}
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		zone = rules.Zone
	}
	r := w.Of.request(domain.UUID, domain.Name)
	r.Window, r.Clock24 = span(w.Start, w.End, zone), clock24
	return r, nil
}

// FileName is what the file is called at destinations.
func (w Starting) FileName(r cdr.Request) (string, error) {
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return "", fmt.Errorf("the zone of window %s: %w", w.ID, err)
	}
	return w.Of.FileName.Name(delivery.Named{
		Domain: r.DomainName, Schedule: w.Of.Name, Number: w.Label(), Start: w.Start.In(zone), End: w.End.In(zone),
		Extension: export.Extension(r.Format, r.Compression),
	})
}

// Begun are the files of the first Taken of the windows that were given, and why there are none of a window, by its id.
type Begun struct {
	Taken  int
	Files  []File
	Failed map[string]error
}

// Start has begin make the export jobs of windows whose turn it is, in the transaction that says so: of each schedule those
// that somebody has asked for, then the oldest first, and no more than atOnce under way. The windows come in turns, one of each
// schedule, and schedules in turns, one of each domain; begin may leave those at the end. failed is as Settle has it. more says
// that others may wait.
func (s *Store) Start(ctx context.Context, atOnce int, begin func(context.Context, pgx.Tx, []Starting) (Begun, error), failed func(context.Context, pgx.Tx, []Starting) error) (started int, more bool, err error) {
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		const running = "(select count(*) from trunkline.windows as r where r.schedule_id = s.id and r.state = 'running')"
		now := s.now()
		ids, err := postgres.Rows(ctx, tx, "looking for windows that wait", pgx.RowTo[string], `
			with waiting as (
				select s.id, s.domain_uuid, s.planned_at, `+running+` as running from trunkline.schedules as s
				where s.id in (select schedule_id from trunkline.windows where state = 'waiting')
				and exists (select from trunkline.windows as w where w.schedule_id = s.id and `+mayStart+`) and `+readable("$3", "$4")+`
			), turns as (
				select *, row_number() over (partition by domain_uuid order by running, planned_at, id) as turn from waiting where running < $1
			)
			select s.id::text from turns join trunkline.schedules as s using (id)
			order by turn, running, s.planned_at limit $2 for update of s skip locked`, atOnce, dueAtOnce, now, now.Add(-unreadablePause))
		if err != nil || len(ids) == 0 {
			return err
		}
		schedules, err := read(ctx, tx, "where s.id = any($1::uuid[])", ids)
		if err != nil {
			return err
		}
		of, notes := make(map[string]Record, len(schedules)), &pgx.Batch{}
		for _, r := range schedules {
			if _, err := r.Schedule(); err != nil {
				noteUnreadable(notes, r, now)
				continue
			}
			of[r.ID] = r
		}
		unread := notes.Len()
		if err := tx.SendBatch(ctx, notes).Close(); err != nil {
			return err
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { _, known := of[id]; return !known })
		// Other schedulers may have started some until the lock was had, which a new statement sees.
		windows, err := readWindows(ctx, tx, `
			join (select next.id, next.turn, given.place from unnest($1::uuid[]) with ordinality as given (id, place) join trunkline.schedules as s using (id), lateral (
				select w.id, row_number() over (order by w.series <> 'extra' and w.revision = 0, w.series = 'backfill', w.start_at, w.id) as turn
				from trunkline.windows as w where w.schedule_id = s.id and `+mayStart+`
				order by turn limit greatest(0, $2 - `+running+`)) as next) as turns on turns.id = w.id
			order by turns.turn, turns.place`, ids, atOnce)
		if err != nil {
			return err
		}
		starting := make([]Starting, len(windows))
		for i, w := range windows {
			starting[i] = Starting{w, of[w.ScheduleID]}
		}
		begun, err := begin(ctx, tx, starting)
		if err != nil {
			return err
		}
		more = unread > 0 || begun.Taken > 0 && (begun.Taken < len(windows) || len(ids)+unread == dueAtOnce)
		started, starting, windows = begun.Taken, starting[:begun.Taken], windows[:begun.Taken]
		if err := s.keepStarted(ctx, tx, windows, begun); err != nil {
			return err
		}
		var over []Starting
		for _, w := range starting {
			if why := begun.Failed[w.ID]; why != nil {
				w.State, w.Reason = StateFailed, why.Error()
				over = append(over, w)
			}
		}
		if len(over) == 0 || failed == nil {
			return nil
		}
		return failed(ctx, tx, over)
	})
	return started, more, explained(err)
}

// keepStarted records that windows are under way. One without a file has none to wait for.
func (s *Store) keepStarted(ctx context.Context, tx pgx.Tx, windows []Window, begun Begun) error {
	batch, now := &pgx.Batch{}, s.now()
	with := map[string]bool{}
	for _, f := range begun.Files {
		with[f.WindowID] = true
		batch.Queue(`insert into trunkline.window_files (window_id, job_id, domain_uuid, domain_name, name, state) values ($1, $2, nullif($3, '')::uuid, $4, $5, 'queued')`,
			f.WindowID, f.JobID, f.DomainUUID, f.DomainName, f.Name)
	}
	for _, w := range windows {
		switch why := begun.Failed[w.ID]; {
		case why != nil:
			batch.Queue("update trunkline.windows set state = 'failed', reason = $2, ended_at = $3 where id = $1", w.ID, why.Error(), now)
		case with[w.ID]:
			batch.Queue("update trunkline.windows set state = 'running' where id = $1", w.ID)
		default:
			batch.Queue("update trunkline.windows set state = 'succeeded', reason = 'no domain is enabled', ended_at = $2 where id = $1", w.ID, now)
		}
	}
	return tx.SendBatch(ctx, batch).Close()
}

// Settle takes over how the jobs of windows under way have ended. One that failed is so again once a job of it that was retried
// begins, as late.Store.Begin says. failed gets the windows that have failed by now, each once, in the transaction that says so.
func (s *Store) Settle(ctx context.Context, failed func(context.Context, pgx.Tx, []Starting) error) (settled int, err error) {
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		now := s.now()
		if _, err := tx.Exec(ctx, `
			update trunkline.window_files as f set state = coalesce(j.state, 'failed'), rows = (j.result ->> 'total_records')::bigint,
				late_rows = case when j.result ->> 'total_records' is not null then coalesce((j.result ->> 'late_rows')::bigint, 0) end, bytes = (j.result ->> 'bytes')::bigint,
				sha256 = j.result ->> 'sha256', error = case when j.id is null then 'the record of its job is gone' else j.error_message end
			from trunkline.windows as w, trunkline.window_files as of left join trunkline.jobs as j on j.id = of.job_id
			where w.id = f.window_id and w.state = 'running' and of.window_id = f.window_id and of.job_id = f.job_id
			and f.state <> coalesce(j.state, case when f.state in ('succeeded', 'partial', 'failed', 'cancelled') then f.state else 'failed' end)`); err != nil {
			return fmt.Errorf("taking over how exports stand: %w", err)
		}
		// A job ends with an error or without one, and a window fails by its first file that does.
		changed, err := postgres.Rows(ctx, tx, "settling windows", pgx.RowTo[string], `
			update trunkline.windows as w set state = f.state, reason = f.error, ended_at = $1
			from (select f.window_id, case when not bool_and(f.state in ('succeeded', 'partial', 'failed', 'cancelled')) then 'running'
					when bool_or(f.state in ('failed', 'cancelled')) then 'failed' else 'succeeded' end as state,
					(array_agg(coalesce(f.error, 'its job was cancelled') order by f.domain_name) filter (where f.state in ('failed', 'cancelled')))[1] as error
				from trunkline.window_files as f join trunkline.windows as w on w.id = f.window_id where w.state = 'running' group by f.window_id) as f
			where f.window_id = w.id and w.state = 'running' and f.state <> 'running'
			returning w.id::text`, now)
		if err != nil || len(changed) == 0 {
			return err
		}
		settled = len(changed)
		windows, err := readWindows(ctx, tx, "where w.id = any($1::uuid[]) and w.state = 'failed' order by w.id", changed)
		if err != nil || len(windows) == 0 || failed == nil {
			return err
		}
		var all []Starting
		for _, w := range windows {
			r, err := one(ctx, tx, "where s.id = $1", w.ScheduleID)
			if err != nil {
				return err
			}
			all = append(all, Starting{w, r})
		}
		return failed(ctx, tx, all)
	})
	return settled, explained(err)
}

// OverdueAfter is how long after its time a schedule that has not run is overdue: schedulers look every few seconds.
const OverdueAfter = time.Minute

// Counts are how many schedules and windows there are, for metrics and health.
type Counts struct {
	Enabled, Paused, Unreadable, Overdue int // schedules; the last are those whose time came a while ago
	Waiting, Running, Failed             int // windows
}

// FailedWindows are windows that have failed, and were neither exported again nor skipped, the newest first, without their
// files.
func (s *Store) FailedWindows(ctx context.Context, most int) ([]Window, error) {
	return readWindows(ctx, s.Pool, `
		where w.state = 'failed' and not exists (
			select from trunkline.windows as l where l.schedule_id = w.schedule_id and l.series = w.series and l.number = w.number and l.revision > w.revision)
		order by w.id desc limit $1`, most)
}

// Counts counts. A schedule is overdue that should have run before that time.
func (s *Store) Counts(ctx context.Context, before time.Time) (c Counts, err error) {
	err = s.Pool.QueryRow(ctx, `
		select (select count(*) from trunkline.schedules where enabled), (select count(*) from trunkline.schedules where not enabled),
			(select count(*) from trunkline.windows where state = 'waiting'), (select count(*) from trunkline.windows where state = 'running'),
			(select coalesce(sum((`+failing+`)), 0) from trunkline.schedules as s where s.id in (select schedule_id from trunkline.windows where state = 'failed')),
			(select count(*) from trunkline.schedules where next_run < $1 and unreadable is null),
			(select count(*) from trunkline.schedules where enabled and unreadable is not null)`, before).Scan(&c.Enabled, &c.Paused, &c.Waiting, &c.Running, &c.Failed, &c.Overdue, &c.Unreadable)
	if err != nil {
		return c, fmt.Errorf("counting schedules: %w", err)
	}
	return c, nil
}
