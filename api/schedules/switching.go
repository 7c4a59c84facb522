package schedules

import (
	"cmp"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/schedule/store"
)

// MaxReason bounds why something is paused, in bytes.
const MaxReason = 500

// Switched are the schedules that were paused or resumed.
type Switched struct {
	Count     int     `json:"count"`
	Schedules []Brief `json:"schedules"` // those that were not so before
}

// Brief names a schedule.
type Brief struct {
	ID         string `json:"id" format:"uuid"`
	DomainUUID string `json:"domain_uuid,omitempty" format:"uuid"` // absent: it is of all domains
	Domain     string `json:"tenant_domain,omitempty"`
	Name       string `json:"name"`
}

// Pause pauses the path's schedule.
func (s *Service) Pause(r *web.Request) (Schedule, error) { return s.switchOne(r, false) }

// Resume has the path's schedule run again.
func (s *Service) Resume(r *web.Request) (Schedule, error) { return s.switchOne(r, true) }

func (s *Service) switchOne(r *web.Request, enabled bool) (view Schedule, err error) {
	record, err := s.ofPath(r)
	if err != nil {
		return view, err
	}
	if _, err := s.switchAll(r, store.Filter{Domains: r.Caller.Domains, IDs: []string{record.ID}}, enabled); err != nil {
		return view, err
	}
	return s.Show(r)
}

// PauseMany pauses the schedules that the filter means.
func (s *Service) PauseMany(r *web.Request) (Switched, error) { return s.switchMany(r, false) }

// ResumeMany has the schedules that the filter means run again.
func (s *Service) ResumeMany(r *web.Request) (Switched, error) { return s.switchMany(r, true) }

func (s *Service) switchMany(r *web.Request, enabled bool) (answer Switched, err error) {
	f, filtered, err := filterOf(r)
	if err != nil {
		return answer, err
	}
	all, err := r.Params.Flag("all")
	switch {
	case err != nil:
		return answer, err
	case filtered && all:
		return answer, fault.Invalid("all", "stands in place of a filter; leave it or the filter out")
	case !filtered && !all:
		return answer, fault.Missing("all=true, or a filter: tenant_domain, domain_uuid, name, enabled or failing")
	}
	changed, err := s.switchAll(r, f, enabled)
	if err != nil {
		return answer, err
	}
	answer = Switched{len(changed), make([]Brief, len(changed))}
	for i, record := range changed {
		answer.Schedules[i] = Brief{record.ID, record.DomainUUID, record.DomainName, record.Name}
	}
	return answer, nil
}

// switchAll pauses or resumes schedules and records each that was not so before.
func (s *Service) switchAll(r *web.Request, f store.Filter, enabled bool) ([]store.Record, error) {
	action, because := "schedule.resume", ""
	if !enabled {
		action, because = "schedule.pause", cmp.Or(r.Params.Get("reason"), "by "+r.Caller.Name)
	}
	if len(because) > MaxReason {
		return nil, fault.Invalid("reason", "has more than %d bytes; shorten it", MaxReason)
	}
	changed, err := s.schedules.SetEnabled(r.Context(), f, enabled, because, r.Caller.Name)
	if err != nil {
		return nil, err
	}
	for _, record := range changed {
		r.Changed(action, subject(record), record.DomainUUID)
	}
	return changed, nil
}
