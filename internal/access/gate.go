package access

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"trunkline/internal/authlog"
	"trunkline/internal/fault"
	"trunkline/internal/ratelimit"
)

const (
	// maxCountedName is how much of a name counts that nobody has, in bytes.
	maxCountedName = 256
	// tokenName stands for a token in the line for fail2ban.
	tokenName = "api-token"
	// signedInLately is how long an address is known to a user by a login that succeeded.
	signedInLately = 7 * 24 * time.Hour
	// firstLook and longestLook are how long a login waits that may be checked once others have been.
	firstLook, longestLook = 10 * time.Millisecond, 100 * time.Millisecond
)

// Gate is the login gate: it keeps passwords from being guessed. It counts failures per address, and per
// user at an address, and beyond its limits refuses that address; and per user over all addresses, for
// which answers come later but are never refused, since anybody could lock a user out by it.
type Gate struct {
	limits  GateLimits
	limiter *ratelimit.Limiter
	log     *authlog.Log
	held    chan struct{}
}

// GateLimits are how many logins may fail within Window, and how long the answer to one is held back at most.
type GateLimits struct {
	OfName    int // of one user, from one address
	OfAddress int // from one address
	Window    time.Duration
	MaxDelay  time.Duration
}

// NewGate returns an open gate. The limiter counts; the log, for fail2ban, is told of each failure.
func NewGate(limits GateLimits, limiter *ratelimit.Limiter, log *authlog.Log) *Gate {
	return &Gate{limits: limits, limiter: limiter, log: log, held: make(chan struct{}, maxHeld)}
}

func (g *Gate) ofAddress(addr netip.Addr) ratelimit.Budget {
	return ratelimit.Budget{Key: "login|" + Network(addr), Limit: g.limits.OfAddress, Window: g.limits.Window}
}

func (g *Gate) ofUser(addr netip.Addr, user string) ratelimit.Budget {
	return ratelimit.Budget{Key: "login|" + Network(addr) + "|" + user, Limit: g.limits.OfName, Window: g.limits.Window}
}

// open fails if too many logins from the address have failed, or of one of the users there. Then the right
// password is refused too, since it would show itself.
func (g *Gate) open(ctx context.Context, addr netip.Addr, users ...string) error {
	steps := []ratelimit.Step{{Budget: g.ofAddress(addr)}}
	for _, user := range users {
		steps = append(steps, ratelimit.Step{Budget: g.ofUser(addr, user)})
	}
	_, stand := g.limiter.All(ctx, steps...)
	if err := refusedAddress(stand[0]); err != nil {
		return err
	}
	for _, ofUser := range stand[1:] {
		if err := refusedUser(ofUser); err != nil {
			return err
		}
	}
	return nil
}

func refusedAddress(failed ratelimit.Decision) error {
	if failed.Allowed {
		return nil
	}
	return fault.Limited(failed.Reset, "too many failed logins from this address; check the credentials that it sends, or use a token")
}

func refusedUser(failed ratelimit.Decision) error {
	if failed.Allowed {
		return nil
	}
	return fault.Limited(failed.Reset, "too many failed logins of this user from this address; check the password, or use a token")
}

// countedName stands for the user of a name that nobody has, so that its answers are like those of others.
func countedName(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	return "name " + name[:min(len(name), maxCountedName)]
}

// token counts a token that is not one of ours, and returns how long its answer is to be held back. One
// that is good never comes here: it cannot be guessed, and whoever has it is not to be locked out by others
// at the same address.
func (g *Gate) token(ctx context.Context, addr netip.Addr) (time.Duration, error) {
	g.log.Failed(addr, tokenName)
	d := g.limiter.Take(ctx, g.ofAddress(addr))
	if !d.Allowed {
		return 0, fault.Limited(d.Reset, "too many failed logins from this address; check the token that it sends")
	}
	return delayAfter(d.Limit-d.Remaining, g.limits.MaxDelay), nil
}
