package delivery_test

import (
	"strings"
	"testing"
	"time"

	"trunkline/internal/delivery"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"calls.csv", "a/b/calls 2026-11-28.csv.gz", "Müller/größe.csv", "-x", "a..b", strings.Repeat("a", 200)} {
		if err := delivery.CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/etc/passwd", "..", "../x", "a/../x", "a/..", ".", "./x", "a//b", "a/", ".hidden", "a/.x.part", `a\b`, "a\nb", "a\x00b", "a\u2028b", "a\u202eb",
		"a\xffb", strings.Repeat("a", 201), strings.Repeat("a/", 600) + "a",
	} {
		if err := delivery.CheckName(bad); err == nil {
			t.Errorf("%q: it was taken", bad)
		}
	}
}

func TestNameTemplates(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		template   string
		eachDomain bool
		wrong      string // of what the error speaks; "": nothing is wrong
	}{
		{"{schedule}/{domain}-{number}.{extension}", true, ""},
		{"{number}_{date_start}.{extension}", false, ""},
		{"calls {number}", false, ""},
		{"{date_start}.csv", false, "{number}"},
		{"{number}.csv", true, "{domain}"},
		{"{domain}{number}.csv", true, "beside it"},
		{"v{number}.csv", false, "before it"},
		{"{number}{extension}", false, "beside it"},
		{"{number}-{domain}", true, "behind it"},
		{"{number}_{what}", false, "placeholder"},
		{"{number", false, "placeholder"},
		{"{number}}", false, "without a {"},
		{"../{number}", false, "dot"},
		{"/{number}", false, "/"},
		{"{number}\n", false, "printed"},
	} {
		err := delivery.NameTemplate(tc.template).Check(tc.eachDomain)
		if tc.wrong == "" && err != nil || tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong) && tc.wrong != "beside it") {
			t.Errorf("%s: got %v, want it to speak of %q", tc.template, err, tc.wrong)
		}
	}
	name, err := delivery.NameTemplate("{schedule}/{domain}_{date_start}-{number}.{extension}").Name(delivery.Named{
		Domain: "../a b.example", Schedule: ".n/ightly", Number: "000012-r3", Start: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), Extension: "csv.gz",
	})
	if want := "%2En%2Fightly/%2E.%2Fa%20b.example_2026-11-27-000012-r3.csv.gz"; err != nil || name != want {
		t.Errorf("got %q, %v; want %q", name, err, want)
	}
	if _, err := delivery.NameTemplate("{number}").Name(delivery.Named{Number: "1/2"}); err == nil {
		t.Error("a number that is none was taken")
	}
}

// Whatever a template and what its placeholders stand for: two files have two names, none of which leads elsewhere.
func FuzzNameTemplate(f *testing.F) {
	f.Add("{schedule}/{domain}-{number}.{extension}", "a.example", "a-1", "1-r2", "2", "nightly")
	f.Add("{number}_{domain}", "r2-x", "x", "5", "5-r2", ".")
	f.Add("{domain}-{number}", "a-000001", "a", "2", "000001-r2", "")
	f.Fuzz(func(t *testing.T, template, domain, otherDomain, number, otherNumber, schedule string) {
		of := delivery.NameTemplate(template)
		if of.Check(true) != nil || domain == "" || otherDomain == "" {
			return
		}
		at := time.Date(2026, 11, 28, 0, 15, 0, 0, time.UTC)
		one, err1 := of.Name(delivery.Named{Domain: domain, Schedule: schedule, Number: number, Start: at, End: at, Extension: "csv"})
		other, err2 := of.Name(delivery.Named{Domain: otherDomain, Schedule: schedule, Number: otherNumber, Start: at, End: at, Extension: "csv"})
		if err1 != nil || err2 != nil {
			return
		}
		if one == other && (domain != otherDomain || number != otherNumber) {
			t.Errorf("%s is the name of %s %s and of %s %s", one, domain, number, otherDomain, otherNumber)
		}
		if err := delivery.CheckName(one); err != nil {
			t.Error(err)
		}
	})
}
