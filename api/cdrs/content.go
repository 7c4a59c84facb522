package cdrs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

// ContentParams are those of what an export holds and how it is written, but for its span and its domain.
func ContentParams() []web.Param {
	return slices.Concat([]web.Param{
		{Name: "format", About: "The file's format; JSON if left out.", Choices: web.NamesOf(export.Formats())},
		{Name: "compression", About: "How the file is packed; none if left out. PARQUET is packed within.", Choices: append([]string{"none"}, export.Compressions()...)},
		{Name: "columns", About: "Columns of v_xml_cdr, separated by commas, each with a header of the file's own behind a colon if you like (start_stamp:Date,billsec:Seconds); or the set billing, fusionpbx or all."},
	}, filterParams, layoutParams)
}

// ReadContent reads the ContentParams of an export of the domain (the zero value: of all). What only the database knows,
// such as whether there are the columns, is checked when the request is resolved. Errors: fault.InvalidRequest, which
// names the parameter.
func ReadContent(given params.Values, of tenant.Domain) (cdr.Request, error) {
	return readContent(given, of, fileAsked{})
}

func readContent(given params.Values, of tenant.Domain, asked fileAsked) (p cdr.Request, err error) {
	p = cdr.Request{DomainUUID: of.UUID, DomainName: of.Name}
	template, err := templateOf(given)
	if err != nil {
		return p, err
	}
	p.Columns, p.Headers = cdr.ParseColumns(columnsOr(given, template), of.UUID == "")
	if p.Filter, err = filterOf(given); err != nil {
		return p, err
	}
	if p.Format, err = formatOf(given, asked, template.Format); err != nil {
		return p, err
	}
	if p.Compression, err = export.ParseCompression(web.Clip(given.Get("compression"))); err != nil {
		return p, fault.Errorf(fault.InvalidRequest, "%w", err)
	}
	if template.Name != "" && p.Format != template.Format {
		return p, fault.Invalid("format", "the template %s is %s; ask for that, or leave the format out", template.Name, template.Format)
	}
	return p, layOut(given, &p, template)
}

// columnsOr is the list of columns that is asked for, or else the template's.
func columnsOr(given params.Values, t cdr.Template) []string {
	if columns := columnsAsked(given); len(columns) > 0 {
		return columns
	}
	return params.Split(t.Columns)
}

// Content is what ReadContent has read, as the parameters that make it: the format always, and else what is not as it is
// when it is left out.
func Content(p cdr.Request) params.Values {
	given := params.Values{}
	say := func(name, is, usual string) {
		if is != usual {
			given[name] = is
		}
	}
	t, _ := cdr.FindTemplate(p.Template)
	say("template", p.Template, "")
	say("format", string(p.Format), "")
	say("compression", string(p.Compression), "")
	sayFilter(p, say)

	columns, headers := cdr.ParseColumns(columnsOr(given, t), p.DomainUUID == "")
	if !slices.Equal(columns, p.Columns) || !slices.Equal(headers, p.Headers) {
		given["columns"] = cdr.ListOf(p.Columns, p.Headers, p.DomainUUID == "")
	}
	for name, delimiter := range export.Delimiters {
		if delimiter == p.Layout.Delimiter && delimiter != t.Layout.Delimiter {
			given["delimiter"] = name
		}
	}
	word := func(is bool, no, yes string) string {
		if is {
			return yes
		}
		return no
	}
	say("quoting", word(p.Layout.QuoteAll, quotingNeeded, quotingAll), word(t.Layout.QuoteAll, quotingNeeded, quotingAll))
	say("line_end", word(p.Layout.CRLF, lineEndLF, lineEndCRLF), word(t.Layout.CRLF, lineEndLF, lineEndCRLF))
	say("header", strconv.FormatBool(!p.Layout.NoHeader), strconv.FormatBool(!t.Layout.NoHeader))
	say("date_format", p.Layout.Dates, t.Layout.Dates)
	say("durations", p.Layout.Durations, t.Layout.Durations)
	say("guard", p.Guard, word(t.Raw, "", cdr.GuardRaw))
	return given
}

// sayFilter says what narrows the CDRs down.
func sayFilter(p cdr.Request, say func(name, is, usual string)) {
	c := p.Filter
	if c.Page {
		say("view", viewFusionPBX, "")
	}
	if c.Answered {
		say("answered", "true", "")
	}
	if c.MinBillsec > 0 {
		say("min_billsec", strconv.Itoa(c.MinBillsec), "")
	}
	texts := map[string]string{
		"extension": strings.Join(c.Extensions, ","), "direction": strings.Join(c.Directions, ","), "hangup_cause": strings.Join(c.HangupCauses, ","),
		"leg": c.Leg, "caller_prefix": c.CallerPrefix, "destination_prefix": c.DestinationPrefix,
		"gateway": c.Gateway, "conference": c.Conference, "queue": c.Queue,
	}
	for name, text := range texts {
		say(name, text, "")
	}
}

// Changed is the content with the ContentParams that are given in place of what it was asked for with; one that is given
// empty is as if it had been left out. Errors: those of ReadContent.
func Changed(p cdr.Request, given params.Values) (cdr.Request, error) {
	asked, changed := Content(p), false
	if t, _ := cdr.FindTemplate(p.Template); p.Format == cmp.Or(t.Format, export.JSON) {
		delete(asked, "format") // another template brings its own
	}
	for _, param := range ContentParams() {
		if given.Has(param.Name) {
			asked[param.Name], changed = given.Get(param.Name), true
		}
	}
	if !changed {
		return p, nil
	}
	return ReadContent(asked, tenant.Domain{UUID: p.DomainUUID, Name: p.DomainName})
}
