package access

import (
	"context"
	"time"
)

const (
	// firstDelay is how much later the answer to the second failure in a row comes; each further one doubles it.
	firstDelay = 250 * time.Millisecond
	// leastRefusal is how long the answer to any wrong password takes: longer than checking those of all users
	// whom a name can mean, so that it does not tell how many there are.
	leastRefusal = 500 * time.Millisecond
	// maxUserDelay bounds by how much the answers to a user come later for failures at other addresses: WHMCS
	// waits no more than 5 s.
	maxUserDelay = 2 * time.Second
	// maxHeld bounds how many answers are held back at once; what is beyond is answered at once.
	maxHeld = 256
)

// hold keeps back an answer until it is due, or ctx or stopping ends.
func (g *Gate) hold(ctx, stopping context.Context, due time.Time) {
	left := time.Until(due)
	if left <= 0 {
		return
	}
	select {
	case g.held <- struct{}{}:
		defer func() { <-g.held }()
	default:
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-stopping.Done():
	}
}

// delayAfter is by how much the answer to the last of so many failures comes later.
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
