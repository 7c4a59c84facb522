package client

import "time"

// pace is how long a client waits for what.
type pace struct {
	// again is for how long a request whose answer was lost is sent again, with pauses that double from the first to
	// the last.
	again, firstPause, lastPause time.Duration
	// maxRetryAfter is the longest that one waits since a limit is used up.
	maxRetryAfter time.Duration
	// firstEvent is how soon a stream shows its job; later, something on the way holds its events back.
	firstEvent time.Duration
	// silence is how long a stream may send nothing from then on.
	silence time.Duration
	// comeBack is how long one waits before a stream that broke off is asked for again, if it does not say.
	comeBack time.Duration
	// away is how long the API may be away while a job is followed.
	away time.Duration
}

var usual = pace{
	again: time.Minute, firstPause: 500 * time.Millisecond, lastPause: 8 * time.Second,
	maxRetryAfter: 90 * time.Second,                            // limits are of a minute
	firstEvent:    10 * time.Second, silence: 45 * time.Second, // the API sends a comment each 15 s
	comeBack: 2 * time.Second, away: 5 * time.Minute,
}
