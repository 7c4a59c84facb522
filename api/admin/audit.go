package admin

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/audit"
	"trunkline/internal/fault"
	"trunkline/internal/postgres"
	"trunkline/internal/token"
)

// AuditPage is one page of the audit, newest first.
type AuditPage struct {
	Entries []audit.Entry `json:"entries"`
	Next    string        `json:"next,omitempty"` // the after of the next page; absent on the last one
}

func (s *Service) auditEndpoints() []web.Endpoint {
	return []web.Endpoint{{
		ID: "listAudit", Summary: "Who was denied what, and who changed what; newest first", Note: "With one domain, its entries alone.",
		Methods: []string{"GET"}, Path: "/v1/audit", Entry: web.SignedIn, Scope: token.ScopeAdmin, Answer: web.JSON(http.StatusOK, s.Audit),
		Params: slices.Concat([]web.Param{
			{Name: "kind", About: "denial or change.", Choices: web.NamesOf(audit.Kinds)},
			{Name: "action", About: "Of a denial the endpoint, of a change what was done, such as token.revoke."},
			{Name: "who", About: "user@domain, or token:NAME."},
			{Name: "address", About: "The caller's, without a mask."},
			{Name: "code", About: "The code of the denial."},
			{Name: "since", About: "RFC 3339, or a date in UTC."},
			{Name: "until", About: "The same: before that."},
			{Name: "about", About: "Changes that gateways or jobs of these UUIDs were the subject of.", Kind: web.KindUUIDs},
		}, web.TenantParams, web.PageParams),
		Replies: []web.Reply{{Status: 200, About: "A page.", Body: AuditPage{}}},
		Faults:  []fault.Code{fault.NotFound},
	}}
}

// Audit shows who was denied what and who changed what. A caller of some domains sees what concerns
// those; what concerns none, such as a stranger's attempts, is for callers of all domains.
func (s *Service) Audit(r *web.Request) (answer AuditPage, err error) {
	f, err := auditFilter(r)
	if err != nil {
		return answer, err
	}
	entries, next, err := s.audit.List(r.Context(), f)
	if err != nil {
		return answer, err
	}
	return AuditPage{Entries: append([]audit.Entry{}, entries...), Next: next}, nil
}

func auditFilter(r *web.Request) (audit.Filter, error) {
	f := audit.Filter{
		Kind: audit.Kind(r.Params.Get("kind")), Action: r.Params.Get("action"), Who: r.Params.Get("who"),
		Code: r.Params.Get("code"),
	}
	if f.Kind != "" && !slices.Contains(audit.Kinds, f.Kind) {
		return f, fault.Invalid("kind", "is neither %s nor %s", audit.KindDenial, audit.KindChange)
	}
	var err error
	if f.After, f.Limit, err = r.Params.Page(); err != nil {
		return f, err
	}
	if text := r.Params.Get("address"); text != "" {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return f, fault.Invalid("address", "is not an IP address; write one such as 192.0.2.1 or 2001:db8::1")
		}
		f.Address = addr.Unmap().WithZone("").String()
	}
	if f.Since, err = r.Params.Time("since"); err != nil {
		return f, err
	}
	if f.Until, err = r.Params.Time("until"); err != nil {
		return f, err
	}
	for _, id := range params.Split(r.Params.Get("about")) {
		if id = strings.ToLower(id); !postgres.IsUUID(id) {
			return f, fault.Invalid("about", "holds what is no UUID; give those of gateways or jobs, with commas between or as an array")
		}
		f.About = append(f.About, id)
	}
	return f, auditDomains(r, &f)
}

// auditDomains keeps a caller of some domains to those, and anyone to the domain that they name.
func auditDomains(r *web.Request, f *audit.Filter) error {
	t, named, err := r.Tenant()
	switch {
	case err != nil:
		return err
	case named && t.UUID == "":
		return fault.Invalid("tenant_domain", "is no domain; leave it out to see the entries of none too")
	case named:
		f.DomainUUIDs = []string{t.UUID}
	case !r.Caller.Domains.All:
		f.DomainUUIDs = r.Caller.Domains.UUIDs()
	}
	return nil
}
