package console

import (
	"trunkline/api/admin"
	"trunkline/api/web"
	"trunkline/internal/audit"
	"trunkline/internal/token"
)

var auditPage = page{
	path: "/audit", title: "Audit", template: "audit", scope: token.ScopeAdmin, show: (*Service).audit,
	params: append([]web.Param{
		{Name: "kind"}, {Name: "action"}, {Name: "who"}, {Name: "address"}, {Name: "code"}, {Name: "since"}, {Name: "until"}, {Name: "tenant_domain"},
	}, web.PageParams...),
}

// audited is a page of the audit.
type audited struct {
	admin.AuditPage
	Kinds        []audit.Kind
	Since, Until string // as fields have them
	Filtered     bool   // something is asked for
	Pager        pager
}

func (s *Service) audit(r *web.Request) (any, error) {
	asked, err := zoned(r, "since", "until")
	if err != nil {
		return nil, err
	}
	found, err := s.Admin.Audit(asked)
	if err != nil {
		return nil, err
	}
	return audited{
		AuditPage: found, Kinds: audit.Kinds, Since: fieldIn(r, "since"), Until: fieldIn(r, "until"), Filtered: filtered(r), Pager: newPager(r, found.Next),
	}, nil
}
