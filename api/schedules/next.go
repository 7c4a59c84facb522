package schedules

import (
	"time"

	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/fault"
	"trunkline/internal/schedule"
)

const (
	usualTimes = 5
	maxTimes   = 100
)

// Times are when a schedule runs next.
type Times struct {
	Cron      string      `json:"cron"`
	CronWords string      `json:"cron_words"`        // the same as one says it, or as it was written
	Warning   string      `json:"warning,omitempty"` // what few want, and what to write instead
	TimeZone  string      `json:"time_zone"`
	Runs      []time.Time `json:"runs"` // by the clock of the zone
}

// NextOf says when an expression runs, before a schedule is made of it.
func (s *Service) NextOf(r *web.Request) (times Times, err error) {
	if absent := r.Params.Absent("cron"); len(absent) > 0 {
		return times, fault.Missing(absent...)
	}
	of, named, err := r.Tenant()
	if err != nil {
		return times, err
	}
	if !named && r.Caller.Domains.All {
		of.UUID = ""
	}
	rules := schedule.Schedule{}
	if rules.Cron, err = schedule.ParseCron(r.Params.Get("cron")); err != nil {
		return times, err
	}
	if rules.Zone, err = cdr.Zone(r.Context(), s.db, of.UUID, r.Params.Get("time_zone")); err != nil {
		return times, err
	}
	return s.times(r, rules)
}

// Next says when the path's schedule runs.
func (s *Service) Next(r *web.Request) (times Times, err error) {
	record, err := s.ofPath(r)
	if err != nil {
		return times, err
	}
	rules, err := record.Schedule()
	if err != nil {
		return times, err
	}
	return s.times(r, rules)
}

func (s *Service) times(r *web.Request, rules schedule.Schedule) (times Times, err error) {
	n, err := r.Params.Number("n", usualTimes, 1, maxTimes)
	if err != nil {
		return times, err
	}
	return Times{
		Cron: rules.Cron.String(), CronWords: rules.Cron.Words(), Warning: rules.Cron.Warning(), TimeZone: rules.Zone.String(),
		Runs: runs(rules, s.schedules.Now(), n),
	}, nil
}

// runs are the next n times after the moment, in the zone.
func runs(rules schedule.Schedule, after time.Time, n int) []time.Time {
	all := make([]time.Time, n)
	for i := range all {
		after = rules.Next(after)
		all[i] = after.In(rules.Zone)
	}
	return all
}
