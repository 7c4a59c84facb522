// Package calendar is what days, weeks and months are by the clock of a time zone, whatever is done to that clock: hours
// that are left out or occur twice, days without midnight, days that a zone has left out altogether. It takes the time
// from its arguments alone, and knows nothing of what is asked about a day.
//
// The time that a clock shows, without a zone, is written as a time.Time in UTC and called a wall time.
package calendar

import (
	"strings"
	"time"
	_ "time/tzdata" // a caller's or domain's zone must be known also on a system without such files
)

// Zone is the time zone of that name, as IANA has it. "Local" would be this server's, and is none.
func Zone(name string) (*time.Location, bool) {
	if name == "" || strings.EqualFold(name, "local") {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}
