package cdrs

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
)

const (
	quotingNeeded = "needed"
	quotingAll    = "all"
	lineEndLF     = "lf"
	lineEndCRLF   = "crlf"
)

// layoutParams are how the rows of a file are written.
var layoutParams = []web.Param{
	{Name: "template", About: "What a program expects: format, columns and how they are written, which the other parameters change.", Choices: templateNames()},
	{Name: "delimiter", About: "Between the cells of CSV; comma if left out.", Choices: slices.Sorted(maps.Keys(export.Delimiters))},
	{Name: "quoting", About: "Which cells of CSV are in quotes; needed if left out.", Choices: []string{quotingNeeded, quotingAll}},
	{Name: "header", About: "false: CSV without the row of the columns' names.", Kind: web.KindFlag},
	{Name: "line_end", About: "Of CSV; lf if left out.", Choices: []string{lineEndLF, lineEndCRLF}},
	{Name: "date_format", About: "How times are written: rfc3339 (if left out), epoch, postgres, or a pattern such as %Y-%m-%d %H:%M:%S."},
	{Name: "durations", About: "How numbers of seconds are written: as they are, as minutes with two decimals, or as whole minutes, rounded up.", Choices: export.Durations()},
	{Name: "guard", About: "Whether a ' disarms what a spreadsheet would run as a formula: safe, or raw for programs; left out, as TRUNKLINE_CSV_FORMULA_GUARD has it.", Choices: []string{cdr.GuardSafe, cdr.GuardRaw}},
}

func templateNames() (names []string) {
	for _, t := range cdr.Templates() {
		names = append(names, t.Name)
	}
	return names
}

// templateOf is the template that is asked for; the zero value: none.
func templateOf(given params.Values) (cdr.Template, error) {
	name := given.Get("template")
	if name == "" {
		return cdr.Template{}, nil
	}
	t, found := cdr.FindTemplate(name)
	if !found {
		return t, fault.Invalid("template", "there is no template %.200q; write one of %s", name, strings.Join(templateNames(), ", "))
	}
	return t, nil
}

// layOut reads how the rows are written, the template's way where nothing else is asked for.
func layOut(given params.Values, p *cdr.Request, t cdr.Template) (err error) {
	p.Template, p.Layout = t.Name, t.Layout
	if t.Raw {
		p.Guard = cdr.GuardRaw
	}
	if p.Guard, err = choice(given, "guard", p.Guard, cdr.GuardSafe, cdr.GuardRaw); err != nil {
		return err
	}
	if p.Layout.Durations, err = choice(given, "durations", p.Layout.Durations, export.Durations()...); err != nil {
		return err
	}
	p.Layout.Dates = cmp.Or(given.Get("date_format"), p.Layout.Dates)
	delimiter, err := choice(given, "delimiter", "", slices.Sorted(maps.Keys(export.Delimiters))...)
	if err != nil {
		return err
	}
	if delimiter != "" {
		p.Layout.Delimiter = export.Delimiters[delimiter]
	}
	for _, of := range []struct {
		name, not, is string
		set           *bool
	}{{"quoting", quotingNeeded, quotingAll, &p.Layout.QuoteAll}, {"line_end", lineEndLF, lineEndCRLF, &p.Layout.CRLF}} {
		asked, err := choice(given, of.name, "", of.not, of.is)
		if err != nil {
			return err
		}
		if asked != "" {
			*of.set = asked == of.is
		}
	}
	if given.Get("header") != "" {
		header, err := given.Flag("header")
		p.Layout.NoHeader = !header
		return err
	}
	return nil
}

// choice is a parameter that is one of some words, in any case, or what is usual if it is left out.
func choice(given params.Values, name, usual string, words ...string) (string, error) {
	word := strings.ToLower(given.Get(name))
	switch {
	case word == "":
		return usual, nil
	case !slices.Contains(words, word):
		return "", fault.Invalid(name, "write one of %s", strings.Join(words, ", "))
	}
	return word, nil
}
