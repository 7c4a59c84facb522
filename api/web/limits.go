package web

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"trunkline/internal/access"
	"trunkline/internal/fault"
	"trunkline/internal/ratelimit"
)

// Limit is the budget that an endpoint's requests are counted against: per credential and address, and of
// all credentials of a domain together; or per address if nobody has signed in.
type Limit string

// The limits, each with a setting of its own, as keys and messages have them.
const (
	LimitRequests Limit = "requests" // also that of an endpoint that names none
	LimitGateways Limit = "gateway operations"
	LimitExports  Limit = "CDR exports"
	// LimitOwnJob is for asking after one's own job: it takes nothing from the others, unless there is no such
	// job.
	LimitOwnJob Limit = "questions about jobs"
	// LimitConsole is for pages: one of them is several requests.
	LimitConsole Limit = "requests to the console"
)

// budget is what the caller may do of what is limited in a minute.
func (r *Request) budget(l Limit) ratelimit.Budget {
	return r.minute(string(l)+"|"+r.Caller.ID+"|"+access.Network(r.Address), r.most(l))
}

// shared is what all credentials may do together that are like the caller's: those of its domain or, if it
// sees several, those that one user has and has made. A user who makes a token for each of many domains does
// not have one domain's flood take what is the others'.
func (r *Request) shared(l Limit) ratelimit.Budget {
	of := "of " + r.Caller.Owner()
	if d := r.Caller.Domains; !d.All && len(d.List) == 1 {
		of = "domain " + d.List[0].UUID
	}
	return r.minute(string(l)+"|"+of, r.most(l)*r.front.Settings.RateLimitShared)
}

func (r *Request) most(l Limit) int {
	switch s := r.front.Settings; l {
	case LimitGateways:
		return s.RateLimitGateway
	case LimitExports:
		return s.RateLimitExport
	case LimitOwnJob:
		return s.RateLimitJob
	case LimitConsole:
		return s.RateLimitConsole
	default:
		return s.RateLimit
	}
}

func (r *Request) minute(key string, most int) ratelimit.Budget {
	return ratelimit.Budget{Key: key, Limit: most, Window: ratelimit.Window}
}

// addressBudget is what one address may do in a minute without signing in.
func (r *Request) addressBudget() ratelimit.Budget {
	address := access.Network(r.Address)
	if r.addressErr != nil {
		// Whose request it is is not known; who sent it to us is.
		address = "peer " + r.network()
	}
	return r.minute("address|"+address, r.front.Settings.RateLimitUnauthenticated)
}

// charge counts the request against its limit, or fails if that is used up.
func (r *Request) charge(l Limit) error {
	steps := []ratelimit.Step{{Budget: r.budget(l), Amount: 1}, {Budget: r.shared(l), Amount: 1}}
	if l == LimitOwnJob {
		steps = append(steps, ratelimit.Step{Budget: r.budget(LimitRequests)}) // which is shown
	}
	if err := r.count(l, steps); err != nil {
		return err
	}
	r.charged = l
	return nil
}

// recharge is for a request that failed. One that was refused as wrong has begun nothing: it counts against
// the limit of all requests in place of its own.
func (r *Request) recharge(err error) error {
	f, l := FaultOf(err, r.ID), r.charged
	status := StatusOf(f.Code)
	wrong := status >= 400 && status < 500 && status != http.StatusTooManyRequests && f.JobID == ""
	if !wrong || l == "" || l == LimitRequests || l == LimitConsole || l == LimitOwnJob && f.Code != fault.NotFound || r.c.Writer.Written() {
		return err
	}
	limited := r.count(LimitRequests, []ratelimit.Step{
		{Budget: r.budget(LimitRequests), Amount: 1}, {Budget: r.shared(LimitRequests), Amount: 1},
		{Budget: r.budget(l), Amount: -1}, {Budget: r.shared(l), Amount: -1},
	})
	return cmp.Or(limited, err)
}

// count does the steps, of which the first two are the caller's own budget and the shared one, or refuses the
// request in words that name the limit. It shows the budget of which less is left.
func (r *Request) count(l Limit, steps []ratelimit.Step) error {
	allowed, stand := r.front.Limiter.All(r.Context(), steps...)
	own, shared := stand[0], stand[1]
	switch {
	case !own.Allowed:
		r.showBudget(own)
		return fault.Limited(own.Reset, "these credentials may make %d "+string(l)+" a minute from one address", own.Limit)
	case !allowed:
		r.showBudget(shared)
		return fault.Limited(shared.Reset, "the credentials of one domain, or of one user, may make %d "+string(l)+" a minute together", shared.Limit)
	case l == LimitOwnJob:
		r.showBudget(stand[2])
	case shared.Remaining < own.Remaining:
		r.showBudget(shared)
	default:
		r.showBudget(own)
	}
	return nil
}

// chargeAddress counts the request against its address, or fails if that is used up.
func (r *Request) chargeAddress() error {
	return r.limited(r.front.Limiter.Take(r.Context(), r.addressBudget()))
}

// limited shows how the address's budget stands, and fails if it is used up.
func (r *Request) limited(d ratelimit.Decision) error {
	r.showBudget(d)
	if d.Allowed {
		return nil
	}
	return fault.Limited(d.Reset, "an address may make %d requests a minute without good credentials", d.Limit)
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
