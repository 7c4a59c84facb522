package api

import (
	"slices"
	"strings"
	"time"

	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/tenant"
	"trunkline/tasks"
)

// exportOf reads what an export is asked for, and whether the file itself is wanted as the answer.
func (r *request) exportOf() (p tasks.ExportParams, asked fileAsked, err error) {
	t, err := r.exportTenant()
	if err != nil {
		return p, asked, err
	}
	p = tasks.ExportParams{DomainUUID: t.UUID, DomainName: t.Name}
	if err := r.exportWindow(&p); err != nil {
		return p, asked, err
	}
	asked = asksForFile(r.c.GetHeader("Accept"))
	if p.Format, err = r.exportFormat(asked); err != nil {
		return p, asked, err
	}
	p.Columns, err = r.exportColumns()
	return p, asked, err
}

// exportTenant is the domain whose CDRs are asked for; a superadmin who names none asks for all.
func (r *request) exportTenant() (tenant.Domain, error) {
	t, named, err := r.tenant()
	if err != nil {
		return tenant.Domain{}, err
	}
	if named && t.UUID == "" {
		return tenant.Domain{}, fault.Invalid("tenant_domain", "%s is for gateways; leave tenant_domain out to export all domains", tenant.Global)
	}
	if !named && r.caller.Domains.All {
		return tenant.Domain{}, nil
	}
	return r.oneTenant()
}

// exportWindow reads the dates and turns them into a half-open window, in time_zone or else in the
// domain's zone.
func (r *request) exportWindow(p *tasks.ExportParams) error {
	p.DateStart, p.DateEnd = r.params.get("date_start"), r.params.get("date_end")
	var absent []string
	if p.DateStart == "" {
		absent = append(absent, "date_start")
	}
	if p.DateEnd == "" {
		absent = append(absent, "date_end")
	}
	if len(absent) > 0 {
		return fault.Missing(absent...)
	}
	p.TimeZone = r.params.get("time_zone")
	given := p.TimeZone != ""
	if !given {
		var err error
		if p.TimeZone, err = r.s.db.TimeZone(r.context(), p.DomainUUID); err != nil {
			return err
		}
	}
	location, ok := zone(p.TimeZone)
	if !ok && given {
		return fault.Invalid("time_zone", "%q is not known; write a name such as Europe/Paris or UTC", shortened(p.TimeZone))
	}
	if !ok {
		return fault.Invalid("time_zone", "FusionPBX's setting domain, time_zone is %q, which is not known; correct it there or send time_zone", p.TimeZone)
	}
	const remedy = "is not a date; write 2024-01-31, 2024-01-31 18:00:00 or 2024-01-31T18:00:00+01:00 (encode + as %%2B in a form)"
	if p.Start, ok = parseStart(p.DateStart, location); !ok {
		return fault.Invalid("date_start", remedy)
	}
	if p.End, ok = parseEnd(p.DateEnd, location); !ok {
		return fault.Invalid("date_end", remedy)
	}
	p.Start, p.End = withinCalendar(p.Start), withinCalendar(p.End)
	if !p.Start.Before(p.End) {
		return fault.Invalid("date_end", "is before date_start")
	}
	p.Start, p.End = p.Start.In(time.UTC), p.End.In(time.UTC)
	return nil
}

func (r *request) exportFormat(asked fileAsked) (string, error) {
	text := r.params.get("format")
	if text == "" && asked.format != "" {
		return string(asked.format), nil
	}
	if text == "" {
		return string(export.JSON), nil
	}
	format, err := export.ParseFormat(shortened(text))
	if err != nil {
		return "", fault.Invalid("format", "%s", err)
	}
	if asked.format != "" && asked.format != format {
		return "", fault.Invalid("format", "is %s and Accept asks for %s; send one of them", format, asked.format)
	}
	return string(format), nil
}

// exportColumns reads the comma-separated columns; empty is the default ones.
func (r *request) exportColumns() ([]string, error) {
	var columns []string
	for _, name := range commaSeparated(strings.ToLower(r.params.get("columns"))) {
		switch {
		case !slices.Contains(fusionpbx.AllowedCDRColumns, name):
			return nil, fault.Invalid("columns", "there is no column %q to export; the columns are %s", shortened(name), strings.Join(fusionpbx.AllowedCDRColumns, ", "))
		case slices.Contains(columns, name):
			return nil, fault.Invalid("columns", "%s is given twice; give it once", name)
		}
		columns = append(columns, name)
	}
	return columns, nil
}
