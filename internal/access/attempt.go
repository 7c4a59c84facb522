package access

import (
	"context"
	"math"
	"net/netip"
	"time"

	"trunkline/internal/ratelimit"
)

// attempt is a login that may be checked. It counts against the limits of failures until it is settled, so
// that of any number that come at once, to any number of processes, no more are checked than may fail.
type attempt struct {
	gate  *Gate
	addr  netip.Addr
	name  string // as it was typed
	began time.Time
	users []userThere
	// failed is how many have failed at the address.
	failed int
}

// userThere is a user whom the name means, as it stood before the attempt.
type userThere struct {
	id         string
	failed     int  // logins of the user from the address that have failed
	everywhere int  // and from all addresses
	known      bool // the user signed in from the address lately
}

// stepsOfUser are the steps about one user in what admit asks.
const stepsOfUser = 4

// admit lets a login be checked, or refuses it. If so many are being checked that it depends on them, it
// waits: those may have the right password. The users are those whom the name means, if there are any.
func (g *Gate) admit(ctx context.Context, addr netip.Addr, name string, users []string) (*attempt, error) {
	a := &attempt{gate: g, addr: addr, name: name, began: time.Now()}
	if len(users) == 0 {
		users = []string{countedName(name)}
	}
	steps := a.reserving(g.ofAddress(addr), nil)
	for _, user := range users {
		steps = a.reserving(g.ofUser(addr, user), steps)
		steps = append(steps, ratelimit.Step{Budget: g.everywhere(user)}, ratelimit.Step{Budget: g.known(addr, user)})
	}
	for wait := firstLook; ; wait = min(2*wait, longestLook) {
		allowed, stand := g.limiter.All(ctx, steps...)
		if err := refusedAddress(stand[0]); err != nil {
			return nil, err
		}
		for i := 2; i < len(stand); i += stepsOfUser {
			if err := refusedUser(stand[i]); err != nil {
				return nil, err
			}
		}
		if allowed {
			a.read(users, stand)
			return a, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// reserving adds the steps that look at failures and count one more login that is being checked, both within
// one limit.
func (a *attempt) reserving(failed ratelimit.Budget, steps []ratelimit.Step) []ratelimit.Step {
	return append(steps, ratelimit.Step{Budget: failed}, ratelimit.Step{Budget: checking(failed), Amount: 1, With: len(steps) + 1})
}

// checking is what counts logins that are being checked. A process that is killed gives nothing back, so it
// is forgotten soon.
func checking(failed ratelimit.Budget) ratelimit.Budget {
	return ratelimit.Budget{Key: "checking|" + failed.Key, Limit: failed.Limit, Window: ratelimit.Window}
}

// everywhere counts a user's failures over all addresses. It has no limit.
func (g *Gate) everywhere(user string) ratelimit.Budget {
	return ratelimit.Budget{Key: "user|" + user, Limit: math.MaxInt32, Window: g.limits.Window}
}

// known is used up while the address is known to the user.
func (g *Gate) known(addr netip.Addr, user string) ratelimit.Budget {
	return ratelimit.Budget{Key: "known|" + Network(addr) + "|" + user, Limit: 1, Window: signedInLately}
}

func (a *attempt) read(users []string, stand []ratelimit.Decision) {
	counted := func(d ratelimit.Decision) int { return d.Limit - d.Remaining }
	a.failed = counted(stand[0])
	for i, user := range users {
		of := stand[2+i*stepsOfUser:]
		a.users = append(a.users, userThere{id: user, failed: counted(of[0]), everywhere: counted(of[2]), known: !of[3].Allowed})
	}
}

// settle counts how the login ended: a wrong password is a failure, and one that was right makes up for those
// before it. What could not be checked is neither. It returns when the answer is due.
func (a *attempt) settle(ctx context.Context, user string, err error) (due time.Time) {
	g, wrong := a.gate, unauthenticated(err)
	steps := a.settling(g.ofAddress(a.addr), wrong, nil)
	slow := time.Duration(0) // how much later the answer comes for the user's failures elsewhere
	for _, u := range a.users {
		steps = a.settling(g.ofUser(a.addr, u.id), wrong, steps)
		everywhere := u.everywhere
		switch {
		case wrong:
			everywhere++
			steps = append(steps, ratelimit.Step{Budget: g.everywhere(u.id), Amount: 1})
		case err == nil && u.id == user:
			if u.failed > 0 {
				steps = append(steps, ratelimit.Step{Budget: g.ofUser(a.addr, u.id), Amount: ratelimit.Forget})
			}
			if !u.known {
				steps = append(steps, ratelimit.Step{Budget: g.known(a.addr, u.id), Amount: 1})
			}
		}
		if !u.known {
			slow = max(slow, delayAfter(everywhere, min(g.limits.MaxDelay, maxUserDelay)))
		}
	}
	g.limiter.All(ctx, steps...)
	switch {
	case wrong:
		g.log.Failed(a.addr, a.name)
		slow = max(slow, delayAfter(a.failed+1, g.limits.MaxDelay))
		return a.began.Add(min(leastRefusal+slow, g.limits.MaxDelay))
	case err == nil:
		return a.began.Add(slow)
	}
	return a.began
}

// settling adds the steps that end a check, and count it if it failed.
func (a *attempt) settling(failed ratelimit.Budget, wrong bool, steps []ratelimit.Step) []ratelimit.Step {
	steps = append(steps, ratelimit.Step{Budget: checking(failed), Amount: -1})
	if wrong {
		failed.Limit = math.MaxInt32 // it was admitted
		steps = append(steps, ratelimit.Step{Budget: failed, Amount: 1})
	}
	return steps
}
