package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/calendar"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/schedule"
	"trunkline/internal/tenant"
)

// Run makes the windows that are over by now and not made yet or, if there are none, an extra one of what has come since: it
// has no number, and that span is exported again when its time has come. Errors: ErrNotFound; a fault.Conflict, if nothing
// has come since.
func (s *Store) Run(ctx context.Context, id string, domains tenant.Domains) (made []Window, err error) {
	err = s.locked(ctx, id, domains, func(tx pgx.Tx, r Record) error {
		state, windows, err := s.runNow(r)
		if err != nil {
			return err
		}
		made = windows
		batch := &pgx.Batch{}
		keep(batch, made...)
		keepState(batch, r, state)
		return tx.SendBatch(ctx, batch).Close()
	})
	return made, explained(err)
}

// WouldRun are the windows that Run would make now. Errors: those of Run.
func (s *Store) WouldRun(ctx context.Context, id string, domains tenant.Domains) ([]Window, error) {
	r, err := s.Get(ctx, id, domains)
	if err != nil {
		return nil, err
	}
	_, windows, err := s.runNow(r)
	return windows, err
}

// runNow is what Run makes of the schedule, and what the schedule has made then.
func (s *Store) runNow(r Record) (state schedule.State, made []Window, err error) {
	rules, err := r.Schedule()
	if err != nil {
		return state, nil, err
	}
	now := s.now()
	if state, made = s.dueWindows(r, rules, now); len(made) > 0 {
		return state, made, nil
	}
	end := now.Truncate(time.Second)
	if !end.After(r.State.Watermark) {
		return state, nil, fault.Errorf(fault.Conflict, "this schedule has windows up to %s, and nothing has come since; run one of those again by its number, or wait",
			r.State.Watermark.In(rules.Zone).Format(time.RFC3339))
	}
	return state, []Window{s.newWindow(r, SeriesExtra, schedule.Window{Start: r.State.Watermark, End: end}, now)}, nil
}

// mostAtOnce is how many windows one run makes; the next look makes the rest.
const mostAtOnce = 500

// dueWindows are those that a run at the moment makes, and what the schedule has made then.
func (s *Store) dueWindows(r Record, rules schedule.Schedule, now time.Time) (state schedule.State, made []Window) {
	state = r.State
	for w := range rules.Windows(r.State, now) {
		made, state = append(made, s.newWindow(r, SeriesRun, w, now)), w.State()
		if len(made) == mostAtOnce {
			break
		}
	}
	return state, made
}

// RunAgain has a window that is over exported again: it keeps its number, and its file is another revision. Errors:
// ErrNotFound, also of the window; a fault.Conflict, if it is not over or its time is not, or that names another window which has
// taken its span.
func (s *Store) RunAgain(ctx context.Context, id string, domains tenant.Domains, series Series, number int64) (again Window, err error) {
	err = s.locked(ctx, id, domains, func(tx pgx.Tx, r Record) error {
		last, err := lastRevision(ctx, tx, r, series, number)
		if err != nil {
			return err
		}
		if !last.State.over() {
			return fault.Errorf(fault.Conflict, "window %s is %s; wait until it is over, or cancel its jobs", last.Label(), last.State)
		}
		now := s.now()
		if last.End.After(now) { // it was skipped before that
			return fault.Errorf(fault.Conflict, "window %s ends at %s, until when its calls are still made; run it again after that", last.Label(), last.End.In(zoneOf(last)).Format(time.RFC3339))
		}
		if err := checkJobs(ctx, tx, last); err != nil {
			return err
		}
		// One that was skipped may have been backfilled meanwhile.
		if err := checkFree(ctx, tx, r, zoneOf(last), last.Start, last.End, last); err != nil {
			return err
		}
		again = s.newWindow(r, series, schedule.Window{Number: number, Start: last.Start, End: last.End}, now)
		again.Revision, again.TimeZone = last.Revision+1, last.TimeZone
		batch := &pgx.Batch{}
		keep(batch, again)
		return tx.SendBatch(ctx, batch).Close()
	})
	return again, explained(err)
}

// lastRevision is a window as it was made last. Errors: a fault.NotFound.
func lastRevision(ctx context.Context, tx pgx.Tx, r Record, series Series, number int64) (Window, error) {
	found, err := readWindows(ctx, tx, "where w.schedule_id = $1 and w.series = $2 and w.number = $3 order by w.revision desc limit 1", r.ID, string(series), number)
	if err == nil && len(found) == 0 {
		err = fault.Errorf(fault.NotFound, "this schedule has no window %d of the series %s, or keeps it no longer (TRUNKLINE_SCHEDULE_RETENTION); its history lists them", number, series)
	}
	if err != nil {
		return Window{}, err
	}
	return found[0], nil
}

const maxReason = 500

// Skip leaves a window out, for a reason: one that waits or has failed, by its number, or with number 0 the next one that would
// be made. It keeps its number. Errors: ErrNotFound, also of the window; fault.InvalidRequest, which names reason; a
// fault.Conflict, if the window is under way or over.
func (s *Store) Skip(ctx context.Context, id string, domains tenant.Domains, series Series, number int64, reason string) (skipped Window, err error) {
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxReason {
		return skipped, fault.Invalid("reason", "say in 1 to %d bytes why the window is left out", maxReason)
	}
	err = s.locked(ctx, id, domains, func(tx pgx.Tx, r Record) error {
		now := s.now()
		if number == 0 {
			skipped, err = s.skipNext(ctx, tx, r, reason, now)
			return err
		}
		if skipped, err = lastRevision(ctx, tx, r, series, number); err != nil {
			return err
		}
		if skipped.State != StateWaiting && skipped.State != StateFailed {
			return fault.Errorf(fault.Conflict, "window %s is %s; only one that waits or has failed can be skipped", skipped.Label(), skipped.State)
		}
		if err := checkJobs(ctx, tx, skipped); err != nil {
			return err
		}
		skipped.State, skipped.Reason, skipped.EndedAt = StateSkipped, reason, &now
		_, err := tx.Exec(ctx, "update trunkline.windows set state = 'skipped', reason = $2, ended_at = $3 where id = $1", skipped.ID, reason, now)
		return err
	})
	return skipped, explained(err)
}

// skipNext makes the next window, and leaves it out.
func (s *Store) skipNext(ctx context.Context, tx pgx.Tx, r Record, reason string, now time.Time) (Window, error) {
	rules, err := r.Schedule()
	if err != nil {
		return Window{}, err
	}
	next, fixed := rules.NextWindow(r.State)
	if !fixed {
		next.End = now.Add(-r.Lag).Truncate(time.Second)
	}
	if next.Start.After(now) { // sent twice, perhaps
		return Window{}, fault.Errorf(fault.Conflict, "the next window begins at %s, and the one before it was skipped already; skip this one once it has begun", next.Start.In(rules.Zone).Format(time.RFC3339))
	}
	if !next.End.After(next.Start) {
		return Window{}, fault.Errorf(fault.Conflict, "this schedule has windows up to %s, and nothing has come since that could be skipped", next.Start.In(rules.Zone).Format(time.RFC3339))
	}
	made := s.newWindow(r, SeriesRun, next, now)
	made.State, made.Reason, made.EndedAt = StateSkipped, reason, &now
	batch := &pgx.Batch{}
	keep(batch, made)
	keepState(batch, r, next.State())
	return made, tx.SendBatch(ctx, batch).Close()
}

// BackfillAsked is the past span that a backfill is of: dates or moments as exports take them, both inclusive.
type BackfillAsked struct{ From, To string }

// Backfill makes the windows of a past span, with numbers of their own series: days, weeks or months as the schedule has them,
// or one. No CDR is exported twice by it: the span lies before what the schedule has exported, and before what it will.
// Errors: ErrNotFound; fault.InvalidRequest, which names from or to; a fault.Conflict that names the window in its way, or says
// how many are not over yet.
func (s *Store) Backfill(ctx context.Context, id string, domains tenant.Domains, asked BackfillAsked) (made []Window, err error) {
	err = s.locked(ctx, id, domains, func(tx pgx.Tx, r Record) error {
		rules, err := r.Schedule()
		if err != nil {
			return err
		}
		within, err := s.backfillSpan(ctx, r, asked)
		if err != nil {
			return err
		}
		now := s.now()
		if within.End.After(r.State.Watermark) {
			return fault.Invalid("to", "lies behind %s, from where on the schedule exports by itself; write an earlier one", r.State.Watermark.In(rules.Zone).Format(time.RFC3339))
		}
		if within.End.After(now) { // of a window that was skipped before it ended
			return fault.Invalid("to", "lies behind %s, and calls of that time are still to come; write an earlier one, or wait", now.In(rules.Zone).Format(time.RFC3339))
		}
		if err := checkFree(ctx, tx, r, rules.Zone, within.Start, within.End, Window{}); err != nil {
			return err
		}
		spans := rules.Cut(within.Start, within.End, s.MostBackfilled)
		if len(spans) > s.MostBackfilled {
			return fault.Invalid("from", "that makes more than %d windows, which are allowed at once (TRUNKLINE_SCHEDULE_BACKFILL); ask for shorter spans", s.MostBackfilled)
		}
		open, err := postgres.Value[int](ctx, tx, "counting windows of backfills",
			"select count(*) from trunkline.windows where schedule_id = $1 and series = 'backfill' and state in ('waiting', 'running')", r.ID)
		if err != nil {
			return err
		}
		if open+len(spans) > s.MostBackfilled {
			return fault.Errorf(fault.Conflict, "%d windows of backfills of this schedule are not over yet, and with these it would have more than the %d that are allowed at once (TRUNKLINE_SCHEDULE_BACKFILL); wait until they are over, or ask for a shorter span",
				open, s.MostBackfilled)
		}
		batch := &pgx.Batch{}
		for i, w := range spans {
			w.Number = r.Backfilled + int64(i) + 1
			made = append(made, s.newWindow(r, SeriesBackfill, w, now))
		}
		keep(batch, made...)
		batch.Queue("update trunkline.schedules set backfilled = $2 where id = $1", r.ID, r.Backfilled+int64(len(made)))
		return tx.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		return nil, explained(err)
	}
	return slices.Clone(made), nil
}

// backfillSpan reads the span in the schedule's zone.
func (s *Store) backfillSpan(ctx context.Context, r Record, asked BackfillAsked) (cdr.Window, error) {
	switch {
	case asked.From == "":
		return cdr.Window{}, fault.Missing("from")
	case asked.To == "":
		return cdr.Window{}, fault.Missing("to")
	}
	w := cdr.Window{DateStart: asked.From, DateEnd: asked.To, TimeZone: r.TimeZone}
	zone, _ := calendar.Zone(r.TimeZone) // it was checked
	if _, ok := cdr.ParseStart(asked.From, zone); !ok {
		return w, fault.Invalid("from", "is not a date; write 2024-01-31 or 2024-01-31T18:00:00+01:00")
	}
	if _, ok := cdr.ParseStart(asked.To, zone); !ok {
		return w, fault.Invalid("to", "is not a date; write 2024-01-31 or 2024-01-31T18:00:00+01:00")
	}
	if err := w.Resolve(ctx, s.DB, r.DomainUUID); err != nil {
		return w, fault.Invalid("to", "is before from")
	}
	return w, nil
}
