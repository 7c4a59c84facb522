// Package schedule is when the exports of a schedule are made, and which spans of time they cover: pure rules over the
// times that they are given. It knows nothing of what an export is, nor of where schedules are kept and who runs them.
package schedule

import (
	"time"

	"trunkline/internal/fault"
)

// MaxLag is the longest lag of a schedule.
const MaxLag = 31 * 24 * time.Hour

// Schedule makes exports at the times of Cron, each of the windows that are due by then. What it has made so far is no
// part of it but a State, so that it can be changed between any two runs.
type Schedule struct {
	Cron Cron
	Zone *time.Location // whose clock Cron and the windows go by
	Kind Kind
	Lag  time.Duration // how long after its end a window is left alone, since CDRs come late: 0 to MaxLag
}

// Next is the first time after that one at which the schedule runs; see Cron.Next.
func (s Schedule) Next(after time.Time) time.Time { return s.Cron.Next(after, s.Zone) }

// NextRun is when the schedule runs after that moment, of what it has made so far. A clock that was put back, or another
// scheduler's that is behind, has no run happen twice: of SinceLastRun that would export the seconds in between by themselves.
func (s Schedule) NextRun(state State, after time.Time) time.Time {
	if ran := state.Watermark.Add(s.Lag); s.Kind == SinceLastRun && ran.After(after) {
		after = ran
	}
	return s.Next(after)
}

// CheckLag refuses a lag that is negative or beyond MaxLag, as fault.InvalidRequest, which names lag.
func CheckLag(lag time.Duration) error {
	if lag < 0 || lag > MaxLag {
		return fault.Invalid("lag", "is not from 0 to %d s", int(MaxLag.Seconds()))
	}
	return nil
}
