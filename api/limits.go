package api

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/ratelimit"
)

// limitClass is the budget that an endpoint's requests are counted against: per credential and address,
// or per address where nobody has signed in.
type limitClass int

const (
	limitStandard limitClass = iota
	limitGateways
	limitExports
	// limitWaiting is for asking after one's own job: it counts nothing, unless there is no such job.
	limitWaiting
)

// strangersBits is how much of an IPv6 address that is not on the whitelist counts.
const strangersBits = 64

// classNames are the classes as keys and messages have them.
var classNames = map[limitClass]string{
	limitStandard: "requests", limitGateways: "gateway operations", limitExports: "CDR exports",
}

// classBudget is what the caller may do of the class in a minute.
func (r *request) classBudget(class limitClass) ratelimit.Budget {
	limit := r.s.settings.RateLimit
	switch class {
	case limitGateways:
		limit = r.s.settings.RateLimitGateway
	case limitExports:
		limit = r.s.settings.RateLimitExport
	}
	return ratelimit.Budget{
		Key:   fmt.Sprintf("%s|%s|%s", classNames[class], r.caller.ID, r.address),
		Limit: limit, Window: ratelimit.Window,
	}
}

// addressBudget is what one address may do in a minute without signing in.
func (r *request) addressBudget() ratelimit.Budget {
	address := r.address.String()
	switch {
	case r.addressErr != nil:
		// Whose request it is is not known; who sent it to us is.
		address = "peer " + peerHost(r.c.Request.RemoteAddr)
	case r.address.Is6() && !r.s.whitelist.Allows(r.address):
		// Whoever has one address of such a network usually has them all.
		address = netip.PrefixFrom(r.address, strangersBits).Masked().String()
	}
	return ratelimit.Budget{Key: "address|" + address, Limit: r.s.settings.RateLimitUnauthenticated, Window: ratelimit.Window}
}

func peerHost(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// charge counts the request against its class, or fails where that is used up.
func (r *request) charge(class limitClass) error {
	if class == limitWaiting {
		r.showBudget(r.s.limiter.Peek(r.context(), r.classBudget(limitStandard)))
		return nil
	}
	d := r.s.limiter.Take(r.context(), r.classBudget(class))
	r.showBudget(d)
	if d.Allowed {
		return nil
	}
	return fault.Limited(d.Reset, "these credentials may make %d %s a minute from one address", d.Limit, classNames[class])
}

// chargeAddress counts the request against its address, or fails where that is used up.
func (r *request) chargeAddress() error {
	d := r.s.limiter.Take(r.context(), r.addressBudget())
	r.showBudget(d)
	if d.Allowed {
		return nil
	}
	return fault.Limited(d.Reset, "an address may make %d requests a minute without good credentials", d.Limit)
}

// showAddress shows the address's budget and counts nothing: whoever starts and stops us asks often.
func (r *request) showAddress() {
	r.showBudget(r.s.limiter.Peek(r.context(), r.addressBudget()))
}

// showBudget sets the documented headers, with their names as they are documented and not as Go would
// write them: there are clients that compare them letter by letter. Reset is in Unix seconds, and not
// before the budget is whole.
func (r *request) showBudget(d ratelimit.Decision) {
	header := r.c.Writer.Header()
	header["X-RateLimit-Limit"] = []string{strconv.Itoa(d.Limit)}
	header["X-RateLimit-Remaining"] = []string{strconv.Itoa(d.Remaining)}
	header["X-RateLimit-Reset"] = []string{strconv.FormatInt(d.Reset.Add(time.Second-1).Unix(), 10)}
}
