package gateway

import "trunkline/internal/freeswitch"

// Shown is a gateway as one switch shows it.
type Shown struct {
	Switch string `json:"switch"` // its event socket, host:port
	State  string `json:"state"`  // FreeSWITCH's word for the registration, or NOT_LOADED
	Status string `json:"status" enum:"UP,DOWN"`
}

// StateNotLoaded is the state of a gateway that a switch does not know.
const StateNotLoaded = "NOT_LOADED"

// ShownBy is how a switch showed a gateway; nil is a gateway that it does not know.
func ShownBy(addr string, g *freeswitch.Gateway) Shown {
	state, status := StateOf([]*freeswitch.Gateway{g})
	return Shown{Switch: addr, State: state, Status: status}
}

// StateOf sums up what the switches that a gateway is meant for show: it is UP only if it is up on each
// of them, and the state is that of the first one on which it is not.
func StateOf(seen []*freeswitch.Gateway) (state, status string) {
	state, status = StateNotLoaded, statusDown
	for _, g := range seen {
		if g == nil {
			return StateNotLoaded, statusDown
		}
		if state = g.State; !g.Up() {
			return state, statusDown
		}
		status = freeswitch.StatusUp
	}
	return state, status
}

// statusDown is the documented value of gateway_status besides freeswitch.StatusUp.
const statusDown = "DOWN"
