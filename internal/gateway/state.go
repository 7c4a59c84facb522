package gateway

import (
	"slices"
	"strconv"
	"time"

	"trunkline/internal/freeswitch"
)

// Shown is a gateway as one switch shows it.
type Shown struct {
	Switch string `json:"switch"`                             // its event socket, host:port
	State  string `json:"state"`                              // FreeSWITCH's word for the registration, NOT_LOADED or UNKNOWN
	Status string `json:"status" enum:"UP,DOWN,UNKNOWN"`      // UNKNOWN: the switch does not answer
	Since  string `json:"since,omitempty" format:"date-time"` // since when it has been UP, in UTC
	// StateSince is since when it is in this state with this status, in UTC; absent: not known.
	StateSince string `json:"state_since,omitempty" format:"date-time"`
	// RetryIn is how long until the next attempt to register, such as 26s, or NEVER; absent unless one failed or runs.
	RetryIn string `json:"retry_in,omitempty"`
	PingMS  *int64 `json:"ping_ms,omitempty"` // the last ping's round trip in milliseconds; absent if it is not pinged
	// CarrierAnswer is the carrier's last answer to a registration, if an event told it.
	CarrierAnswer *CarrierAnswer `json:"carrier_answer,omitempty"`
}

// CarrierAnswer is what a carrier said to a registration. FreeSWITCH tells it in events alone, and not in its list.
type CarrierAnswer struct {
	Code   int    `json:"code"`                     // of SIP; 904 is FreeSWITCH's own: no password meets the challenge
	Phrase string `json:"phrase"`                   // the carrier's words
	Since  string `json:"since" format:"date-time"` // since when it answers so, in UTC
}

const (
	// StateNotLoaded is the state of a gateway that a switch does not know.
	StateNotLoaded = "NOT_LOADED"
	// StateUnknown is both state and status of a gateway at a switch that does not answer.
	StateUnknown = "UNKNOWN"
	// statusDown is the documented value of gateway_status besides freeswitch.StatusUp.
	statusDown = "DOWN"
)

// ShownBy is how a switch shows a gateway now; nil is a gateway that it does not know.
func ShownBy(addr string, g *freeswitch.Gateway) Shown {
	if g == nil {
		return Shown{Switch: addr, State: StateNotLoaded, Status: statusDown}
	}
	shown := Shown{Switch: addr, State: g.State, Status: statusDown, RetryIn: g.Retry}
	if g.Up() {
		shown.Status = freeswitch.StatusUp
		if g.UptimeUsec > 0 {
			up := time.Duration(g.UptimeUsec) * time.Microsecond
			shown.Since = timeText(time.Now().Add(-up))
		}
	}
	if seconds, err := strconv.Atoi(g.PingFreq); err == nil && seconds > 0 {
		if took, err := strconv.ParseFloat(g.PingTime, 64); err == nil {
			ms := int64(took)
			shown.PingMS = &ms
		}
	}
	return shown
}

// StateOf sums up what the switches that a gateway is meant for show: it is UP only if it is up on each of them,
// and the state is that of the first one on which it is not.
func StateOf(shown []Shown) (state, status string) {
	for _, status := range []string{statusDown, StateUnknown} {
		if i := slices.IndexFunc(shown, func(s Shown) bool { return s.Status == status }); i >= 0 {
			return shown[i].State, status
		}
	}
	if len(shown) == 0 {
		return StateNotLoaded, statusDown
	}
	return shown[len(shown)-1].State, freeswitch.StatusUp
}

// sumUp sets the documented fields by what the switches show.
func (r *Result) sumUp() { r.GatewayState, r.GatewayStatus = StateOf(r.Switches) }
