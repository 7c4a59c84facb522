package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"trunkline/api/cdrs"
	"trunkline/api/params"
	"trunkline/api/schedules"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/schedule"
	"trunkline/internal/token"
)

var (
	newSchedulePage = page{
		path: "/schedules/new", title: "New schedule", template: "scheduleform", unlisted: true, scope: token.ScopeExport, show: (*Service).newSchedule,
		actions: []action{
			{path: "/schedules/new", scope: token.ScopeExport, params: scheduleFormParams, do: (*Service).createSchedule, again: (*Service).newScheduleAgain},
			{path: "/schedules/new/preview", scope: token.ScopeExport, params: scheduleFormParams, answer: (*Service).previewNewSchedule},
		},
	}
	editSchedulePage = page{
		path: "/schedules/:id/edit", title: "Change a schedule", template: "scheduleform", unlisted: true, scope: token.ScopeExport, show: (*Service).editSchedule,
		actions: []action{
			{path: "/schedules/:id/edit", scope: token.ScopeExport, params: scheduleFormParams, do: (*Service).changeSchedule, again: (*Service).editScheduleAgain},
			{path: "/schedules/:id/edit/preview", scope: token.ScopeExport, params: scheduleFormParams, answer: (*Service).previewEditedSchedule},
		},
	}
)

// scheduleFormParams are those of a schedule that the forms have.
var scheduleFormParams = slices.Concat([]web.Param{
	{Name: "name"}, {Name: "tenant_domain"}, {Name: "cron"}, {Name: "time_zone"}, {Name: "window"}, {Name: "lag"}, {Name: "files"}, {Name: "file_name"}, {Name: "enabled"},
	{Name: "destinations", Kind: web.KindUUIDs}, versionParam,
}, cdrs.ContentParams())

// The fields of the parts of the form, in their order; those of what is exported stand as in that of an export.
var (
	scheduleWhen    = []string{"name", "tenant_domain", "cron", "time_zone", "window", "lag", "enabled"}
	scheduleCalls   = exportCalls[4:] // without its span and domain
	scheduleFile    = exportFile
	scheduleBrought = []string{"destinations", "file_name"}
)

// scheduleForm is the page of the form.
type scheduleForm struct {
	Form                       form
	When, Calls, File, Brought []field
	Path, Back                 string
	Of                         *schedules.Schedule // which is changed; nil: a new one is made
	Version                    string              // of what is changed, as it was seen
	Preview                    section[schedules.Times]
	MorePlaces                 bool // there are more destinations than the form shows
}

func (s *Service) newSchedule(r *web.Request) (any, error) {
	return s.scheduleForm(r, params.Values{}, nil)
}

func (s *Service) newScheduleAgain(r *web.Request, f *fault.Error) (any, error) {
	p, err := s.scheduleForm(r, r.Params, nil)
	return p.blamed(f), err
}

func (s *Service) previewNewSchedule(r *web.Request) (shown, error) {
	p, err := s.scheduleForm(r, r.Params, nil)
	return shown{http.StatusOK, "scheduleform", "New schedule", p}, err
}

func (s *Service) createSchedule(r *web.Request) (next string, err error) {
	made, err := s.Schedules.Create(r)
	return "/schedules/" + made.ID, err
}

func (s *Service) editSchedule(r *web.Request) (any, error) {
	is, err := s.Schedules.Show(r)
	if err != nil {
		return nil, err
	}
	return s.scheduleForm(r, scheduleValues(is), &is)
}

// editScheduleAgain is the form with what was typed and what is wrong with it. If the schedule was changed since, the form is
// about it as it stands by now, and can be sent again.
func (s *Service) editScheduleAgain(r *web.Request, f *fault.Error) (any, error) {
	p, err := s.editedSchedule(r)
	if err != nil {
		return nil, err
	}
	if p = p.blamed(f); f.Code == fault.PreconditionFailed {
		p.Version = p.Of.Version()
		p.Form.Problem = "The schedule was changed since this form was made. Look at it as it stands; to save once more has it be as the form says."
	}
	return p, nil
}

func (s *Service) previewEditedSchedule(r *web.Request) (shown, error) {
	p, err := s.editedSchedule(r)
	return shown{http.StatusOK, "scheduleform", "Change a schedule", p}, err
}

// editedSchedule is the form of a change with what was typed.
func (s *Service) editedSchedule(r *web.Request) (p scheduleForm, err error) {
	is, err := s.Schedules.Show(r)
	if err != nil {
		return p, err
	}
	p, err = s.scheduleForm(r, r.Params, &is)
	p.Version = r.Params.Get(versionParam.Name)
	return p, err
}

// changeSchedule sends on what was typed otherwise than it stands: what is not changed needs no right to change it.
func (s *Service) changeSchedule(r *web.Request) (next string, err error) {
	is, err := s.Schedules.Show(r)
	if err != nil {
		return "", err
	}
	stands, changed := scheduleValues(is), params.Values{}
	for _, p := range scheduleFormParams {
		typed, was := r.Params.Get(p.Name), stands.Get(p.Name)
		switch p.Name {
		case versionParam.Name, "tenant_domain", "enabled":
			continue
		case "destinations": // of which none is ticked where there is none
			if slices.Equal(slices.Sorted(slices.Values(params.Split(typed))), slices.Sorted(slices.Values(params.Split(was)))) {
				continue
			}
		default:
			if !r.Params.Has(p.Name) || typed == was {
				continue
			}
		}
		changed[p.Name] = typed
	}
	if len(changed) > 0 {
		_, err = s.Schedules.ChangeSeen(r.With(changed), r.Params.Get(versionParam.Name))
	}
	return "/schedules/" + is.ID, err
}

// scheduleValues are a schedule as its form has it.
func scheduleValues(is schedules.Schedule) params.Values {
	var brought []string
	for _, d := range is.Destinations {
		brought = append(brought, d.ID)
	}
	values := params.Values{
		"name": is.Name, "cron": is.Cron, "time_zone": is.TimeZone, "window": string(is.Window), "lag": strconv.Itoa(is.Lag), "files": is.Files, "file_name": is.FileName,
		"destinations": strings.Join(brought, ","),
	}
	for name, value := range is.Export {
		values[name] = value
	}
	if t, _ := cdr.FindTemplate(values.Get("template")); values.Get("format") == string(cmp.Or(t.Format, export.JSON)) {
		values["format"] = "" // another template brings its own
	}
	return values
}

// scheduleForm is the form with these values, of a new schedule or of one that is changed.
func (s *Service) scheduleForm(r *web.Request, values params.Values, of *schedules.Schedule) (p scheduleForm, err error) {
	p = scheduleForm{Path: home + "/schedules/new", Back: home + "/schedules", Of: of}
	windows := field{Name: "window", Label: "What each export covers", Type: choiceField}
	for _, kind := range []schedule.Kind{schedule.PreviousDay, schedule.PreviousWeek, schedule.PreviousMonth, schedule.SinceLastRun} {
		windows.Options = append(windows.Options, option{Value: string(kind), Label: kindWords[kind]})
	}
	fields := []field{
		{Name: "name", Label: "Name", Required: true, About: "Unique among the domain’s."},
		{Name: "cron", Label: "When it runs", Required: true, About: "Minute, hour, day of the month, month, day of the week, such as 15 0 * * * for every day at 00:15; or @daily, @weekly, @monthly."},
		{Name: "time_zone", Label: "Time zone", About: "Whose clock that and the windows go by, such as Europe/Paris; the domain’s if it is empty."},
		windows,
		{Name: "lag", Label: "Seconds for which a window is left alone after its end", Type: numberField, About: "CDRs come when calls end; 600 if it is empty."},
		{Name: "file_name", Label: "What files are called at destinations", About: "A relative path with {number} and other placeholders; {schedule}/{domain}_{date_start}_{number}.{extension} if it is empty."},
	}
	if of == nil {
		domain, offered, err := s.domainField(r, field{Name: "tenant_domain", Label: "Domain", Required: true, About: "Whose calls it exports."})
		if err != nil {
			return p, err
		}
		if offered {
			fields = append(fields, domain)
		}
		fields = append(fields, field{Name: "enabled", Label: "Begin", Type: choiceField, Options: []option{{Value: "true", Label: "at once"}, {Value: "false", Label: "paused"}}})
	} else {
		p.Path, p.Back, p.Version = home+"/schedules/"+of.ID+"/edit", home+"/schedules/"+of.ID, of.Version()
	}
	if of == nil && r.Caller.Domains.All || of != nil && of.DomainUUID == "" {
		fields = append(fields, field{Name: "files", Label: "Files", Type: choiceField, About: "Of a schedule of all domains.", Options: []option{{Value: "one", Label: "one a window"}, {Value: "each_domain", Label: "one for each domain"}}})
	}
	for _, param := range cdrs.ContentParams() {
		fields = append(fields, contentField(param))
	}
	places, err := s.Deliveries.Destinations(r.With(params.Values{"limit": mostPlaces}))
	if err != nil {
		return p, err
	}
	to := placesField(places.Destinations)
	to.Name = "destinations"
	if of != nil {
		to.Options = withBrought(to.Options, of.Destinations)
	}
	if p.MorePlaces = places.Next != ""; len(to.Options) > 0 {
		fields = append(fields, to)
	}
	p.Form = newForm("schedule", values, fields...)
	p.When, p.Calls, p.File, p.Brought = p.Form.Some(scheduleWhen...), p.Form.Some(scheduleCalls...), p.Form.Some(scheduleFile...), p.Form.Some(scheduleBrought...)
	if values.Get("cron") != "" {
		p.Preview.Shown = true
		asked := params.Values{"cron": values.Get("cron"), "time_zone": values.Get("time_zone"), "tenant_domain": values.Get("tenant_domain")}
		if of != nil {
			delete(asked, "tenant_domain")
			asked["domain_uuid"] = of.DomainUUID
		}
		if p.Preview.Is, err = s.Schedules.NextOf(r.With(asked)); err != nil {
			p.Preview.Problem = r.Words(err)
		}
	}
	return p, nil
}

// withBrought adds where files are brought already and the form does not offer: it is disabled, deleted or another's.
func withBrought(options []option, brought []schedules.Destination) []option {
	for _, d := range brought {
		if !slices.ContainsFunc(options, func(o option) bool { return o.Value == d.ID }) {
			options = append(options, option{Value: d.ID, Label: cmp.Or(d.Name, "a destination that was deleted")})
		}
	}
	return options
}

// blamed is the page with what is wrong with what was typed.
func (p scheduleForm) blamed(f *fault.Error) scheduleForm {
	p.Form = p.Form.blame(f)
	p.When, p.Calls, p.File, p.Brought = p.Form.Some(scheduleWhen...), p.Form.Some(scheduleCalls...), p.Form.Some(scheduleFile...), p.Form.Some(scheduleBrought...)
	return p
}
