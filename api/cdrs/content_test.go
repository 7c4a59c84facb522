package cdrs_test

import (
	"reflect"
	"strings"
	"testing"

	"trunkline/api/cdrs"
	"trunkline/api/params"
	"trunkline/internal/cdr"
	"trunkline/internal/tenant"
)

func TestContent(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]string{
		"":                             "format=JSON",
		"format=csv":                   "format=CSV",
		"template=rating":              "format=CSV template=rating",
		"template=rating format=CSV":   "format=CSV template=rating",
		"columns=ALL":                  "columns=all format=JSON",
		"view=fusionpbx":               "format=JSON view=fusionpbx",
		"view=fusionpbx columns=leg":   "columns=leg format=JSON view=fusionpbx",
		"template=cgrates header=true": "format=CSV header=true template=cgrates",
		"template=cgrates guard=safe":  "format=CSV guard=safe template=cgrates",
		"format=CSV guard=raw":         "format=CSV guard=raw",
		"format=CSV delimiter=tab":     "delimiter=tab format=CSV",
		"template=cgrates quoting=all": "format=CSV quoting=all template=cgrates",
		"template=fusionpbx quoting=needed line_end=crlf date_format=epoch": "date_format=epoch format=CSV line_end=crlf quoting=needed template=fusionpbx",
		"direction=INBOUND,local answered=yes min_billsec=5 leg=A":          "answered=true direction=inbound,local format=JSON leg=a min_billsec=5",
		"extension=100,101 compression=zstd durations=minutes_up":           "compression=zstd durations=minutes_up extension=100,101 format=JSON",
	} {
		p, err := cdrs.ReadContent(valuesOf(asked), tenant.Domain{UUID: "d", Name: "d.example"})
		if err != nil {
			t.Fatalf("%s: %v", asked, err)
		}
		if got := cdrs.Content(p); !reflect.DeepEqual(got, valuesOf(want)) {
			t.Errorf("%s: got %v, want %s", asked, got, want)
		}
	}
}

// What is changed takes the place of what was asked for, or of what a template or a view had brought with it.
func TestChanged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ before, change, after string }{
		{"format=CSV columns=billing", "", "format=CSV columns=billing"},
		{"format=CSV columns=billing", "columns=leg", "format=CSV columns=leg"},
		{"format=CSV columns=billing delimiter=tab", "delimiter=", "format=CSV columns=billing"},
		{"template=cgrates", "template=rating", "template=rating"},
		{"template=cgrates header=true", "template=", ""},
		{"", "template=cgrates", "template=cgrates"},
		{"format=CSV header=false", "template=cgrates", "template=cgrates"},
		{"view=fusionpbx", "view=", ""},
		{"direction=inbound", "leg=b", "direction=inbound leg=b"},
	} {
		before, err := cdrs.ReadContent(valuesOf(tc.before), tenant.Domain{})
		if err != nil {
			t.Fatal(err)
		}
		got, err1 := cdrs.Changed(before, valuesOf(tc.change))
		want, err2 := cdrs.ReadContent(valuesOf(tc.after), tenant.Domain{})
		if err1 != nil || err2 != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q with %q: got %+v, %v; want %+v, %v", tc.before, tc.change, got, err1, want, err2)
		}
	}
	if _, err := cdrs.Changed(cdr.Request{Format: "CSV"}, valuesOf("format=PDF")); err == nil {
		t.Error("a format that there is not was taken")
	}
}

// valuesOf reads names and values with a space between them.
func valuesOf(text string) params.Values {
	given := params.Values{}
	for pair := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(pair, "=")
		given[name] = value
	}
	return given
}

// Whatever was asked for, what is shown of it asks for the same.
func FuzzContent(f *testing.F) {
	f.Add("CSV", "start_stamp:Date,billsec", "cgrates", "fusionpbx", "100,101", "tab", "%Y", "minutes", "safe", true)
	f.Add("", "all", "", "", "", "", "", "", "", false)
	f.Add("json", "a:b:c,:x,y:", "rating", "all", ",,", "comma", "rfc3339", "seconds", "raw", false)
	f.Fuzz(func(t *testing.T, format, columns, template, view, extension, delimiter, dates, durations, guard string, allDomains bool) {
		of := tenant.Domain{UUID: "d", Name: "d.example"}
		if allDomains {
			of = tenant.Domain{}
		}
		p, err := cdrs.ReadContent(params.Values{
			"format": format, "columns": columns, "template": template, "view": view, "extension": extension, "delimiter": delimiter, "date_format": dates,
			"durations": durations, "guard": guard, "queue": extension, "caller_prefix": dates,
		}, of)
		if err != nil {
			return
		}
		shown := cdrs.Content(p)
		if again, err := cdrs.ReadContent(shown, of); err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%v: got %+v, %v; want %+v", shown, again, err, p)
		}
	})
}
