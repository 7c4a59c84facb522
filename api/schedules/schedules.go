package schedules

import (
	"trunkline/api/web"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
)

// List lists the schedules that the caller may see, newest first, in pages by key.
func (s *Service) List(r *web.Request) (page SchedulePage, err error) {
	f, _, err := filterOf(r)
	if err != nil {
		return page, err
	}
	if f.After, f.Limit, err = r.Params.Page(); err != nil {
		return page, err
	}
	found, next, err := s.schedules.List(r.Context(), f)
	if err != nil {
		return page, err
	}
	page.Next = next
	page.Schedules, err = s.views(r, found...)
	return page, err
}

// ScheduleCounts are how many schedules a filter means.
type ScheduleCounts struct {
	Schedules int `json:"schedules"` // all of them
	Enabled   int `json:"enabled"`   // those that run
	Paused    int `json:"paused"`
	Failing   int `json:"failing"` // those of which a window has failed, or that no scheduler can read
}

// Count counts the schedules that a filter means, of those that the caller may see.
func (s *Service) Count(r *web.Request) (ScheduleCounts, error) {
	f, _, err := filterOf(r)
	if err != nil {
		return ScheduleCounts{}, err
	}
	t, err := s.schedules.Tally(r.Context(), f)
	return ScheduleCounts(t), err
}

// filterOf reads which schedules are meant, and whether anything at all was said of that.
func filterOf(r *web.Request) (f store.Filter, filtered bool, err error) {
	f.Domains = r.Caller.Domains
	d, named, err := r.Tenant()
	switch {
	case err != nil:
		return f, false, err
	case named && d.UUID == "":
		f.Domains, f.NoDomain = tenant.All, true
	case named:
		f.Domains = tenant.Only(d)
	}
	f.Name = r.Params.Get("name")
	if r.Params.Get("enabled") != "" {
		enabled, err := r.Params.Flag("enabled")
		if err != nil {
			return f, false, err
		}
		f.Enabled = &enabled
	}
	if f.Failing, err = r.Params.Flag("failing"); err != nil {
		return f, false, err
	}
	return f, named || f.Name != "" || f.Enabled != nil || f.Failing, nil
}

// ofPath is the path's schedule.
func (s *Service) ofPath(r *web.Request) (store.Record, error) {
	return s.schedules.Get(r.Context(), r.Path("id"), r.Caller.Domains)
}

// Show shows the path's schedule.
func (s *Service) Show(r *web.Request) (Schedule, error) {
	record, err := s.ofPath(r)
	if err != nil {
		return Schedule{}, err
	}
	return s.view(r, record)
}

// Delete deletes the path's schedule.
func (s *Service) Delete(r *web.Request) (Schedule, error) {
	record, err := s.schedules.Delete(r.Context(), r.Path("id"), r.Caller.Domains)
	if err != nil {
		return Schedule{}, err
	}
	r.Changed("schedule.delete", subject(record), record.DomainUUID)
	return s.view(r, record)
}
