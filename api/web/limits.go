package web

import (
	"fmt"
	"strconv"
	"time"

	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/ratelimit"
)

// Limit is the budget that an endpoint's requests are counted against: per credential and address, or
// per address if nobody has signed in.
type Limit string

// The limits, each with a setting of its own, as keys and messages have them.
const (
	LimitRequests Limit = "requests" // also that of an endpoint that names none
	LimitGateways Limit = "gateway operations"
	LimitExports  Limit = "CDR exports"
	// LimitNone is for asking after one's own job: it counts nothing, unless there is no such job.
	LimitNone Limit = "nothing"
)

// budget is what the caller may do of what is limited in a minute.
func (r *Request) budget(l Limit) ratelimit.Budget {
	most := r.front.Settings.RateLimit
	switch l {
	case LimitGateways:
		most = r.front.Settings.RateLimitGateway
	case LimitExports:
		most = r.front.Settings.RateLimitExport
	}
	return ratelimit.Budget{Key: fmt.Sprintf("%s|%s|%s", l, r.Caller.ID, access.Network(r.Address)), Limit: most, Window: ratelimit.Window}
}

// addressBudget is what one address may do in a minute without signing in.
func (r *Request) addressBudget() ratelimit.Budget {
	address := access.Network(r.Address)
	if r.addressErr != nil {
		// Whose request it is is not known; who sent it to us is.
		address = "peer " + r.network()
	}
	return ratelimit.Budget{Key: "address|" + address, Limit: r.front.Settings.RateLimitUnauthenticated, Window: ratelimit.Window}
}

// charge counts the request against its limit, or fails if that is used up.
func (r *Request) charge(l Limit) error {
	if l == LimitNone {
		r.showBudget(r.front.Limiter.Peek(r.Context(), r.budget(LimitRequests)))
		return nil
	}
	return r.take(r.budget(l), "these credentials may make %d "+string(l)+" a minute from one address")
}

// chargeAddress counts the request against its address, or fails if that is used up.
func (r *Request) chargeAddress() error {
	return r.take(r.addressBudget(), "an address may make %d requests a minute without good credentials")
}

// take counts the request against the budget, or refuses it in words that name the limit.
func (r *Request) take(b ratelimit.Budget, refusal string) error {
	d := r.front.Limiter.Take(r.Context(), b)
	r.showBudget(d)
	if d.Allowed {
		return nil
	}
	return fault.Limited(d.Reset, refusal, d.Limit)
}

// showAddress shows the address's budget and counts nothing: whoever starts and stops us asks often.
func (r *Request) showAddress() {
	r.showBudget(r.front.Limiter.Peek(r.Context(), r.addressBudget()))
}

// showBudget sets the documented headers, with their names as they are documented and not as Go would
// write them: there are clients that compare them letter by letter. Reset is in Unix seconds, and not
// before the budget is whole.
func (r *Request) showBudget(d ratelimit.Decision) {
	header := r.c.Writer.Header()
	header["X-RateLimit-Limit"] = []string{strconv.Itoa(d.Limit)}
	header["X-RateLimit-Remaining"] = []string{strconv.Itoa(d.Remaining)}
	header["X-RateLimit-Reset"] = []string{strconv.FormatInt(d.Reset.Add(time.Second-1).Unix(), 10)}
}
