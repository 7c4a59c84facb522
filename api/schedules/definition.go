package schedules

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"trunkline/api/cdrs"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/delivery"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
	"trunkline/internal/tenant"
)

// usualLag is for how long a window is left alone where nothing is said, in seconds: long calls are recorded when they end.
const usualLag = 600

// days are how many each window has at most.
var days = map[schedule.Kind]int{schedule.PreviousDay: 1, schedule.PreviousWeek: 7, schedule.PreviousMonth: 31}

// create makes a schedule and says where it is.
func (s *Service) create(r *web.Request) error {
	made, err := s.Create(r)
	if err == nil {
		r.SetHeader("Location", "/v1/schedules/"+made.ID)
		r.Answer(http.StatusCreated, made)
	}
	return err
}

// Create makes a schedule.
func (s *Service) Create(r *web.Request) (view Schedule, err error) {
	if absent := r.Params.Absent("name", "cron"); len(absent) > 0 {
		return view, fault.Missing(absent...)
	}
	of, err := r.OneTenant()
	if err != nil {
		return view, err
	}
	d := store.Definition{DomainUUID: of.UUID, DomainName: of.Name}
	brought, err := s.destinationsOf(r, d.DomainUUID)
	if err != nil {
		return view, err
	}
	// Whatever is left out is as if it were given empty.
	if err := s.define(&d, r.Params, func(string) bool { return true }, brought); err != nil {
		return view, err
	}
	if d.Request, err = cdrs.ReadContent(r.Params, of); err != nil {
		return view, err
	}
	made, err := s.schedules.Create(r.Context(), d, r.Caller.Name)
	if err != nil {
		return view, err
	}
	r.Changed("schedule.create", subject(made), made.DomainUUID)
	return s.view(r, made)
}

// Change changes the path's schedule.
func (s *Service) Change(r *web.Request) (Schedule, error) { return s.ChangeSeen(r, "") }

// Version names a schedule as it was last changed, for ChangeSeen.
func (v Schedule) Version() string { return v.ChangedAt.UTC().Format(time.RFC3339Nano) }

// ChangeSeen changes the path's schedule unless somebody else has since its version was seen ("": any). Errors: those of
// Change; a fault.PreconditionFailed, if somebody has.
func (s *Service) ChangeSeen(r *web.Request, seen string) (view Schedule, err error) {
	record, err := s.ofPath(r)
	if err != nil {
		return view, err
	}
	brought, err := s.destinationsOf(r, record.DomainUUID)
	if err != nil {
		return view, err
	}
	changed, err := s.schedules.Edit(r.Context(), record.ID, r.Caller.Domains, r.Caller.Name, func(stands *store.Record) error {
		if now := (Schedule{ChangedAt: stands.ChangedAt}).Version(); seen != "" && seen != now {
			return fault.Errorf(fault.PreconditionFailed, "the schedule was changed since it was seen; look at it as it stands, and change that")
		}
		before := stands.Definition
		if err := s.define(&stands.Definition, r.Params, r.Params.Has, brought); err != nil {
			return err
		}
		if err := s.mayName(r, before, stands.Definition); err != nil {
			return err
		}
		content, err := cdrs.Changed(asked(*stands), r.Params)
		stands.Request = content
		return err
	})
	if err != nil {
		return view, err
	}
	r.Changed("schedule.change", subject(changed), changed.DomainUUID)
	return s.view(r, changed)
}

// mayName fails if files get other names at a destination that the caller does not see: there stand those of other domains,
// which theirs could pass for, or whose names they could take.
func (s *Service) mayName(r *web.Request, before, after store.Definition) error {
	parameter := ""
	switch {
	case cmp.Or(before.FileName, store.DefaultFileName) != cmp.Or(after.FileName, store.DefaultFileName):
		parameter = "file_name"
	case before.Name != after.Name && strings.Contains(string(cmp.Or(after.FileName, store.DefaultFileName)), "{schedule}"):
		parameter = "name"
	default:
		return nil
	}
	for _, id := range after.Destinations {
		_, err := s.destinations.Get(r.Context(), id, r.Caller.Domains)
		if fault.Is(err, fault.NotFound) {
			return fault.Errorf(fault.Forbidden, "%s: files of this schedule are brought to a destination of all domains, where whoever owns that says what they are called; ask them, or send destinations of your own too", parameter)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// define takes over what is said of a schedule, of the parameters that are said. One that is empty is the usual.
func (s *Service) define(d *store.Definition, given params.Values, said func(string) bool, brought []string) (err error) {
	if said("name") {
		d.Name = given.Get("name")
	}
	if said("cron") {
		d.Cron = given.Get("cron")
	}
	if said("time_zone") {
		d.TimeZone = given.Get("time_zone")
	}
	if said("window") {
		d.Window = schedule.PreviousDay
		if text := given.Get("window"); text != "" {
			if d.Window, err = schedule.ParseKind(strings.ToLower(text)); err != nil {
				return err
			}
		}
	}
	if most := s.settings.ExportDays; most > 0 && days[d.Window] > most {
		return fault.Invalid("window", "%s has up to %d days, more than the %d that one export may have (TRUNKLINE_EXPORT_DAYS); choose a shorter one", d.Window, days[d.Window], most)
	}
	if said("lag") {
		seconds, err := given.Number("lag", usualLag, 0, int(schedule.MaxLag.Seconds()))
		if err != nil {
			return err
		}
		d.Lag = time.Duration(seconds) * time.Second
	}
	if said("files") {
		switch given.Get("files") {
		case "", filesOne:
			d.EachDomain = false
		case filesEachDomain:
			d.EachDomain = true
		default:
			return fault.Invalid("files", "write %s or %s", filesOne, filesEachDomain)
		}
	}
	if said("file_name") {
		d.FileName = delivery.NameTemplate(given.Get("file_name"))
	}
	if said("destinations") {
		d.Destinations = brought
	}
	if said("enabled") {
		d.Enabled = true
		if given.Get("enabled") != "" {
			d.Enabled, err = given.Flag("enabled")
		}
	}
	return err
}

// destinationsOf are the ids of the destinations that are given, each of which the caller sees.
func (s *Service) destinationsOf(r *web.Request, domainUUID string) (ids []string, err error) {
	for _, called := range params.Split(r.Params.Get("destinations")) {
		d, err := s.destination(r.Context(), called, domainUUID, r.Caller.Domains)
		if fault.Is(err, fault.NotFound) {
			return nil, fault.Invalid("destinations", "there is no destination %.64q that this schedule could use; GET /v1/destinations lists them", called)
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, d.ID)
	}
	return ids, nil
}

// destination is the one of that id or name.
func (s *Service) destination(ctx context.Context, called, domainUUID string, domains tenant.Domains) (destinations.Destination, error) {
	if postgres.IsUUID(called) {
		return s.destinations.Get(ctx, called, domains)
	}
	return s.destinations.Named(ctx, called, domainUUID, domains)
}

// asked is what a schedule exports, with whose it is.
func asked(r store.Record) cdr.Request {
	request := r.Request
	request.DomainUUID, request.DomainName = r.DomainUUID, r.DomainName
	return request
}
