package cdrs

import (
	"cmp"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/cdr"
	"trunkline/internal/export"
	"trunkline/internal/fault"
	"trunkline/internal/tenant"
)

// requestOf reads what an export is asked for, and whether the file itself is wanted as the answer.
func (s *Service) requestOf(r *web.Request) (p cdr.Request, asked fileAsked, err error) {
	t, err := tenantOf(r)
	if err != nil {
		return p, asked, err
	}
	p = cdr.Request{
		DomainUUID: t.UUID, DomainName: t.Name, Window: windowOf(r),
		Columns: params.Split(strings.ToLower(r.Params.Get("columns"))),
	}
	asked = asksForFile(r.Header("Accept"))
	if p.Format, err = formatOf(r, asked); err != nil {
		return p, asked, err
	}
	return p, asked, p.Resolve(r.Context(), s.db)
}

// tenantOf is the domain whose CDRs are asked for; a superadmin who names none asks for all.
func tenantOf(r *web.Request) (tenant.Domain, error) {
	t, named, err := r.Tenant()
	if err != nil {
		return tenant.Domain{}, err
	}
	if named && t.UUID == "" {
		return tenant.Domain{}, fault.Invalid("tenant_domain", "%s is for gateways; leave tenant_domain out to export all domains", tenant.Global)
	}
	if !named && r.Caller.Domains.All {
		return tenant.Domain{}, nil
	}
	return r.OneTenant()
}

// windowOf is the span that the parameters ask for; it must be resolved.
func windowOf(r *web.Request) cdr.Window {
	return cdr.Window{DateStart: r.Params.Get("date_start"), DateEnd: r.Params.Get("date_end"), TimeZone: r.Params.Get("time_zone")}
}

func formatOf(r *web.Request, asked fileAsked) (export.Format, error) {
	text := r.Params.Get("format")
	if text == "" {
		return cmp.Or(asked.format, export.JSON), nil
	}
	format, err := export.ParseFormat(web.Clip(text))
	if err != nil {
		return "", fault.Invalid("format", "%s", err)
	}
	if asked.format != "" && asked.format != format {
		return "", fault.Invalid("format", "is %s and Accept asks for %s; send one of them", format, asked.format)
	}
	return format, nil
}
