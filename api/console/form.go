package console

import (
	"slices"
	"strings"

	"trunkline/api/params"
	"trunkline/internal/fault"
)

// form is the fields of a form of a page: they keep what was typed, and what is wrong with one is said beside it. The page
// writes the <form> itself, and within it the templates "problem", of the form, and "fields", of its Fields or of some of
// them by Some.
type form struct {
	ID      string // begins the ids of its fields, so that a page may have several forms
	Fields  []field
	Problem string // why what was asked for was not done, beside what the fields say; "" if they say it all or nothing is wrong
}

// fieldType is how a field is filled in.
type fieldType string

const (
	textField     fieldType = "text"
	secretField   fieldType = "password" // what was typed into it is never sent back
	numberField   fieldType = "number"
	dateField     fieldType = "date"
	areaField     fieldType = "area"   // a text of several lines
	choiceField   fieldType = "choice" // one of its options
	tickField     fieldType = "tick"   // a box: true or left out
	severalFields fieldType = "ticks"  // a box for each of its options, each a parameter of its own
	boxFields     fieldType = "boxes"  // a box for each of its options, all of one parameter that is a list
)

// field is one field of a form, under its parameter's name.
type field struct {
	Name, Label string
	Type        fieldType // textField if it is left out
	About       string    // what it is for and what it may hold; may be ""
	Options     []option
	Required    bool
	Most        int // of its text's length; 0 is no bound
	Value       string
	Fault       string // what is wrong with it; "" if nothing is known to be
	ID          string // of its element
}

// option is one that a field has.
type option struct {
	Value  string // for severalFields the parameter's name
	Label  string
	Chosen bool
}

// newForm is the form with what was typed, or with what its fields have to begin with.
func newForm(id string, typed params.Values, fields ...field) form {
	for i := range fields {
		f := &fields[i]
		if f.ID = id + "-" + f.Name; f.Type == "" {
			f.Type = textField
		}
		f.fill(typed)
	}
	return form{ID: id, Fields: fields}
}

// fill takes what was typed into the field, if its parameter is among it.
func (f *field) fill(typed params.Values) {
	if value, is := typed[f.Name]; is {
		f.Value = value
	}
	for i := range f.Options {
		o := &f.Options[i]
		switch f.Type {
		case severalFields:
			o.Chosen = o.Chosen || typed.Get(o.Value) != ""
		case boxFields:
			o.Chosen = slices.Contains(params.Split(f.Value), o.Value)
		default:
			o.Chosen = o.Value == f.Value
		}
	}
	if f.Type == secretField {
		f.Value = ""
	}
}

// blame says at the form's fields what is wrong, as far as the fault names them, and all else above them.
func (f form) blame(with *fault.Error) form {
	f.Fields = slices.Clone(f.Fields)
	switch {
	case with.Code == fault.MissingParameters && f.missing(with.Message):
	case len(with.Details) > 0:
		for _, d := range with.Details {
			if !f.at(d.Field, d.Message) {
				f.Problem = with.Message
			}
		}
	default:
		if name, what, named := strings.Cut(with.Message, ": "); !named || !f.at(name, what) {
			f.Problem = with.Message
		}
	}
	return f
}

// missing marks the fields of a list of parameters, and reports whether all of these are fields.
func (f form) missing(names string) bool {
	all := true
	for name := range strings.SplitSeq(names, ", ") {
		all = f.at(name, "is missing") && all
	}
	return all
}

// at marks a field, and reports whether there is one of that name.
func (f form) at(name, what string) bool {
	i := slices.IndexFunc(f.Fields, func(field field) bool { return field.Name == name })
	if i >= 0 {
		f.Fields[i].Fault = what
	}
	return i >= 0
}

// Faulty reports whether anything is wrong with what was typed.
func (f form) Faulty() bool { return f.Problem != "" || len(f.Faults()) > 0 }

// Faults are the fields that something is wrong with.
func (f form) Faults() []field {
	var faulty []field
	for _, field := range f.Fields {
		if field.Fault != "" {
			faulty = append(faulty, field)
		}
	}
	return faulty
}

// Some are the form's fields of these names, in their order, for a part of a page.
func (f form) Some(names ...string) []field {
	some := make([]field, 0, len(names))
	for _, name := range names {
		for _, field := range f.Fields {
			if field.Name == name {
				some = append(some, field)
			}
		}
	}
	return some
}
