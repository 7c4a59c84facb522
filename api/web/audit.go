package web

import (
	"trunkline/internal/access"
	"trunkline/internal/audit"
)

// Changed records that the caller changed something: what was done, such as token.revoke, to what, and of
// which domain ("": of none in particular).
func (r *Request) Changed(action, subject, domainUUID string) {
	r.domainUUID = domainUUID
	r.front.Audit.Change(r.Context(), audit.Event{
		Who: r.Caller.Name, Address: r.addressOrPeer(), Action: action, Subject: subject,
		DomainUUID: r.auditDomain(), RequestID: r.ID,
	})
}

// denied takes note of a request that was refused for who sent it: for its address, its credentials,
// its scope, or how many it was.
func (r *Request) denied() {
	who := r.tried
	if r.Caller.SignedIn() {
		who = r.Caller.Name
	}
	r.front.Audit.Denial(audit.Denial{
		Address: r.addressOrPeer(), Who: who, Endpoint: r.endpoint, Code: r.denial,
		DomainUUID: r.auditDomain(), RequestID: r.ID,
	})
}

// addressOrPeer is the caller's address, or if that is not known the peer's; "" if that is no address.
func (r *Request) addressOrPeer() string {
	addr := r.Address
	if r.addressErr != nil {
		addr, _ = access.ParseAddress(r.c.Request.RemoteAddr)
	}
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// auditDomain is whose entry it is: the domain that is concerned, else that of a caller who has one.
func (r *Request) auditDomain() string {
	if r.domainUUID == "" && !r.Caller.Domains.All {
		return r.Caller.Home.UUID
	}
	return r.domainUUID
}
