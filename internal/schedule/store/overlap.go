package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
)

// sameNumber is whether windows l and w are revisions of one.
const sameNumber = "l.schedule_id = w.schedule_id and l.series = w.series and l.number = w.number"

// holds is whether window w keeps others from its span: what has ever been exported of it, or may yet be. One that was skipped
// does so for the files that it had before, and so does an earlier revision, whatever became of those after it.
const holds = `(w.state in ('waiting', 'running', 'succeeded')
	or w.state = 'failed' and not exists (select from trunkline.windows as l where ` + sameNumber + ` and l.revision > w.revision)
	or exists (select from trunkline.window_files as f where f.window_id = w.id and f.state = 'succeeded'))`

// checkFree refuses a span of which another window than that one holds a part, as a fault.Conflict that names it.
func checkFree(ctx context.Context, tx pgx.Tx, r Record, zone *time.Location, start, end time.Time, but Window) error {
	standing, err := readWindows(ctx, tx, `
		where w.schedule_id = $1 and w.series <> 'extra' and (w.series, w.number) is distinct from ($4, $5::bigint) and w.start_at < $3 and w.end_at > $2 and `+holds+`
		order by w.start_at, w.revision desc limit 1`, r.ID, start, end, string(but.Series), but.Number)
	if err != nil {
		return err
	}
	if len(standing) == 0 {
		return checkPast(ctx, tx, r, zone, start, end)
	}
	return fault.Errorf(fault.Conflict, "window %s (%s to %s) is of this span, and no call is exported twice; run that one again by its number, or choose another span",
		standing[0].Label(), standing[0].Start.In(zone).Format(time.RFC3339), standing[0].End.In(zone).Format(time.RFC3339))
}

// checkPast refuses a span of which windows have exported a part that are past their time, as a fault.Conflict.
func checkPast(ctx context.Context, tx pgx.Tx, r Record, zone *time.Location, start, end time.Time) error {
	spans, err := postgres.Rows(ctx, tx, "reading what is past", pgx.RowToStructByPos[past], `
		select '', schedule_id::text, start_at, end_at, true from trunkline.past_spans
		where schedule_id = $1 and start_at < $3 and end_at > $2 order by start_at limit 1`, r.ID, start, end)
	if err != nil || len(spans) == 0 {
		return err
	}
	return fault.Errorf(fault.Conflict, "the schedule has exported %s to %s, by windows that are no longer kept (TRUNKLINE_SCHEDULE_RETENTION), and no call is exported twice; choose another span",
		spans[0].Start.In(zone).Format(time.RFC3339), spans[0].End.In(zone).Format(time.RFC3339))
}

// checkJobs refuses a window of which an export is queued or runs, as a fault.Conflict: somebody has a failed one retried. No
// other can be until the transaction ends.
func checkJobs(ctx context.Context, tx pgx.Tx, w Window) error {
	states, err := postgres.Rows(ctx, tx, "looking at the jobs of a window", pgx.RowTo[string], `
		select state from trunkline.jobs where id = any(array(
			select f.job_id from trunkline.window_files as f join trunkline.windows as l on l.id = f.window_id
			where l.schedule_id = $1 and l.series = $2 and l.number = $3)) order by id for share`, w.ScheduleID, string(w.Series), w.Number)
	if err != nil {
		return err
	}
	for _, state := range states {
		if state == "queued" || state == "running" {
			return fault.Errorf(fault.Conflict, "an export of window %s is %s; wait until it is over, or cancel its job", w.Label(), state)
		}
	}
	return nil
}
