package schedules

import (
	"slices"
	"time"

	"trunkline/api/web"
	"trunkline/internal/delivery/outbox"
	"trunkline/internal/fault"
	"trunkline/internal/schedule/store"
)

// maxFiles is how many files one page of windows shows before it ends early. A window is shown whole.
const maxFiles = 2000

// Window is a span of time that a schedule exports, as callers see it. Its times are by the clock of its zone.
type Window struct {
	ID         string       `json:"id" format:"uuid"`
	ScheduleID string       `json:"schedule" format:"uuid"`
	Series     store.Series `json:"series" enum:"run,backfill,extra"`
	Number     *int64       `json:"number,omitempty"` // within its series, from 1 without a gap; absent: an extra export
	Revision   int          `json:"revision"`         // 0, or how often it has been exported again
	Label      string       `json:"label"`            // both, as names of files have them
	Start      time.Time    `json:"start"`
	End        time.Time    `json:"end"` // not in it
	TimeZone   string       `json:"time_zone"`
	State      store.State  `json:"state" enum:"waiting,running,succeeded,failed,skipped"`
	Reason     string       `json:"reason,omitempty"` // why it was skipped or has failed
	MadeAt     time.Time    `json:"made_at"`
	EndedAt    *time.Time   `json:"ended_at,omitempty"`
	Files      []File       `json:"files,omitempty"`
	// Deliveries are how many there are of all its files in each state; absent: they are brought nowhere, or there is no file yet.
	Deliveries *outbox.Standing `json:"deliveries,omitempty"`
}

// File is one file of a window.
type File struct {
	JobID      string `json:"job_id" format:"uuid"`                // the export that makes it
	DomainUUID string `json:"domain_uuid,omitempty" format:"uuid"` // absent: of all domains
	Domain     string `json:"tenant_domain,omitempty"`             // what it was called then
	Name       string `json:"name"`                                // at destinations
	State      string `json:"state"`                               // of the export: queued, running, succeeded, failed or cancelled
	Rows       *int64 `json:"rows,omitempty"`
	LateRows   *int64 `json:"late_rows,omitempty"` // how many of them came after their own window was exported
	Bytes      *int64 `json:"bytes,omitempty"`
	SHA256     string `json:"sha256,omitempty"` // of the file, in hex
	Error      string `json:"error,omitempty"`  // why the export has failed
	// Deliveries are how many there are of it in each state; absent: it is brought nowhere, or there is no file yet.
	Deliveries      *outbox.Standing `json:"deliveries,omitempty"`
	DownloadURL     string           `json:"download_url,omitempty"`                        // a fresh link
	DownloadExpires string           `json:"download_expires,omitempty" format:"date-time"` // when it ends
}

// WindowPage is one page of a schedule's windows, newest first.
type WindowPage struct {
	Windows []Window `json:"windows"`
	Next    string   `json:"next,omitempty"` // the after of the next page; absent on the last one
}

// Windows lists the windows of the path's schedule, newest first, in pages by key.
func (s *Service) Windows(r *web.Request) (page WindowPage, err error) {
	h := store.History{Series: store.Series(r.Params.Get("series")), State: store.State(r.Params.Get("state"))}
	if h.Series != "" && !slices.Contains(store.AllSeries, h.Series) {
		return page, fault.Invalid("series", "write run, backfill or extra")
	}
	if h.State != "" && !slices.Contains(store.States, h.State) {
		return page, fault.Invalid("state", "write waiting, running, succeeded, failed or skipped")
	}
	number, err := r.Params.Number("number", 0, 1, maxNumber)
	if err != nil {
		return page, err
	}
	h.Number = int64(number)
	if h.After, h.Limit, err = r.Params.Page(); err != nil {
		return page, err
	}
	found, next, err := s.schedules.History(r.Context(), r.Path("id"), r.Caller.Domains, h)
	if err != nil {
		return page, err
	}
	files := 0
	for i, w := range found {
		if files += len(w.Files); files > maxFiles && i > 0 {
			found, next = found[:i], found[i-1].ID
			break
		}
	}
	page.Next = next
	page.Windows, err = s.windowViews(r, found...)
	return page, err
}

// Window shows the path's window of the path's schedule.
func (s *Service) Window(r *web.Request) (Window, error) {
	found, err := s.schedules.Window(r.Context(), r.Path("id"), r.Caller.Domains, r.Path("window"))
	if err != nil {
		return Window{}, err
	}
	views, err := s.windowViews(r, found)
	if err != nil {
		return Window{}, err
	}
	return views[0], nil
}

// windowViews are windows with their files.
func (s *Service) windowViews(r *web.Request, all ...store.Window) ([]Window, error) {
	var ids []string
	for _, w := range all {
		for _, f := range w.Files {
			ids = append(ids, f.JobID)
		}
	}
	standing, err := s.outbox.OfExports(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	links, err := s.cdrs.Links(r, ids)
	if err != nil {
		return nil, err
	}
	views := make([]Window, len(all))
	for i, w := range all {
		views[i] = windowView(w)
		for _, f := range w.Files {
			link := links[f.JobID]
			view := File{
				JobID: f.JobID, DomainUUID: f.DomainUUID, Domain: f.DomainName, Name: f.Name, State: f.State, Rows: f.Rows, LateRows: f.LateRows, Bytes: f.Bytes, SHA256: f.SHA256, Error: f.Error,
				DownloadURL: link.URL, DownloadExpires: link.Expires,
			}
			if of, some := standing[f.JobID]; some {
				view.Deliveries = &of
				if views[i].Deliveries == nil {
					views[i].Deliveries = &outbox.Standing{}
				}
				*views[i].Deliveries = views[i].Deliveries.Plus(of)
			}
			views[i].Files = append(views[i].Files, view)
		}
	}
	return views, nil
}

// windowView is a window without its files.
func windowView(w store.Window) Window {
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil { // another build's
		zone = time.UTC
	}
	return Window{
		ID: w.ID, ScheduleID: w.ScheduleID, Series: w.Series, Number: w.Number, Revision: w.Revision, Label: w.Label(), Start: w.Start.In(zone), End: w.End.In(zone),
		TimeZone: w.TimeZone, State: w.State, Reason: w.Reason, MadeAt: w.MadeAt, EndedAt: w.EndedAt,
	}
}
