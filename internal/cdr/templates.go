package cdr

import (
	"slices"
	"strings"

	"trunkline/internal/export"
)

// Template is what a program that reads exports expects: columns, and how they are written.
type Template struct {
	Name    string
	About   string
	Format  export.Format
	Columns string // as columns are asked for
	Layout  export.Layout
	Raw     bool // nothing stands before what a spreadsheet would take for a formula: a program reads it
}

// templates are those that ship, in the order in which people are told of them.
var templates = []Template{
	{
		Name: "fusionpbx", About: "what FusionPBX's own page exports: its columns, every cell in quotes, times as Postgres prints them",
		Format: export.CSV, Columns: SetFusionPBX,
		Layout: export.Layout{QuoteAll: true, Dates: export.DatesPostgres},
	},
	{
		Name: "cgrates", About: "for CGRateS, which reads fields by their place: no header, semicolons, seconds, RFC 3339",
		Format:  export.CSV,
		Columns: "xml_cdr_uuid,domain_name,direction,accountcode,caller_id_number,destination_number,start_stamp,answer_stamp,end_stamp,billsec,hangup_cause",
		Layout:  export.Layout{Delimiter: ";", NoHeader: true},
		Raw:     true,
	},
	{
		Name: "rating", About: "a plain rating table: who called whom, when, and for how many seconds, under names of its own",
		Format:  export.CSV,
		Columns: "xml_cdr_uuid:call_id,domain_name:domain,accountcode:account,direction:direction,caller_id_number:caller,destination_number:destination,start_stamp:start,billsec:seconds",
		Layout:  export.Layout{Dates: "%Y-%m-%d %H:%M:%S"},
		Raw:     true,
	},
}

// Templates are those that ship.
func Templates() []Template { return slices.Clone(templates) }

// FindTemplate is the template of that name, in any case.
func FindTemplate(name string) (Template, bool) {
	i := slices.IndexFunc(templates, func(t Template) bool { return strings.EqualFold(t.Name, name) })
	if i < 0 {
		return Template{}, false
	}
	return templates[i], true
}
