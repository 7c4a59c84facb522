package api

import (
	"net/http"
	"net/netip"
	"slices"

	"trunkline/internal/access"
	"trunkline/internal/audit"
	"trunkline/internal/fault"
)

// changed records that the caller changed something: what was done, such as token.revoke, and to what.
func (r *request) changed(action, subject string) {
	r.s.audit.Change(r.context(), audit.Event{
		Who: r.caller.Name, Address: r.auditAddress(), Action: action, Subject: subject,
		DomainUUID: r.auditDomain(), RequestID: r.id,
	})
}

// denied takes note of a request that was refused for who sent it: for its address, its credentials,
// its scope, or how many it was.
func (r *request) denied() {
	who := r.tried
	if r.caller.SignedIn() {
		who = r.caller.Name
	}
	r.s.audit.Denial(audit.Denial{
		Address: r.auditAddress(), Who: who, Endpoint: r.route.endpoint, Code: r.denial,
		DomainUUID: r.auditDomain(), RequestID: r.id,
	})
}

// isDenial reports whether the code refuses a caller rather than what they asked for.
func isDenial(code fault.Code) bool {
	switch statusOf(code) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return true
	}
	return false
}

// auditAddress is the caller's address, or where that is not known the peer's; "" where that is none.
func (r *request) auditAddress() string {
	addr := r.address
	if r.addressErr != nil {
		addr, _ = access.ParseAddress(r.c.Request.RemoteAddr)
	}
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// auditDomain is whose entry it is: the domain that is concerned, else that of a caller who has one.
func (r *request) auditDomain() string {
	if r.domainUUID == "" && !r.caller.Domains.All {
		return r.caller.Home.UUID
	}
	return r.domainUUID
}

// auditPage is one page of the audit, newest first.
type auditPage struct {
	Entries []audit.Entry `json:"entries"`
	Next    string        `json:"next,omitempty"` // the after of the next page; absent on the last one
}

func (s *Server) auditEndpoints() []endpoint {
	return []endpoint{{
		id: "listAudit", summary: "Who was denied what, and who changed what; newest first", note: "With one domain, its entries alone.",
		methods: []string{"GET"}, path: "/v1/audit", entry: signedIn, scopes: toAdmin, answer: s.listAudit,
		params: slices.Concat([]parameter{
			{name: "kind", about: "denial or change.", choices: namesOf(audit.Kinds)},
			{name: "action", about: "Of a denial the endpoint, of a change what was done, such as token.revoke."},
			{name: "who", about: "user@domain, or token:NAME."},
			{name: "address", about: "The caller's, without a mask."},
			{name: "code", about: "The code of the denial."},
			{name: "since", about: "RFC 3339, or a date in UTC."},
			{name: "until", about: "The same: before that."},
		}, tenantParams, pageParams),
		replies: []reply{{status: 200, about: "A page.", body: auditPage{}}},
		faults:  []fault.Code{fault.NotFound},
	}}
}

// listAudit shows who was denied what and who changed what. A caller of some domains sees what concerns
// those; what concerns none, such as a stranger's attempts, is for callers of all domains.
func (s *Server) listAudit(r *request) error {
	f, err := r.auditFilter()
	if err != nil {
		return err
	}
	entries, next, err := s.audit.List(r.context(), f)
	if err != nil {
		return err
	}
	r.answer(http.StatusOK, auditPage{Entries: append([]audit.Entry{}, entries...), Next: next})
	return nil
}

func (r *request) auditFilter() (audit.Filter, error) {
	f := audit.Filter{
		Kind: audit.Kind(r.params.get("kind")), Action: r.params.get("action"), Who: r.params.get("who"),
		Code: r.params.get("code"),
	}
	if f.Kind != "" && !slices.Contains(audit.Kinds, f.Kind) {
		return f, fault.Invalid("kind", "is neither %s nor %s", audit.KindDenial, audit.KindChange)
	}
	var err error
	if f.After, err = r.after(); err != nil {
		return f, err
	}
	if f.Limit, err = r.limit(); err != nil {
		return f, err
	}
	if text := r.params.get("address"); text != "" {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return f, fault.Invalid("address", "is not an IP address; write one such as 192.0.2.1 or 2001:db8::1")
		}
		f.Address = addr.Unmap().WithZone("").String()
	}
	if f.Since, err = r.moment("since"); err != nil {
		return f, err
	}
	if f.Until, err = r.moment("until"); err != nil {
		return f, err
	}
	return f, r.auditDomains(&f)
}

// auditDomains keeps a caller of some domains to those, and anyone to the domain that they name.
func (r *request) auditDomains(f *audit.Filter) error {
	t, named, err := r.tenant()
	switch {
	case err != nil:
		return err
	case named && t.UUID == "":
		return fault.Invalid("tenant_domain", "is no domain; leave it out to see the entries of none too")
	case named:
		f.DomainUUIDs = []string{t.UUID}
	case !r.caller.Domains.All:
		f.DomainUUIDs = r.caller.Domains.UUIDs()
	}
	return nil
}
