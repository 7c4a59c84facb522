package gateway

import (
	"cmp"
	"time"
)

// Limits bound one round on a switch. What is over waits for the next one.
type Limits struct {
	RoundChanges int // the most gateways that it takes up
	RoundKills   int // the most that it kills
	// Settling is for how long after its start a switch, or the database that it asks, may lack what it will have.
	Settling time.Duration

	killTime time.Duration // killTime, but in tests
}

const (
	// A round's time grows with its work, so that a large one has enough and a small one that hangs ends
	// soon. Its commands have time-outs of their own.
	roundTime     = 30 * time.Second
	roundEachTime = 10 * time.Millisecond // a look-up by name if the list cannot be read, or a file
	// A kill phase's time is its own, since whoever shares the round goes on after it: FreeSWITCH drops a
	// killed gateway within freeswitch.DropTime.
	killTime     = 10 * time.Second
	killEachTime = 20 * time.Millisecond
)

// killPhaseTime bounds the killing of so many gateways, until they are gone.
func (l Limits) killPhaseTime(kills int) time.Duration {
	return cmp.Or(l.killTime, killTime) + time.Duration(kills)*killEachTime
}

// roundTimeOf bounds a round of so many changes, once it has the switch to itself, and the wait for that: who
// waits behind a worker that hangs is told so within its own time, however large that worker's round is.
func (l Limits) roundTimeOf(changes int) time.Duration {
	return roundTime + time.Duration(changes)*roundEachTime + 2*l.killPhaseTime(min(changes, l.RoundKills))
}

// undoTime bounds putting back so many changes after a failure. They may have to wait for the round in progress,
// and for another worker's, before their own.
func (l Limits) undoTime(changes int) time.Duration { return 3 * l.roundTimeOf(changes) }
