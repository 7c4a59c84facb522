package console

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"trunkline/api/deliveries"
	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/delivery/destinations"
	"trunkline/internal/fault"
	"trunkline/internal/token"
)

var newDestinationPage = page{
	path: "/destinations/new", title: "New destination", template: "destinationform", unlisted: true,
	scope: token.ScopeAdmin, also: token.ScopeExport, show: (*Service).newDestination, params: []web.Param{{Name: "kind"}},
	actions: []action{{
		path: "/destinations/new", scope: token.ScopeAdmin, also: token.ScopeExport, atOnce: []web.AtOnce{web.AtOnceTests},
		answer: (*Service).createDestination, again: (*Service).destinationNotMade,
		params: slices.Concat([]web.Param{{Name: "kind"}, {Name: "name"}, {Name: "tenant_domain"}, {Name: "enabled", Kind: web.KindFlag}, {Name: "test", Kind: web.KindFlag}},
			deliveries.FieldParams()),
	}},
}

var destinationEditPage = page{
	path: "/destinations/:id/edit", title: "Edit a destination", template: "destinationform", unlisted: true,
	scope: token.ScopeAdmin, also: token.ScopeExport, show: (*Service).destinationEdit,
	actions: []action{{
		path: "/destinations/:id/edit", scope: token.ScopeAdmin, also: token.ScopeExport, answer: (*Service).editDestination, again: (*Service).destinationNotEdited,
		params: slices.Concat([]web.Param{versionParam, {Name: "name"}, {Name: "enabled", Kind: web.KindFlag}}, deliveries.FieldParams(), forgettingParams()),
	}},
}

// forgetting is how the boxes begin that have a secret forgotten.
const forgetting = "forget_"

func forgettingParams() (all []web.Param) {
	for _, f := range destinations.Fields() {
		if f.Secret {
			all = append(all, web.Param{Name: forgetting + f.Name, Kind: web.KindFlag})
		}
	}
	return all
}

// destinationForm is the form of a new destination, or of one that is changed.
type destinationForm struct {
	Kind    string
	About   string   // what the kind is
	Kinds   []option // to choose from, while none is chosen
	Form    form
	Path    string
	Back    string
	Domain  string // whose a new one is, if there is no choice
	Of      string // the name of the one that is changed
	Version string
}

// typedBut is what was typed, without secrets: they are never sent back.
func typedBut(r *web.Request) params.Values {
	typed := params.Values(maps.Clone(r.Params))
	for _, f := range destinations.Fields() {
		if f.Secret {
			delete(typed, f.Name)
		}
	}
	return typed
}

// destinationFields are the fields of a kind. Of one that is there, a secret that is left empty stays.
func destinationFields(kind string, kept params.Values, there bool) (fields []field) {
	for _, f := range destinations.FieldsOf(kind) {
		one := field{Name: f.Name, Label: labelOf(f), About: f.About, Required: f.Needed && !(f.Secret && there), Value: kept.Get(f.Name)}
		switch {
		case f.Secret && f.Type == destinations.Lines:
			one.Type = areaField
		case f.Secret:
			one.Type = secretField
		case f.Type == destinations.Number:
			one.Type = numberField
		case f.Type == destinations.Flag:
			one.Type, one.Options = choiceField, []option{{Value: "false", Label: "no"}, {Value: "true", Label: "yes"}}
			if one.Value == "" {
				one.Value = "false"
			}
		case f.Name == "tls":
			one.Type, one.Options = choiceField, []option{{Value: "", Label: "starttls"}, {Value: "implicit", Label: "implicit"}}
			if one.Value == "starttls" {
				one.Value = ""
			}
		}
		if f.Secret && there {
			one.About += " Left empty, what is kept stays."
		}
		fields = append(fields, one)
	}
	return fields
}

func enabledField(value string) field {
	return field{Name: "enabled", Label: "Delivered to", Type: choiceField, Value: value, About: "What is to be delivered to one that is disabled fails.",
		Options: []option{{Value: "true", Label: "enabled"}, {Value: "false", Label: "disabled"}}}
}

func nameField(value string) field {
	return field{Name: "name", Label: "Name", Required: true, Most: destinations.MaxName, Value: value, About: "Unique among the domain's."}
}

func (s *Service) newDestination(r *web.Request) (any, error) { return s.newDestinationForm(r) }

func (s *Service) newDestinationForm(r *web.Request) (destinationForm, error) {
	kind := r.Params.Get("kind")
	f := destinationForm{Kind: kind, About: destinationKinds[kind], Path: home + "/destinations/new", Back: home + "/destinations"}
	if kind == "" {
		f.Kinds = kindChoices()
		return f, nil
	}
	if !slices.Contains(destinations.Kinds(), kind) {
		return f, fault.Invalid("kind", "%q is no kind of destination; there are %s", fault.Clip(kind), strings.Join(destinations.Kinds(), ", "))
	}
	fields := []field{nameField("")}
	domain, offered, err := s.domainField(r, field{Name: "tenant_domain", Label: "Domain", Required: true, About: "Whose it is; global: of all domains, for exports of all of them."})
	if err != nil {
		return f, err
	}
	if offered {
		fields = append(fields, domain)
	} else {
		f.Domain = r.Caller.Domains.Names()
	}
	fields = append(fields, destinationFields(kind, nil, false)...)
	fields = append(fields, enabledField("true"),
		field{Name: "test", Label: "Test", Type: choiceField, Value: "true", About: "Where nothing can be written to is not kept, unless it is not tested.",
			Options: []option{{Value: "true", Label: "tested before it is kept"}, {Value: "false", Label: "kept without a test"}}})
	f.Form = newForm("destination", typedBut(r), fields...)
	return f, nil
}

func (s *Service) destinationNotMade(r *web.Request, refused *fault.Error) (any, error) {
	f, err := s.newDestinationForm(r)
	f.Form = f.Form.blame(refused)
	return f, err
}

func (s *Service) createDestination(r *web.Request) (shown, error) {
	values := given(r, "kind", "name", "tenant_domain", "enabled", "test")
	for _, f := range destinations.FieldsOf(values.Get("kind")) {
		if r.Params.Get(f.Name) != "" {
			values[f.Name] = r.Params.Raw(f.Name)
		}
	}
	if d := r.Caller.Domains; r.Params.Get("tenant_domain") == "" && (d.All || len(d.List) != 1) {
		return shown{}, fault.Missing("tenant_domain")
	}
	d, err := s.Deliveries.CreateDestination(r.With(values))
	if err != nil {
		return shown{}, err
	}
	done := doneTo{destinationView: viewOfDestination(d), Secret: d.Secret}
	if d.Test != nil && d.HostKeyFingerprint == "" && d.LastTest != nil {
		done.Found, done.Fingerprint = d.Test.HostKey, d.LastTest.HostKeyFingerprint
	}
	return shown{http.StatusCreated, "destinationdone", "The destination was made", done}, nil
}

func (s *Service) destinationEdit(r *web.Request) (any, error) { return s.destinationEditForm(r) }

func (s *Service) destinationEditForm(r *web.Request) (destinationForm, error) {
	d, err := s.Deliveries.Destination(r)
	if err != nil {
		return destinationForm{}, err
	}
	path := home + "/destinations/" + d.ID
	f := destinationForm{
		Kind: d.Kind, About: destinationKinds[d.Kind], Path: path + "/edit", Back: path, Of: d.Name, Version: d.ChangedAt.Format(time.RFC3339Nano),
	}
	enabled := "false"
	if d.Enabled {
		enabled = "true"
	}
	fields := append([]field{nameField(d.Name)}, destinationFields(d.Kind, settingsOf(d), true)...)
	forget := field{Name: "forget", Label: "Forget what is kept of", Type: severalFields, About: "Such as a password that a key replaces."}
	for _, of := range destinations.FieldsOf(d.Kind) {
		if of.Secret && !of.Needed {
			forget.Options = append(forget.Options, option{Value: forgetting + of.Name, Label: labelOf(of)})
		}
	}
	if d.HasCredentials && len(forget.Options) > 0 {
		fields = append(fields, forget)
	}
	f.Form = newForm("destination", typedBut(r), append(fields, enabledField(enabled))...)
	return f, nil
}

// destinationNotEdited is the form with what was typed and what is wrong with it. If the destination was changed since, what
// was typed can be sent again.
func (s *Service) destinationNotEdited(r *web.Request, refused *fault.Error) (any, error) {
	f, err := s.destinationEditForm(r)
	if refused.Code == fault.PreconditionFailed {
		f.Form.Problem = "The destination was changed since this form was made. To save once more has it be as the form says; secrets have to be typed again."
		return f, err
	}
	f.Form = f.Form.blame(refused)
	f.Version = r.Params.Get(versionParam.Name) // it stays the one that was seen
	return f, err
}

func (s *Service) editDestination(r *web.Request) (shown, error) {
	seen, err := time.Parse(time.RFC3339Nano, r.Params.Get(versionParam.Name))
	if err != nil {
		return shown{}, fault.Invalid(versionParam.Name, "is not that of a destination; open the form again")
	}
	before, err := s.Deliveries.Destination(r)
	if err != nil {
		return shown{}, err
	}
	values := params.Values{"name": r.Params.Get("name"), "enabled": r.Params.Get("enabled")}
	for _, f := range destinations.FieldsOf(before.Kind) {
		typed := r.Params.Raw(f.Name)
		if !f.Secret || typed != "" {
			values[f.Name] = typed
			continue
		}
		forget, err := r.Params.Flag(forgetting + f.Name)
		if err != nil {
			return shown{}, err
		}
		if forget {
			values[f.Name] = ""
		}
	}
	d, err := s.Deliveries.EditDestination(r.With(values), seen)
	return shown{http.StatusOK, "destinationdone", "The destination was changed", doneTo{destinationView: viewOfDestination(d), Secret: d.Secret}}, err
}
