package console

import (
	"bytes"
	"strings"
	"testing"

	"trunkline/api/params"
	"trunkline/internal/fault"
)

func exampleForm() form {
	return newForm("new", params.Values{"name": `<b>"carrier`, "password": "secret", "scope_read": "true", "kind": "b"},
		field{Name: "name", Label: "Name", About: "Any text.", Required: true},
		field{Name: "password", Label: "Password", Type: secretField},
		field{Name: "kind", Label: "Kind", Type: choiceField, Options: []option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}},
		field{Name: "scopes", Label: "May", Type: severalFields, Options: []option{{Value: "scope_read", Label: "read"}, {Value: "scope_admin", Label: "admin"}}})
}

// A fault is said at the field that it names, and above the form if it names none.
func TestFaultsStandAtTheirFields(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   *fault.Error
		faulty  string
		problem bool
	}{
		"named":               {fault.Invalid("kind", "is neither a nor b"), "kind", false},
		"worded otherwise":    {fault.Errorf(fault.Conflict, "name: there is one of that name"), "name", false},
		"several are missing": {fault.Missing("name", "scopes"), "name scopes", false},
		"one has no field":    {fault.Missing("name", "domain"), "name", true},
		"no field":            {fault.Errorf(fault.Unavailable, "the database does not answer: wait"), "", true},
		"in detail": {&fault.Error{Code: fault.InvalidRows, Message: "two are wrong", Details: []fault.Detail{
			{Field: "name", Message: "is too long"}, {Field: "password", Message: "is short"}}}, "name password", false},
		"in detail without a field": {&fault.Error{Code: fault.InvalidRows, Message: "two are wrong", Details: []fault.Detail{
			{Field: "name", Message: "is too long"}, {Message: "and more"}}}, "name", true},
	} {
		f := exampleForm().blame(c.fault)
		var faulty []string
		for _, field := range f.Faults() {
			faulty = append(faulty, field.Name)
		}
		if got := strings.Join(faulty, " "); got != c.faulty || (f.Problem != "") != c.problem || !f.Faulty() {
			t.Errorf("%s: got fields %q and problem %q", name, got, f.Problem)
		}
	}
	if f := exampleForm(); f.Faulty() {
		t.Errorf("a form that nobody sent is faulty: %+v", f)
	}
}

// What was typed is shown again, inert, but for a secret; a faulty field is marked for screen readers.
func TestFormsKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	f := exampleForm().blame(fault.Invalid("name", "is taken <i>"))
	var page bytes.Buffer
	for _, part := range []struct {
		template string
		data     any
	}{{"problem", f}, {"fields", f.Fields}} {
		copied, err := templates["tokens"].Clone()
		if err != nil {
			t.Fatal(err)
		}
		if err := copied.ExecuteTemplate(&page, part.template, part.data); err != nil {
			t.Fatal(err)
		}
	}
	got := page.String()
	for _, want := range []string{
		`value="&lt;b&gt;&#34;carrier"`, `aria-invalid="true" aria-describedby="new-name-about new-name-fault"`, `id="new-name-fault">is taken &lt;i&gt;`,
		`<a href="#new-name">Name</a>`, `<option value="b" selected>`, `name="scope_read" value="true" checked>`, `name="scope_admin" value="true">`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("the secret is sent back: %s", got)
	}
}
