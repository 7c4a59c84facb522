package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/schedule"
	"trunkline/internal/tenant"
)

// Series is for what a window was made. Each counts its windows by itself.
type Series string

// The series of windows.
const (
	SeriesRun      Series = "run"      // by the schedule
	SeriesBackfill Series = "backfill" // of a past span, as somebody asked for
	SeriesExtra    Series = "extra"    // of one that is not over yet; it has no number
)

// AllSeries lists every series, for checking a caller's filter.
var AllSeries = []Series{SeriesRun, SeriesBackfill, SeriesExtra}

// State is where a window stands.
type State string

// The states of a window.
const (
	StateWaiting   State = "waiting" // for its turn
	StateRunning   State = "running" // its export jobs are queued or running
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed" // after all retries; it can be run again
	StateSkipped   State = "skipped"
)

// States lists every state, for checking a caller's filter.
var States = []State{StateWaiting, StateRunning, StateSucceeded, StateFailed, StateSkipped}

// Window is a span of time that a schedule exports. Its fields but the last stand as in windowColumns.
type Window struct {
	ID         string     `json:"id" format:"uuid"` // a later one has a greater one (version 7)
	ScheduleID string     `json:"schedule" format:"uuid"`
	Series     Series     `json:"series" enum:"run,backfill,extra"`
	Number     *int64     `json:"number,omitempty"`   // within its series, from 1 without a gap; absent: an extra export
	Revision   int        `json:"revision,omitempty"` // how often it has been exported again
	Start      time.Time  `json:"start"`
	End        time.Time  `json:"end"` // not in it
	TimeZone   string     `json:"time_zone"`
	State      State      `json:"state" enum:"waiting,running,succeeded,failed,skipped"`
	Reason     string     `json:"reason,omitempty"` // why it was skipped or has failed
	MadeAt     time.Time  `json:"made_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	Files      []File     `json:"files,omitempty"`
}

// File is one file of a window. Its fields but the first stand as in fileColumns.
type File struct {
	WindowID   string `json:"-"`
	JobID      string `json:"job_id" format:"uuid"` // the export that makes it
	DomainUUID string `json:"domain_uuid,omitempty"`
	DomainName string `json:"domain,omitempty"` // absent: of all domains
	Name       string `json:"name"`             // at destinations
	State      string `json:"state" enum:"queued,running,succeeded,failed,cancelled"`
	Rows       *int64 `json:"rows,omitempty"`
	LateRows   *int64 `json:"late_rows,omitempty"` // how many of them came after their own window was exported
	Bytes      *int64 `json:"bytes,omitempty"`
	SHA256     string `json:"sha256,omitempty"`
	Error      string `json:"error,omitempty"`
}

const (
	windowColumns = `w.id::text, w.schedule_id::text, w.series, w.number, w.revision, w.start_at, w.end_at, w.time_zone, w.state, coalesce(w.reason, ''), w.made_at, w.ended_at`
	fileColumns   = `f.window_id::text, f.job_id::text, coalesce(f.domain_uuid::text, ''), f.domain_name, f.name, f.state, f.rows, f.late_rows, f.bytes, coalesce(f.sha256, ''), coalesce(f.error, '')`
)

// Label is the window's number as names of files have it: digits, b and digits, or x and digits, with -r and the revision
// behind it.
func (w Window) Label() string {
	var label string
	switch w.Series {
	case SeriesBackfill:
		label = fmt.Sprintf("b%06d", *w.Number)
	case SeriesExtra:
		label = fmt.Sprintf("x%d", w.MadeAt.UnixMicro())
	default:
		label = fmt.Sprintf("%06d", *w.Number)
	}
	if w.Revision > 0 {
		label += fmt.Sprintf("-r%d", w.Revision)
	}
	return label
}

// mayStart is whether window w of schedule s may be exported now, by WaitsWhilePaused.
const mayStart = "w.state = 'waiting' and (s.enabled or w.series = 'extra' or w.revision > 0)"

// WaitsWhilePaused reports whether a paused schedule leaves the window alone: it exports what somebody asks for by name, which
// is extra or again, and nothing else.
func (w Window) WaitsWhilePaused() bool { return w.Series != SeriesExtra && w.Revision == 0 }

// zoneOf is the zone that the window was made in, or UTC if this machine does not know it.
func zoneOf(w Window) *time.Location {
	if zone, err := time.LoadLocation(w.TimeZone); err == nil {
		return zone
	}
	return time.UTC
}

// over reports whether nothing is to come of the window any more.
func (s State) over() bool { return s == StateSucceeded || s == StateFailed || s == StateSkipped }

func readWindows(ctx context.Context, q postgres.Querier, sql string, args ...any) ([]Window, error) {
	return postgres.Rows(ctx, q, "reading windows", func(r pgx.CollectableRow) (w Window, err error) {
		err = r.Scan(&w.ID, &w.ScheduleID, &w.Series, &w.Number, &w.Revision, &w.Start, &w.End, &w.TimeZone, &w.State, &w.Reason, &w.MadeAt, &w.EndedAt)
		w.Start, w.End = w.Start.UTC(), w.End.UTC()
		return w, err
	}, "select "+windowColumns+" from trunkline.windows as w "+sql, args...)
}

// addFiles adds the windows' files to them.
func addFiles(ctx context.Context, q postgres.Querier, windows []Window) error {
	at := make(map[string]*Window, len(windows))
	ids := make([]string, len(windows))
	for i := range windows {
		ids[i] = windows[i].ID
		at[ids[i]] = &windows[i]
	}
	files, err := postgres.Rows(ctx, q, "reading the files of windows", pgx.RowToStructByPos[File],
		"select "+fileColumns+" from trunkline.window_files as f where f.window_id = any($1::uuid[]) order by f.window_id, f.domain_name, f.job_id", ids)
	for _, f := range files {
		w := at[f.WindowID]
		w.Files = append(w.Files, f)
	}
	return err
}

// addLast adds to each schedule the window that was made last.
func (s *Store) addLast(ctx context.Context, all []Record) error {
	ids, at := make([]string, len(all)), make(map[string]*Record, len(all))
	for i := range all {
		ids[i] = all[i].ID
		at[ids[i]] = &all[i]
	}
	windows, err := readWindows(ctx, s.Pool, `where w.id = any(array(
		select (select id from trunkline.windows where schedule_id = s order by id desc limit 1) from unnest($1::uuid[]) as s))`, ids)
	if err == nil {
		err = addFiles(ctx, s.Pool, windows)
	}
	for i := range windows {
		at[windows[i].ScheduleID].Last = &windows[i]
	}
	return err
}

// History says which windows of a schedule are meant: the newest first, after the one of the id After ("" for the first page).
type History struct {
	Series Series // "": any
	State  State  // "": any
	Number int64  // 0: any
	After  string
	Limit  int
}

// History returns a page of a schedule's windows, and the After of the next page, "" on the last one. Errors: ErrNotFound.
func (s *Store) History(ctx context.Context, id string, domains tenant.Domains, h History) (page []Window, next string, err error) {
	if _, err := s.Get(ctx, id, domains); err != nil {
		return nil, "", err
	}
	page, err = readWindows(ctx, s.Pool, `
		where w.schedule_id = $1 and ($2 = '' or w.series = $2) and ($3 = '' or w.state = $3) and ($4 = 0 or w.number = $4) and ($5 = '' or w.id < nullif($5, '')::uuid)
		order by w.id desc limit $6`, id, string(h.Series), string(h.State), h.Number, h.After, h.Limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(page) > h.Limit {
		page = page[:h.Limit]
		next = page[h.Limit-1].ID
	}
	return page, next, addFiles(ctx, s.Pool, page)
}

// Window is one window of a schedule. Errors: ErrNotFound; a fault.NotFound of the window.
func (s *Store) Window(ctx context.Context, id string, domains tenant.Domains, window string) (Window, error) {
	if _, err := s.Get(ctx, id, domains); err != nil {
		return Window{}, err
	}
	var found []Window
	var err error
	if postgres.IsUUID(window) {
		found, err = readWindows(ctx, s.Pool, "where w.schedule_id = $1 and w.id = $2", id, window)
	}
	if err == nil && len(found) == 0 {
		err = fault.Errorf(fault.NotFound, "this schedule has no such window, or keeps it no longer (TRUNKLINE_SCHEDULE_RETENTION); its history lists them")
	}
	if err == nil {
		err = addFiles(ctx, s.Pool, found)
	}
	if err != nil {
		return Window{}, err
	}
	return found[0], nil
}

// newWindow is a window that waits for its turn.
func (s *Store) newWindow(r Record, series Series, w schedule.Window, now time.Time) Window {
	made := Window{ID: s.newID(now), ScheduleID: r.ID, Series: series, Start: w.Start, End: w.End, TimeZone: r.TimeZone, State: StateWaiting, MadeAt: now}
	if series != SeriesExtra {
		made.Number = &w.Number
	}
	return made
}

// keep queues the windows' rows.
func keep(batch *pgx.Batch, windows ...Window) {
	for _, w := range windows {
		batch.Queue(`
			insert into trunkline.windows (id, schedule_id, series, number, revision, start_at, end_at, time_zone, state, reason, made_at, ended_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, nullif($10, ''), $11, $12)`,
			w.ID, w.ScheduleID, string(w.Series), w.Number, w.Revision, w.Start, w.End, w.TimeZone, string(w.State), w.Reason, w.MadeAt, w.EndedAt)
	}
}

// keepState queues what the schedule has made by now.
func keepState(batch *pgx.Batch, r Record, state schedule.State) {
	batch.Queue("update trunkline.schedules set watermark = $2, number = $3 where id = $1", r.ID, state.Watermark, state.Number)
}
