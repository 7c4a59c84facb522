// Package late finds the CDRs that came after their window was exported, and says which file of the schedule they go into: each
// into one. It knows nothing of jobs but their ids, nor of how files are written.
package late

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/postgres"
)

// Store keeps what schedules have exported.
type Store struct {
	Pool *pgxpool.Pool
	DB   *fusionpbx.DB
	For  time.Duration // for how long after its export CDRs are looked for that belong to a window
	Now  func() time.Time
}

// since is from when on what was exported is looked at.
func (s *Store) since() time.Time { return s.Now().UTC().Add(-s.For) }

// window is one that a schedule exports.
type window struct {
	ID, Schedule, Series string
	Number               *int64
	Revision             int
	Start, End           time.Time
	Stands               string // the state of its last revision
}

// counts reports whether what the window's files hold is exported by that, and nothing else of the schedule: it is of no extra
// export.
func (w window) counts() bool { return w.Number != nil }

// seriesRun is that of the windows whose files take what has come late.
const seriesRun = "run"

// others are the CDRs that other windows of the schedule than number $3 of the series $2 have taken: those of windows under
// way, and of exports that have not failed. A window's revisions are one with it.
const others = `
	select l.xml_cdr_uuid, l.start_stamp from trunkline.late_rows as l join trunkline.windows as w on w.id = l.window_id
	where w.schedule_id = $1 and (w.series, w.number) <> ($2, $3) and (w.state in ('waiting', 'running', 'succeeded') or exists (
		select from trunkline.window_files as f left join trunkline.jobs as j on j.id = f.job_id
		where f.window_id = w.id and (f.domain_uuid is null or f.domain_uuid = l.domain_uuid) and coalesce(j.state, f.state) not in ('failed', 'cancelled')))`

// stateSkipped is that of a window that somebody left out.
const stateSkipped = "skipped"

// Begin says which CDRs the export of a window's file holds besides those of its request, and which of those it does not hold,
// and remembers that there is such an export. What has come late for a window is fixed at the first attempt at any of its
// files. counts is false of an export that counts for nothing: an extra one, or of a schedule that was deleted. Errors: a
// fault.Conflict of a failed export that is retried though its window was skipped since: another may have its span.
func (s *Store) Begin(ctx context.Context, jobID, windowID string, r cdr.Request) (with cdr.Request, counts bool, err error) {
	with = r.MarkLate()
	if err := s.goOn(ctx, windowID); err != nil {
		return r, false, err
	}
	err = pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		w, err := find(ctx, tx, windowID)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !w.counts() {
			return nil
		}
		if err != nil {
			return err
		}
		counts = true
		// One window of a schedule after the other, in a statement of its own: each sees what those before it have taken.
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", postgres.LockKey("late rows of "+w.Schedule)); err != nil {
			return fmt.Errorf("locking what has come late for schedule %s: %w", w.Schedule, err)
		}
		if err := s.fix(ctx, tx, w); err != nil {
			return err
		}
		if with.Late, with.Except, err = take(ctx, tx, w, r); err != nil {
			return err
		}
		holds, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encoding what an export holds: %w", err)
		}
		_, err = tx.Exec(ctx, "insert into trunkline.exported (job_id, schedule_id, window_id, request) values ($1, $2, $3, $4) on conflict (job_id) do nothing",
			jobID, w.Schedule, w.ID, holds)
		return err
	})
	if err != nil {
		return r, false, fmt.Errorf("looking for what has come late: %w", err)
	}
	return with, counts, nil
}

// goOn has a window that failed go on, as an export of it that failed was retried. Errors: a fault.Conflict, if it was skipped
// since.
func (s *Store) goOn(ctx context.Context, id string) error {
	return pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) error {
		w, err := find(ctx, tx, id)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("looking for the window of an export: %w", err)
		case w.counts() && w.Stands == stateSkipped:
			return fault.Errorf(fault.Conflict, "its window was skipped since; run window %d of the series %s of the schedule %s again, by its number", *w.Number, w.Series, w.Schedule)
		}
		if _, err := tx.Exec(ctx, "update trunkline.windows set state = 'running', reason = null, ended_at = null where id = $1 and state = 'failed'", id); err != nil {
			return fmt.Errorf("having window %s go on: %w", id, err)
		}
		return nil
	})
}

func find(ctx context.Context, tx pgx.Tx, id string) (window, error) {
	rows, _ := tx.Query(ctx, `
		select w.id::text, w.schedule_id::text, w.series, w.number, w.revision, w.start_at, w.end_at, coalesce((
			select l.state from trunkline.windows as l where l.schedule_id = w.schedule_id and l.series = w.series and l.number = w.number order by l.revision desc limit 1), w.state)
		from trunkline.windows as w where w.id = $1`, id) // its error is the row's too
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[window])
}

// take are the late CDRs of the window that are the request's, less those that others have taken since, and the CDRs of the
// window itself that others have taken.
func take(ctx context.Context, tx pgx.Tx, w window, r cdr.Request) (late []fusionpbx.FoundCDR, except []string, err error) {
	late, err = postgres.Rows(ctx, tx, "reading what has come late", pgx.RowToStructByPos[fusionpbx.FoundCDR], `
		select l.xml_cdr_uuid, coalesce(l.domain_uuid::text, ''), l.start_stamp from trunkline.late_rows as l
		where l.window_id = $4 and ($5 = '' or l.domain_uuid = nullif($5, '')::uuid) and l.start_stamp < $6
		and l.xml_cdr_uuid not in (select xml_cdr_uuid from (`+others+`) as taken) order by l.start_stamp, l.xml_cdr_uuid`,
		w.Schedule, w.Series, *w.Number, w.ID, r.DomainUUID, r.Start)
	if err != nil {
		return nil, nil, err
	}
	except, err = postgres.Rows(ctx, tx, "reading what others have taken", pgx.RowTo[string],
		"select xml_cdr_uuid::text from ("+others+") as taken where start_stamp >= $4 and start_stamp < $5", w.Schedule, w.Series, *w.Number, r.Start, r.End)
	return late, except, err
}

// fix finds what has come late for the window, unless that was done. Of a revision it is what the window had.
func (s *Store) fix(ctx context.Context, tx pgx.Tx, w window) error {
	made, err := tx.Exec(ctx, "insert into trunkline.late_windows (window_id, schedule_id) values ($1, $2) on conflict do nothing", w.ID, w.Schedule)
	if err != nil || made.RowsAffected() == 0 || w.Series != seriesRun {
		return err
	}
	if w.Revision > 0 {
		_, err := tx.Exec(ctx, `
			insert into trunkline.late_rows (window_id, xml_cdr_uuid, domain_uuid, start_stamp)
			select distinct $1::uuid, l.xml_cdr_uuid, l.domain_uuid, l.start_stamp
			from trunkline.late_rows as l join trunkline.windows as w on w.id = l.window_id where w.schedule_id = $2 and w.series = $3 and w.number = $4`,
			w.ID, w.Schedule, w.Series, *w.Number)
		return err
	}
	found, err := s.search(ctx, tx, w)
	if err != nil {
		return err
	}
	taken, err := postgres.Rows(ctx, tx, "reading what others have taken", pgx.RowTo[[16]byte], "select xml_cdr_uuid from ("+others+") as taken", w.Schedule, w.Series, *w.Number)
	if err != nil {
		return err
	}
	seen := make(map[[16]byte]bool, len(taken))
	for _, id := range taken {
		seen[id] = true
	}
	var rows [][]any
	for _, c := range found {
		if seen[c.UUID] {
			continue
		}
		seen[c.UUID] = true
		var domain any
		if c.DomainUUID != "" {
			domain = c.DomainUUID
		}
		rows = append(rows, []any{w.ID, uuid.UUID(c.UUID).String(), domain, c.Start})
	}
	for some := range slices.Chunk(rows, 10_000) {
		batch := &pgx.Batch{}
		for _, row := range some {
			batch.Queue("insert into trunkline.late_rows (window_id, xml_cdr_uuid, domain_uuid, start_stamp) values ($1, $2, $3, $4)", row...)
		}
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
	}
	return nil
}

// done is an export that has succeeded.
type done struct {
	Job, Request, Server string
	Before               int64

	held cdr.Request
}

// search finds the CDRs of windows that were exported which were not exported with them, and those that failed exports had
// taken and nobody has since. A window that is being exported again is left to the next search: its file may hold them.
func (s *Store) search(ctx context.Context, tx pgx.Tx, w window) ([]fusionpbx.FoundCDR, error) {
	exports, err := postgres.Rows(ctx, tx, "reading what was exported", func(row pgx.CollectableRow) (d done, err error) {
		if err = row.Scan(&d.Job, &d.Request, &d.Server, &d.Before); err == nil {
			err = json.Unmarshal([]byte(d.Request), &d.held)
		}
		return d, err
	}, `
		select e.job_id::text, e.request::text, e.server, e.before from trunkline.exported as e join trunkline.windows as of on of.id = e.window_id
		where e.schedule_id = $1 and e.exported_at > $2 and of.end_at <= $3 and not exists (
			select from trunkline.windows as again where again.schedule_id = e.schedule_id and (again.series, again.number) = (of.series, of.number)
			and again.state in ('waiting', 'running'))
		order by of.start_at, e.job_id`,
		w.Schedule, s.since(), w.Start)
	if err != nil {
		return nil, err
	}
	now, err := export.Sees(ctx, tx)
	if err != nil {
		return nil, err
	}
	var found []fusionpbx.FoundCDR
	for _, together := range sameButForDomains(exports) {
		cameLate, err := s.newer(ctx, tx, now, together)
		if err != nil {
			return nil, err
		}
		found = append(found, cameLate...)
	}
	left, err := postgres.Rows(ctx, tx, "reading what failed exports had taken", pgx.RowToStructByPos[fusionpbx.FoundCDR], `
		select distinct l.xml_cdr_uuid, coalesce(l.domain_uuid::text, ''), l.start_stamp
		from trunkline.late_rows as l join trunkline.windows as w on w.id = l.window_id
		where w.schedule_id = $1 and w.state in ('failed', 'skipped') and l.start_stamp < $2`, w.Schedule, w.Start)
	return append(found, left...), err
}

// sameButForDomains are the exports, those together that hold the same but of different domains: they are asked about at once.
func sameButForDomains(exports []done) (groups [][]done) {
	at := map[string]int{}
	for _, e := range exports {
		held := e.held
		held.DomainUUID, held.DomainName = "", ""
		same, _ := json.Marshal([]any{held.Start, held.End, held.Filter, e.held.DomainUUID == ""}) // it always can be
		i, there := at[string(same)]
		if !there {
			i, groups = len(groups), append(groups, nil)
			at[string(same)] = i
		}
		groups[i] = append(groups[i], e)
	}
	return groups
}

// newer are the CDRs that exports of the same would hold now and did not hold.
func (s *Store) newer(ctx context.Context, tx pgx.Tx, now export.Seen, exports []done) (found []fusionpbx.FoundCDR, err error) {
	held, before, all := exports[0].held, exports[0].Before, false
	jobs := map[string][]string{} // by domain
	for _, e := range exports {
		if e.held.DomainUUID != held.DomainUUID {
			held.DomainUUID = "" // of several: those of others are left out below
		}
		before = min(before, e.Before)
		all = all || !now.Tells(export.Seen{Server: e.Server, Before: e.Before})
		jobs[e.held.DomainUUID] = append(jobs[e.held.DomainUUID], e.Job)
	}
	cdrs, err := s.DB.In(tx).NewerCDRs(ctx, held.Holds(), before, all)
	if err != nil {
		return nil, err
	}
	of := map[string][]fusionpbx.FoundCDR{}
	for _, c := range cdrs {
		owner := c.DomainUUID
		if _, each := jobs[""]; each {
			owner = ""
		}
		of[owner] = append(of[owner], c)
	}
	for domain, ids := range jobs {
		cameLate, err := notAmong(ctx, tx, ids, of[domain])
		if err != nil {
			return nil, err
		}
		found = append(found, cameLate...)
	}
	return found, nil
}

// notAmong are those of the CDRs whose keys are none of the exports'.
func notAmong(ctx context.Context, tx pgx.Tx, jobs []string, cdrs []fusionpbx.FoundCDR) ([]fusionpbx.FoundCDR, error) {
	if len(cdrs) == 0 {
		return nil, nil
	}
	wanted := make(map[[export.KeyBytes]byte]bool, len(cdrs))
	for _, c := range cdrs {
		wanted[export.Key(c.UUID)] = true
	}
	rows, err := tx.Query(ctx, "select keys from trunkline.exported_keys where job_id = any($1::uuid[])", jobs)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of exports: %w", err)
	}
	defer rows.Close()
	for rows.Next() { // a slice's at a time
		for key := range slices.Chunk(rows.RawValues()[0], export.KeyBytes) {
			delete(wanted, [export.KeyBytes]byte(key))
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the keys of exports: %w", err)
	}
	return slices.DeleteFunc(cdrs, func(c fusionpbx.FoundCDR) bool { return !wanted[export.Key(c.UUID)] }), nil
}

// Keep keeps the keys of slices, the first of which has that number, in the caller's transaction.
func Keep(ctx context.Context, tx pgx.Tx, jobID string, first int, written []export.Slice) error {
	batch := &pgx.Batch{}
	for i, slice := range written {
		if slice.Keys == nil { // taken over: they are there
			continue
		}
		batch.Queue(`
			insert into trunkline.exported_keys (job_id, number, keys) select job_id, $2, $3 from trunkline.exported where job_id = $1
			on conflict (job_id, number) do update set keys = excluded.keys`, jobID, first+i, bytes.Clone(slice.Keys))
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("keeping the keys of job %s: %w", jobID, err)
	}
	return nil
}

// Forget forgets the keys of an export that begins anew, in the caller's transaction.
func Forget(ctx context.Context, tx pgx.Tx, jobID string) error {
	if _, err := tx.Exec(ctx, "delete from trunkline.exported_keys where job_id = $1", jobID); err != nil {
		return fmt.Errorf("forgetting the keys of job %s: %w", jobID, err)
	}
	return nil
}

// Done says that the export has succeeded, and what its snapshot saw, in the transaction that ends its job.
func (s *Store) Done(ctx context.Context, tx pgx.Tx, jobID string, seen export.Seen) error {
	if _, err := tx.Exec(ctx, "update trunkline.exported set server = $2, before = $3, exported_at = $4 where job_id = $1", jobID, seen.Server, seen.Before, s.Now().UTC()); err != nil {
		return fmt.Errorf("recording what job %s has exported: %w", jobID, err)
	}
	return nil
}

// Prune forgets what was exported so long ago that nothing is looked for any more, and exports that nobody goes on with.
func (s *Store) Prune(ctx context.Context) (pruned int64, err error) {
	gone, err := s.Pool.Exec(ctx, `
		delete from trunkline.exported as e where e.exported_at < $1
		or e.exported_at is null and not exists (select from trunkline.jobs as j where j.id = e.job_id)`, s.since())
	if err != nil {
		return 0, fmt.Errorf("forgetting what was exported long ago: %w", err)
	}
	return gone.RowsAffected(), nil
}
