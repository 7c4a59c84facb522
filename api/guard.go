package api

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"trunkline/internal/authlog"
	"trunkline/internal/config"
	"trunkline/internal/ratelimit"
)

const (
	// firstDelay is how long the answer to the second failure in a row is held back; each further one
	// doubles it.
	firstDelay = 250 * time.Millisecond
	// maxHeld bounds how many answers are held back at once; what is beyond is answered at once.
	maxHeld = 256
	// maxGuardedName is how much of a name counts, in bytes.
	maxGuardedName = 256
	// tokenName stands for a token in the line for fail2ban.
	tokenName = "api-token"
)

// guard keeps passwords from being guessed. It counts failures per address, and per name at an address:
// never per name alone, with which anybody could lock a user out. A login is counted before it is
// checked and given back when it was right, so that guesses that come all at once are counted too.
type guard struct {
	settings config.Settings
	limiter  *ratelimit.Limiter
	log      *authlog.Log
	held     chan struct{}
}

func newGuard(settings config.Settings, limiter *ratelimit.Limiter, log *authlog.Log) *guard {
	return &guard{settings: settings, limiter: limiter, log: log, held: make(chan struct{}, maxHeld)}
}

func (g *guard) ofAddress(addr netip.Addr) ratelimit.Budget {
	return ratelimit.Budget{Key: "login|" + addr.String(), Limit: g.settings.LoginFailuresAddress, Window: g.settings.LoginFailuresWindow}
}

func (g *guard) ofName(addr netip.Addr, name string) ratelimit.Budget {
	name = strings.ToLower(strings.TrimSpace(name))
	name = name[:min(len(name), maxGuardedName)]
	return ratelimit.Budget{Key: fmt.Sprintf("login|%s|%s", addr, name), Limit: g.settings.LoginFailures, Window: g.settings.LoginFailuresWindow}
}

// login checks a password, unless too many were wrong before: then even the right one is refused, which
// would otherwise show itself. right says of check's error whether the password was right all the same.
func (g *guard) login(ctx context.Context, addr netip.Addr, name string, check func() error, right func(error) bool) error {
	ofName, ofAddress := g.ofName(addr, name), g.ofAddress(addr)
	if d := g.limiter.Take(ctx, ofAddress); !d.Allowed {
		return rateLimited(d.Reset, "too many failed logins from this address; check the credentials that it sends")
	}
	if d := g.limiter.Take(ctx, ofName); !d.Allowed {
		g.limiter.Give(ctx, ofAddress)
		return rateLimited(d.Reset, "too many failed logins with this username from this address; check the password")
	}
	err := check()
	if right(err) {
		g.limiter.Give(ctx, ofAddress)
		g.limiter.Clear(ctx, ofName.Key)
		return err
	}
	g.log.Failed(addr, name)
	return err
}

// token counts a token that is none of ours. One that is good never comes here: it cannot be guessed,
// and whoever has it is not to be locked out by others at the same address.
func (g *guard) token(ctx context.Context, addr netip.Addr) error {
	g.log.Failed(addr, tokenName)
	if d := g.limiter.Take(ctx, g.ofAddress(addr)); !d.Allowed {
		return rateLimited(d.Reset, "too many failed logins from this address; check the token that it sends")
	}
	return nil
}

// hold keeps back the answer to a failed login, the longer the more there were from the address, until
// ctx or stopping ends.
func (g *guard) hold(ctx, stopping context.Context, addr netip.Addr) {
	d := g.limiter.Peek(ctx, g.ofAddress(addr))
	delay := delayAfter(d.Limit-d.Remaining, g.settings.LoginDelayMax)
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
