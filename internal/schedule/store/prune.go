package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/postgres"
)

const (
	// prunedAtOnce is how many windows one transaction deletes.
	prunedAtOnce = 1000
	// prunedTogether is how many schedules are looked through at once.
	prunedTogether = 50
)

// needed is whether something still needs window l, of which cutoff is the time before which windows are past theirs: somebody
// has to do something about it, its export has a job or may be found to lack CDRs that came late, or it has taken CDRs that a
// window which is there would hold if it were run again.
func needed(cutoff string) string {
	return `(l.state in ('waiting', 'running') or l.ended_at >= ` + cutoff + `
	or l.state = 'failed' and l.number is not null and not exists (
		select from trunkline.windows as again where again.schedule_id = l.schedule_id and again.series = l.series and again.number = l.number and again.revision > l.revision)
	or exists (select from trunkline.exported as e where e.window_id = l.id)
	or exists (select from trunkline.window_files as f join trunkline.jobs as j on j.id = f.job_id where f.window_id = l.id)
	or exists (select from trunkline.late_rows as r join trunkline.windows as of on of.schedule_id = l.schedule_id and of.series <> 'extra'
		and of.start_at <= r.start_stamp and of.end_at > r.start_stamp and (of.series, of.number) <> (l.series, l.number) where r.window_id = l.id))`
}

// Prune deletes windows that ended longer ago than Retention and that nothing needs any more, each with its revisions, but for the
// last one of a schedule. What they have exported is remembered as spans, so that numbers go on and nothing is exported twice.
func (s *Store) Prune(ctx context.Context) (pruned int, err error) {
	for after := "00000000-0000-0000-0000-000000000000"; ; {
		var some int
		var last string
		err := pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) (err error) {
			some, last, err = s.pruneSome(ctx, tx, after)
			return err
		})
		if err != nil {
			return pruned, fmt.Errorf("deleting windows that are past their time: %w", err)
		}
		if pruned += some; last == "" {
			return pruned, nil
		}
		if some < prunedAtOnce {
			after = last
		}
	}
}

// past is a window that is deleted.
type past struct {
	ID, ScheduleID string
	Start, End     time.Time
	Holds          bool // its span
}

// pruneSome prunes a few schedules, those after the one of that id, and returns the last of them, "" if there are none.
func (s *Store) pruneSome(ctx context.Context, tx pgx.Tx, after string) (pruned int, last string, err error) {
	ids, err := postgres.Rows(ctx, tx, "looking for schedules", pgx.RowTo[string],
		"select id::text from trunkline.schedules where id > $1 order by id limit $2 for update", after, prunedTogether)
	if err != nil || len(ids) == 0 {
		return 0, "", err
	}
	gone, err := postgres.Rows(ctx, tx, "looking for windows that are past their time", pgx.RowToStructByPos[past], `
		select w.id::text, w.schedule_id::text, w.start_at, w.end_at, w.series <> 'extra' and `+holds+` from trunkline.windows as w
		where w.schedule_id = any($1::uuid[]) and w.ended_at < $2
		and not exists (select from trunkline.windows as l where (l.id = w.id or `+sameNumber+`) and `+needed("$2")+`)
		and exists (select from trunkline.windows as newer where newer.schedule_id = w.schedule_id and newer.id > w.id)
		order by w.schedule_id, w.series, w.number limit $3`, ids, s.now().Add(-s.Retention), prunedAtOnce)
	if err != nil {
		return 0, "", err
	}
	batch, spans := &pgx.Batch{}, map[string][]past{}
	for _, w := range gone {
		batch.Queue("delete from trunkline.windows where id = $1", w.ID)
		if w.Holds {
			spans[w.ScheduleID] = append(spans[w.ScheduleID], w)
		}
	}
	for id, of := range spans {
		before, err := postgres.Rows(ctx, tx, "reading what is past", pgx.RowToStructByPos[past],
			"select '', schedule_id::text, start_at, end_at, true from trunkline.past_spans where schedule_id = $1", id)
		if err != nil {
			return 0, "", err
		}
		batch.Queue("delete from trunkline.past_spans where schedule_id = $1", id)
		for _, span := range together(append(before, of...)) {
			batch.Queue("insert into trunkline.past_spans (schedule_id, start_at, end_at) values ($1, $2, $3)", id, span.Start, span.End)
		}
	}
	return len(gone), ids[len(ids)-1], tx.SendBatch(ctx, batch).Close()
}

// together are the spans in order, those as one that touch or overlap.
func together(spans []past) (all []past) {
	slices.SortFunc(spans, func(a, b past) int { return a.Start.Compare(b.Start) })
	for _, s := range spans {
		if n := len(all); n > 0 && !s.Start.After(all[n-1].End) {
			if s.End.After(all[n-1].End) {
				all[n-1].End = s.End
			}
			continue
		}
		all = append(all, s)
	}
	return all
}
