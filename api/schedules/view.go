package schedules

import (
	"cmp"
	"time"

	"trunkline/api/cdrs"
	"trunkline/api/web"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
)

// Schedule is what makes exports at its times, as callers see it. Its times are by the clock of its zone.
type Schedule struct {
	ID           string            `json:"id" format:"uuid"`
	DomainUUID   string            `json:"domain_uuid,omitempty" format:"uuid"` // absent: it is of all domains
	Domain       string            `json:"tenant_domain,omitempty"`             // whose CDRs it exports
	Name         string            `json:"name"`
	Cron         string            `json:"cron"`
	CronWords    string            `json:"cron_words"`        // the same as one says it, or as it was written
	Warning      string            `json:"warning,omitempty"` // what few want, and what to write instead
	TimeZone     string            `json:"time_zone"`
	Window       schedule.Kind     `json:"window"`
	Lag          int               `json:"lag"` // for how many seconds after its end a window is left alone
	Files        string            `json:"files" enum:"one,each_domain"`
	FileName     string            `json:"file_name"`    // what files are called at destinations
	Destinations []Destination     `json:"destinations"` // where files are brought
	Export       map[string]string `json:"export"`       // what each export holds and how it is written: the parameters that say so, and the format
	Enabled      bool              `json:"enabled"`
	// PausedBecause is why it is paused, if somebody said so.
	PausedBecause string `json:"paused_because,omitempty"`
	// FailingBecause is why it exports nothing at all: this build, or a scheduler's, cannot read it. What it has to export waits.
	FailingBecause string      `json:"failing_because,omitempty"`
	Watermark      time.Time   `json:"watermark"`             // up to where windows have been made
	Number         int64       `json:"number"`                // of the last window, 0 before the first
	NextRun        *time.Time  `json:"next_run,omitempty"`    // absent: it is paused
	NextRuns       []time.Time `json:"next_runs"`             // the next few; of one that is paused, when it would
	NextWindow     *NextWindow `json:"next_window,omitempty"` // the one that is made next: it begins where the last one ended
	Last           *Window     `json:"last,omitempty"`        // the window that was made last; absent: none yet
	Failing        int         `json:"failing"`               // how many windows have failed, and were neither exported again nor skipped
	// Deliveries are how many there are of all its files in each state, as far as they are kept; of one that is shown alone.
	Deliveries *outbox.Standing `json:"deliveries,omitempty"`
	CreatedBy  string           `json:"created_by"`
	CreatedAt  time.Time        `json:"created_at"`
	ChangedBy  string           `json:"changed_by"`
	ChangedAt  time.Time        `json:"changed_at"`
}

// Destination is where files of a schedule are brought.
type Destination struct {
	ID   string `json:"id" format:"uuid"`
	Name string `json:"name,omitempty"` // absent: it was deleted
}

// NextWindow is the span of time that is exported next.
type NextWindow struct {
	Start time.Time  `json:"start"`
	End   *time.Time `json:"end,omitempty"` // not in it; absent: when the schedule runs, less its lag
}

// SchedulePage is one page of the list, newest first.
type SchedulePage struct {
	Schedules []Schedule `json:"schedules"` // the files of their last windows are shown of one alone
	Next      string     `json:"next,omitempty"`
}

// subject names a schedule in the record of changes: its name can be another's later.
func subject(r store.Record) string { return r.ID + " " + r.Name }

// view is one schedule with all of its last window.
func (s *Service) view(r *web.Request, record store.Record) (Schedule, error) {
	views, err := s.views(r, record)
	if err != nil {
		return Schedule{}, err
	}
	view := views[0]
	if record.Last != nil {
		windows, err := s.windowViews(r, *record.Last)
		if err != nil {
			return view, err
		}
		view.Last = &windows[0]
	}
	view.Deliveries, err = s.outbox.OfSchedule(r.Context(), record.ID)
	return view, err
}

// views are schedules, with their last windows but without the files of these.
func (s *Service) views(r *web.Request, all ...store.Record) ([]Schedule, error) {
	var domains, ids []string
	for _, record := range all {
		if record.DomainUUID != "" {
			domains = append(domains, record.DomainUUID)
		}
		ids = append(ids, record.Destinations...)
	}
	domainNames, err := s.db.DomainNames(r.Context(), domains)
	if err != nil {
		return nil, err
	}
	names, err := s.destinations.Names(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	views := make([]Schedule, len(all))
	for i, record := range all {
		view := &views[i]
		*view = Schedule{
			ID: record.ID, DomainUUID: record.DomainUUID, Domain: cmp.Or(domainNames[record.DomainUUID], record.DomainName), Name: record.Name,
			Cron: record.Cron, CronWords: record.Cron, TimeZone: record.TimeZone, Window: record.Window, Lag: int(record.Lag.Seconds()), Files: filesOne,
			FileName: string(record.FileName), Destinations: make([]Destination, len(record.Destinations)), Export: cdrs.Content(asked(record)),
			Enabled: record.Enabled, PausedBecause: record.PausedBecause, Number: record.State.Number, Watermark: record.State.Watermark,
			NextRuns: []time.Time{}, Failing: record.Failing, FailingBecause: record.Unreadable,
			CreatedBy: record.CreatedBy, CreatedAt: record.CreatedAt, ChangedBy: record.ChangedBy, ChangedAt: record.ChangedAt,
		}
		if record.EachDomain {
			view.Files = filesEachDomain
		}
		for j, id := range record.Destinations {
			view.Destinations[j] = Destination{id, names[id]}
		}
		view.addTimes(record, s.schedules.Now())
		if record.Last != nil {
			last := windowView(*record.Last)
			view.Last = &last
		}
	}
	return views, nil
}

// addTimes adds when it runs, if this build can tell: another may have made it.
func (v *Schedule) addTimes(record store.Record, now time.Time) {
	rules, err := record.Schedule()
	if err != nil {
		return // FailingBecause says so
	}
	v.CronWords, v.Warning, v.Watermark = rules.Cron.Words(), rules.Cron.Warning(), v.Watermark.In(rules.Zone)
	if record.NextRun != nil {
		v.NextRun = new(record.NextRun.In(rules.Zone))
	}
	v.NextRuns = runs(rules, now, usualTimes)
	next, fixed := rules.NextWindow(record.State)
	v.NextWindow = &NextWindow{Start: next.Start.In(rules.Zone)}
	if fixed {
		v.NextWindow.End = new(next.End.In(rules.Zone))
	}
}
