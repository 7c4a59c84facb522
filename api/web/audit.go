package web

import (
	"net/netip"

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
// its scope, or how many it was. It reports whether it is the first of its kind in this minute.
func (r *Request) denied() (first bool) {
	who := r.tried
	if r.Caller.SignedIn() {
		who = r.Caller.Name
	}
	return r.front.Audit.Denial(audit.Denial{
		Address: r.network(), Who: who, Endpoint: r.endpoint, Code: r.denial,
		DomainUUID: r.auditDomain(), RequestID: r.ID,
	})
}

// addressOrPeer is the caller's address, or if that is not known the peer's; "" if that is no address.
func (r *Request) addressOrPeer() string {
	if addr, known := r.located(); known {
		return addr.String()
	}
	return ""
}

// network is what counts as that address.
func (r *Request) network() string {
	if addr, known := r.located(); known {
		return access.Network(addr)
	}
	return ""
}

func (r *Request) located() (netip.Addr, bool) {
	if r.addressErr != nil {
		return access.ParseAddress(r.c.Request.RemoteAddr)
	}
	return r.Address, r.Address.IsValid()
}

// auditDomain is whose entry it is: the domain that is concerned, else that of a caller who has one.
func (r *Request) auditDomain() string {
	if r.domainUUID == "" && !r.Caller.Domains.All {
		return r.Caller.Home.UUID
	}
	return r.domainUUID
}
