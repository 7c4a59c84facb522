package access

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"trunkline/internal/authlog"
	"trunkline/internal/fault"
	"trunkline/internal/ratelimit"
)

const (
	// firstDelay is how long the answer to the second failure in a row is held back; each further one
	// doubles it.
	firstDelay = 250 * time.Millisecond
	// maxHeld bounds how many answers are held back at once; what is beyond is answered at once.
	maxHeld = 256
	// maxCountedName is how much of a name counts, in bytes.
	maxCountedName = 256
	// tokenName stands for a token in the line for fail2ban.
	tokenName = "api-token"
)

// Gate is the login gate: it keeps passwords from being guessed. It counts failures per address, and per
// name at an address: never per name alone, with which anybody could lock a user out.
type Gate struct {
	limits  GateLimits
	limiter *ratelimit.Limiter
	log     *authlog.Log
	turns   *turns
	held    chan struct{}
}

// GateLimits are how many logins may fail within Window, and how long the answer to a failure is held back
// at most.
type GateLimits struct {
	OfName    int // of one name, from one address
	OfAddress int // from one address
	Window    time.Duration
	MaxDelay  time.Duration
}

// NewGate returns an open gate. The limiter counts; the log, for fail2ban, is told of each failure.
func NewGate(limits GateLimits, limiter *ratelimit.Limiter, log *authlog.Log) *Gate {
	return &Gate{limits: limits, limiter: limiter, log: log, turns: newTurns(), held: make(chan struct{}, maxHeld)}
}

func (g *Gate) ofAddress(addr netip.Addr) ratelimit.Budget {
	return ratelimit.Budget{Key: "login|" + addr.String(), Limit: g.limits.OfAddress, Window: g.limits.Window}
}

func (g *Gate) ofName(addr netip.Addr, name string) ratelimit.Budget {
	name = strings.ToLower(strings.TrimSpace(name))
	name = name[:min(len(name), maxCountedName)]
	return ratelimit.Budget{Key: fmt.Sprintf("login|%s|%s", addr, name), Limit: g.limits.OfName, Window: g.limits.Window}
}

// open fails if too many logins of the name from the address have failed, or of any name. Then the
// right password is refused too, since it would show itself.
func (g *Gate) open(ctx context.Context, addr netip.Addr, name string) error {
	_, _, err := g.left(ctx, addr, name)
	return err
}

// left is what may still fail at the address, and of the name.
func (g *Gate) left(ctx context.Context, addr netip.Addr, name string) (atAddress, ofName ratelimit.Decision, err error) {
	if atAddress = g.limiter.Peek(ctx, g.ofAddress(addr)); !atAddress.Allowed {
		return atAddress, ofName, fault.Limited(atAddress.Reset, "too many failed logins from this address; check the credentials that it sends, or use a token")
	}
	if ofName = g.limiter.Peek(ctx, g.ofName(addr, name)); !ofName.Allowed {
		return atAddress, ofName, fault.Limited(ofName.Reset, "too many failed logins with this username from this address; check the password, or use a token")
	}
	return atAddress, ofName, nil
}

// login checks a password if the gate is open, and counts it if it is wrong. A right one makes up for
// those before it.
func (g *Gate) login(ctx context.Context, addr netip.Addr, name string, check func() error) error {
	ofName, ofAddress := g.ofName(addr, name), g.ofAddress(addr)
	before := 0 // failures of the name
	end, err := g.turns.take(ctx, func() ([]turn, error) {
		atAddress, name, err := g.left(ctx, addr, name)
		before = name.Limit - name.Remaining
		return []turn{{ofAddress.Key, atAddress.Remaining}, {ofName.Key, name.Remaining}}, err
	})
	if err != nil {
		return err
	}
	failed := false
	defer func() { end(failed) }()
	switch err = check(); {
	case unauthenticated(err):
		failed = true
		g.limiter.Take(ctx, ofAddress)
		g.limiter.Take(ctx, ofName)
		g.log.Failed(addr, name)
	case err == nil && before > 0:
		g.limiter.Clear(ctx, ofName.Key)
	}
	return err
}

// token counts a token that is not one of ours. One that is good never comes here: it cannot be guessed,
// and whoever has it is not to be locked out by others at the same address.
func (g *Gate) token(ctx context.Context, addr netip.Addr) error {
	g.log.Failed(addr, tokenName)
	if d := g.limiter.Take(ctx, g.ofAddress(addr)); !d.Allowed {
		return fault.Limited(d.Reset, "too many failed logins from this address; check the token that it sends")
	}
	return nil
}

// Hold keeps back the answer to a failed login, the longer the more there were from the address, until
// ctx or stopping ends.
func (g *Gate) Hold(ctx, stopping context.Context, addr netip.Addr) {
	d := g.limiter.Peek(ctx, g.ofAddress(addr))
	delay := delayAfter(d.Limit-d.Remaining, g.limits.MaxDelay)
	if delay <= 0 {
		return
	}
	select {
	case g.held <- struct{}{}:
		defer func() { <-g.held }()
	default:
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-stopping.Done():
	}
}

// delayAfter is how long the answer to the last of so many failures is held back.
func delayAfter(failures int, longest time.Duration) time.Duration {
	if failures < 2 {
		return 0
	}
	delay := firstDelay
	for ; failures > 2 && delay < longest; failures-- {
		delay *= 2
	}
	return min(delay, longest)
}
