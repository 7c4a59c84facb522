package api

import (
	"strings"

	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

// exportOf reads what an export is asked for, and whether the file itself is wanted as the answer.
func (r *request) exportOf() (p cdr.Request, asked fileAsked, err error) {
	t, err := r.exportTenant()
	if err != nil {
		return p, asked, err
	}
	p = cdr.Request{
		DomainUUID: t.UUID, DomainName: t.Name, Window: r.window(),
		Columns: commaSeparated(strings.ToLower(r.params.get("columns"))),
	}
	asked = asksForFile(r.c.GetHeader("Accept"))
	if p.Format, err = r.exportFormat(asked); err != nil {
		return p, asked, err
	}
	return p, asked, p.Resolve(r.context(), r.s.db)
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

// window is the span that the parameters ask for; it must be resolved.
func (r *request) window() cdr.Window {
	return cdr.Window{DateStart: r.params.get("date_start"), DateEnd: r.params.get("date_end"), TimeZone: r.params.get("time_zone")}
}

func (r *request) exportFormat(asked fileAsked) (export.Format, error) {
	text := r.params.get("format")
	if text == "" && asked.format != "" {
		return asked.format, nil
	}
	if text == "" {
		return export.JSON, nil
	}
	format, err := export.ParseFormat(shortened(text))
	if err != nil {
		return "", fault.Invalid("format", "%s", err)
	}
	if asked.format != "" && asked.format != format {
		return "", fault.Invalid("format", "is %s and Accept asks for %s; send one of them", format, asked.format)
	}
	return format, nil
}
