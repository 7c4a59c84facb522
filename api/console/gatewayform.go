package console

import (
	"slices"

	"trunkline/api/gateways"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
)

// gatewayForm is a form about one gateway: it makes one, makes one like another, or changes one.
type gatewayForm struct {
	path, title string
	begin       func(*gateways.Service, *web.Request) (gateways.Form, error)
	do          func(s *Service, r *web.Request) (next string, err error)
}

var gatewayForms = []gatewayForm{
	{"/gateways/new", "New gateway", (*gateways.Service).NewForm, (*Service).createGateway},
	{"/gateways/:id/copy", "Copy of a gateway", (*gateways.Service).CopyForm, (*Service).copyGateway},
	{"/gateways/:id/edit", "Edit a gateway", (*gateways.Service).EditForm, (*Service).editGateway},
}

// filling is the page of such a form.
type filling struct {
	Form    form
	Title   string
	Path    string
	Back    string // where nothing is changed
	Of      string // the gateway that is changed or copied
	Rule    string
	Version string
	Domain  string // in which a new one is made, if there is no choice
	Differs []differing
	begins  gateways.Form
}

// differing is a field in which the gateway, as it stands by now, is otherwise than the form.
type differing struct{ Label, Stands, Typed string }

// Usual are the fields that most gateways need.
func (f filling) Usual() []field { return f.part(false) }

// Rest are the others.
func (f filling) Rest() []field { return f.part(true) }

func (f filling) part(rest bool) []field {
	var names []string
	for _, of := range f.begins.Fields {
		if of.Rest == rest {
			names = append(names, of.Name)
		}
	}
	return f.Form.Some(names...)
}

// Open reports whether something is wrong with one of the others, so that one has to see them.
func (f filling) Open() bool {
	return slices.ContainsFunc(f.Rest(), func(of field) bool { return of.Fault != "" })
}

// gatewayFormPages are the pages of the forms.
func gatewayFormPages() (all []page) {
	for _, g := range gatewayForms {
		p := page{path: g.path, title: g.title, template: "gatewayform", unlisted: true, scope: token.ScopeProvision}
		p.show = func(s *Service, r *web.Request) (any, error) { return s.filling(r, g) }
		p.actions = []action{{
			path: g.path, scope: token.ScopeProvision, atOnce: []web.AtOnce{web.AtOnceJobs}, do: g.do,
			params: append(gateways.FormParams(), versionParam),
			again:  func(s *Service, r *web.Request, f *fault.Error) (any, error) { return s.fillingAgain(r, g, f) },
		}}
		all = append(all, p)
	}
	return all
}

func (s *Service) createGateway(r *web.Request) (next string, err error) {
	job, err := s.Gateways.Create(r)
	return "/jobs/" + job.ID, err
}

func (s *Service) copyGateway(r *web.Request) (next string, err error) {
	job, err := s.Gateways.Copy(r)
	return "/jobs/" + job.ID, err
}

func (s *Service) editGateway(r *web.Request) (next string, err error) {
	job, err := s.Gateways.Edit(r, r.Params.Get(versionParam.Name))
	return "/jobs/" + job.ID, err
}

// filling is the form as it begins, with what was typed.
func (s *Service) filling(r *web.Request, g gatewayForm) (filling, error) {
	begins, err := g.begin(s.Gateways, r)
	if err != nil {
		return filling{}, err
	}
	f := filling{Title: g.title, Path: r.HTTP().URL.Path, Back: home + "/gateways", Of: begins.Of, Rule: begins.Rule, Version: begins.Version, begins: begins}
	if id := r.Path("id"); id != "" {
		f.Back += "/" + id
	}
	var fields []field
	for _, of := range begins.Fields {
		one := field{Name: of.Name, Label: of.Label, About: of.About, Value: begins.Begins.Get(of.Name), Required: of.Name == "gateway_name"}
		switch {
		case of.Name == "tenant_domain":
			chosen, offered, err := s.domainField(r, one)
			if err != nil {
				return f, err
			}
			if !offered {
				f.Domain = r.Caller.Domains.Names()
				continue
			}
			one = chosen
		case of.Secret:
			one.Type = secretField
			if f.Version != "" {
				one.About += " Left empty, the one that is kept stays."
			}
		case of.Flag:
			one.Type, one.Options = choiceField, []option{{Value: "true", Label: "yes"}, {Value: "false", Label: "no"}}
			if one.Value == "" {
				one.Options = append([]option{{Label: "left out"}}, one.Options...)
			}
		case len(of.Choices) > 0:
			one.Type = choiceField
			if !slices.Contains(of.Choices, one.Value) {
				one.Options = append(one.Options, option{Value: one.Value, Label: clipped(one.Value)})
			}
			for _, choice := range of.Choices {
				one.Options = append(one.Options, option{Value: choice, Label: choice})
			}
		}
		fields = append(fields, one)
	}
	f.Form = newForm("gateway", r.Params, fields...)
	return f, nil
}

// domainField is the field by which a new gateway's domain is chosen: among those that one sees, if they are not too many for
// a list. offered is false if there is one alone.
func (s *Service) domainField(r *web.Request, one field) (as field, offered bool, err error) {
	if d := r.Caller.Domains; !d.All && len(d.List) == 1 {
		return one, false, nil
	}
	names, all, err := s.Gateways.DomainNames(r)
	if err != nil || !all {
		return one, true, err
	}
	if r.Caller.Domains.All {
		names = append(names, tenant.Global)
	}
	one.Type = choiceField
	if !slices.Contains(names, one.Value) {
		one.Options = append(one.Options, option{Value: "", Label: "choose one"})
		one.Value = ""
	}
	for _, name := range names {
		one.Options = append(one.Options, option{Value: name, Label: name})
	}
	return one, true, nil
}

// fillingAgain is the form with what was typed and what is wrong with it. If the gateway was changed since, it says in what the
// gateway differs by now, and can be sent again.
func (s *Service) fillingAgain(r *web.Request, g gatewayForm, refused *fault.Error) (any, error) {
	f, err := s.filling(r, g)
	if err != nil {
		return nil, err
	}
	if refused.Code != fault.PreconditionFailed {
		f.Form = f.Form.blame(refused)
		if f.Version != "" { // it stays the one that was seen
			f.Version = r.Params.Get(versionParam.Name)
		}
		return f, nil
	}
	f.Form.Problem = "The gateway was changed since this form was made. What is otherwise by now is said below, if the form has it; to save once more has the gateway be as the form says."
	for _, of := range f.begins.Fields {
		if !f.begins.Differs(of, r.Params) {
			continue
		}
		if of.Secret {
			f.Form.Problem += " The password has to be typed again."
			continue
		}
		f.Differs = append(f.Differs, differing{of.Label, f.begins.Begins.Get(of.Name), r.Params.Get(of.Name)})
	}
	return f, nil
}
