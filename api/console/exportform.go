package console

import (
	"fmt"
	"net/http"
	"slices"

	"trunkline/api/cdrs"
	"trunkline/api/deliveries"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

// exportFormPage is the form of a new export, filled in with what its address has: the filters of the page of calls, if one
// comes from there.
var exportFormPage = page{
	path: "/exports/new", title: "New export", template: "exportform", unlisted: true, scope: token.ScopeExport, atOnce: []web.AtOnce{web.AtOnceReads},
	show: (*Service).newExport, params: append(exportFormParams, filesParam),
	actions: []action{
		{path: "/exports/new", scope: token.ScopeExport, params: append(exportFormParams, filesParam), do: (*Service).startExport, again: (*Service).newExportAgain},
		{
			path: "/exports/new/estimate", scope: token.ScopeExport, params: append(exportFormParams, filesParam), atOnce: []web.AtOnce{web.AtOnceReads},
			answer: (*Service).estimateExport, again: (*Service).newExportAgain,
		},
	},
}

// exportFormParams are those of an export that the form has.
var exportFormParams = slices.Concat(
	[]web.Param{{Name: "date_start"}, {Name: "date_end"}, {Name: "time_zone"}, {Name: "tenant_domain"}}, cdrs.ContentParams(),
	[]web.Param{{Name: "deliver_to", Kind: web.KindUUIDs}, {Name: "deliver_as"}},
)

// filesParam says whether there is a file for each domain, each by an export of its own.
var filesParam = web.Param{Name: "files", Choices: []string{"", filesOfEach}}

const filesOfEach = "each"

// The fields of the parts of the form, in their order.
var (
	exportCalls = []string{
		"date_start", "date_end", "time_zone", "tenant_domain", "direction", "answered", "extension", "caller_prefix", "destination_prefix", "hangup_cause", "min_billsec",
		"gateway", "conference", "queue", "leg", "view",
	}
	exportFile    = []string{filesParam.Name, "template", "format", "compression", "columns", "delimiter", "quoting", "header", "line_end", "date_format", "durations", "guard"}
	exportBrought = []string{"deliver_to", "deliver_as"}
)

// exportLabels are what the form calls its parameters.
var exportLabels = map[string]string{
	"direction": "Direction", "answered": "Answered", "extension": "Extensions", "caller_prefix": "Caller begins with", "destination_prefix": "Destination begins with",
	"hangup_cause": "Causes", "min_billsec": "Billed seconds, at least", "gateway": "Gateway", "conference": "Conference", "queue": "Call centre queue", "leg": "Leg", "view": "Rows",
	"template": "Template", "format": "Format", "compression": "Compression", "columns": "Columns", "delimiter": "Delimiter", "quoting": "Quotes", "header": "Row of names",
	"line_end": "Lines end in", "date_format": "Times", "durations": "Durations", "guard": "Guard against formulas",
}

// exportForm is the page of the form.
type exportForm struct {
	Form                 form
	Calls, File, Brought []field
	Estimate             *cdrs.Estimate // nil: nobody has asked for it
	NoPlaces, MorePlaces bool           // there are no destinations; there are more than the form shows
}

// mostPlaces is how many destinations the form shows.
const mostPlaces = "200"

func (s *Service) newExport(r *web.Request) (any, error) {
	if r.Params.Get("date_start") == "" {
		return s.exportForm(r, nil, nil)
	}
	estimate, err := s.CDRs.Estimate(r.With(exportAsked(r)))
	if err != nil {
		f := web.FaultOf(err, r.ID)
		if web.StatusOf(f.Code) >= http.StatusInternalServerError {
			return nil, err
		}
		return s.exportForm(r, nil, f)
	}
	return s.exportForm(r, &estimate, nil)
}

func (s *Service) newExportAgain(r *web.Request, f *fault.Error) (any, error) {
	return s.exportForm(r, nil, f)
}

func (s *Service) estimateExport(r *web.Request) (shown, error) {
	estimate, err := s.CDRs.Estimate(r.With(exportAsked(r)))
	if err != nil {
		return shown{}, err
	}
	page, err := s.exportForm(r, &estimate, nil)
	return shown{http.StatusOK, "exportform", "New export", page}, err
}

func (s *Service) startExport(r *web.Request) (next string, err error) {
	switch r.Params.Get(filesParam.Name) {
	case "":
	case filesOfEach:
		return "/exports", s.startExports(r)
	default:
		return "", fault.Invalid(filesParam.Name, "is neither one file nor one for each domain")
	}
	job, err := s.CDRs.StartExport(r.With(exportAsked(r)))
	return "/exports/" + job.ID, err
}

// startExports starts an export of each domain that the caller sees.
func (s *Service) startExports(r *web.Request) error {
	asked := exportAsked(r)
	if asked.Has("tenant_domain") {
		return fault.Invalid(filesParam.Name, "there is one domain; leave it empty for a file of each, or ask for one file")
	}
	if asked.Has("deliver_to") {
		return fault.Invalid("deliver_to", "one file is brought under one name; a schedule brings a file of each domain, each under its own")
	}
	names, all, err := s.Gateways.DomainNames(r)
	if err != nil {
		return err
	}
	if !all {
		return fault.Invalid(filesParam.Name, "there are more than %d domains; ask for one after another, or make a schedule, which has a file of each", params.MaxPage)
	}
	for i, name := range names {
		asked["tenant_domain"] = name
		if _, err := s.CDRs.StartExport(r.With(asked)); err != nil && i > 0 {
			f := web.FaultOf(err, r.ID)
			return &fault.Error{Code: f.Code, Cause: f.Cause, Message: fmt.Sprintf("%d of %d exports were started, and that of %s was not: %s", i, len(names), name, f.Message)}
		} else if err != nil {
			return err
		}
	}
	return nil
}

// exportAsked are the parameters of the export that the form asks for.
func exportAsked(r *web.Request) params.Values {
	names := make([]string, len(exportFormParams))
	for i, p := range exportFormParams {
		names[i] = p.Name
	}
	return given(r, names...)
}

// exportForm is the form with what was typed, and what was wrong with that.
func (s *Service) exportForm(r *web.Request, estimate *cdrs.Estimate, wrong *fault.Error) (p exportForm, err error) {
	p.Estimate = estimate
	zone, err := zoneOf(r)
	if err != nil {
		return p, err
	}
	places, err := s.Deliveries.Destinations(r.With(params.Values{"limit": mostPlaces}))
	if err != nil {
		return p, err
	}
	domain := field{Name: "tenant_domain", Label: "Domain", About: "All domains if it is empty."}
	if !r.Caller.Domains.All {
		domain.About = "Your own if it is empty."
	}
	fields := []field{
		{Name: "date_start", Label: "From", Required: true, About: "A day such as 2026-01-01, or a moment such as 2026-01-01 08:00."},
		{Name: "date_end", Label: "To, inclusive", Required: true, About: "The last day, or the last second."},
		{Name: "time_zone", Label: "Time zone", Value: zone.String(), About: "Of these dates, and of the times in the file. The domain’s own if it is empty."},
		domain,
	}
	if r.Caller.Domains.All || len(r.Caller.Domains.List) > 1 {
		fields = append(fields, field{Name: filesParam.Name, Label: "Files", Type: choiceField, Options: []option{{Label: "one"}, {Value: filesOfEach, Label: "one for each domain"}},
			About: "Each is an export of its own."})
	}
	for _, param := range cdrs.ContentParams() {
		fields = append(fields, contentField(param))
	}
	to := placesField(places.Destinations)
	if p.NoPlaces, p.MorePlaces = len(to.Options) == 0, places.Next != ""; !p.NoPlaces {
		fields = append(fields, to, field{
			Name: "deliver_as", Label: "What the file is called there", About: "A relative path, such as 2026/january.csv. Nothing there is ever replaced.",
		})
	}
	p.Form = newForm("export", r.Params, fields...)
	if wrong != nil {
		p.Form = p.Form.blame(wrong)
	}
	p.Calls, p.File, p.Brought = p.Form.Some(exportCalls...), p.Form.Some(exportFile...), p.Form.Some(exportBrought...)
	return p, nil
}

// contentField is the field of a parameter of what an export holds, with the explanation that the API has.
func contentField(p web.Param) field {
	f := field{Name: p.Name, Label: exportLabels[p.Name], About: p.About}
	choices, none := p.Choices, "as usual"
	if slices.Contains(exportCalls, p.Name) {
		none = "any"
	}
	switch {
	case p.Kind == web.KindFlag:
		choices = []string{"true", "false"}
	case p.Kind == web.KindNumber:
		f.Type = numberField
	}
	if len(choices) > 0 {
		f.Type, f.Options = choiceField, []option{{Label: none}}
		for _, choice := range choices {
			f.Options = append(f.Options, option{Value: choice, Label: choice})
		}
	}
	return f
}

// placesField is a box for each destination that something can be brought to.
func placesField(all []deliveries.Destination) field {
	f := field{Name: "deliver_to", Label: "Destinations", Type: boxFields}
	for _, d := range all {
		if !d.Enabled {
			continue
		}
		of := d.Domain
		if d.DomainUUID == "" {
			of = "all domains"
		}
		f.Options = append(f.Options, option{Value: d.ID, Label: d.Name + " (" + d.Kind + ", " + of + ")"})
	}
	return f
}
