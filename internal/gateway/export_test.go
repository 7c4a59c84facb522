package gateway

import "time"

// ShortKills are limits under which a switch has a second to drop what it was told to.
func ShortKills(l Limits) Limits {
	l.killTime = time.Second
	return l
}

// Waiting is how many gateways wait for the next round on the n-th switch.
func (a *Applier) Waiting(n int) int {
	b := a.batches[n]
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := 0
	for _, g := range b.waiting {
		waiting += len(g.waiting)
	}
	return waiting
}

// RowsAtOnce is how many rows one transaction writes.
const RowsAtOnce = rowsAtOnce

// WaitingToCheck is how many passes wait to be checked.
func (a *Applier) WaitingToCheck() int { return a.checks.Waiting("") }

// WaitingToWrite is how many passes wait to write rows of the domain.
func (a *Applier) WaitingToWrite(domainUUID string) int { return a.writes.Waiting(domainUUID) }
