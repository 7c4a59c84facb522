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
	switch {
	case g == nil:
		return Shown{Switch: addr, State: StateNotLoaded, Status: statusDown}
	case g.Up():
		return Shown{Switch: addr, State: g.State, Status: freeswitch.StatusUp}
	}
	return Shown{Switch: addr, State: g.State, Status: statusDown}
}

// StateOf sums up what the switches that a gateway is meant for show: it is UP only if it is up on each
// of them, and the state is that of the first one on which it is not.
func StateOf(seen []*freeswitch.Gateway) (state, status string) {
	return stateOf(each(seen, func(g *freeswitch.Gateway) Shown { return ShownBy("", g) }))
}

func stateOf(shown []Shown) (state, status string) {
	state, status = StateNotLoaded, statusDown
	for _, s := range shown {
		if state, status = s.State, s.Status; status != freeswitch.StatusUp {
			break
		}
	}
	return state, status
}

// sumUp sets the documented fields by what the switches show.
func (r *Result) sumUp() { r.GatewayState, r.GatewayStatus = stateOf(r.Switches) }

// statusDown is the documented value of gateway_status besides freeswitch.StatusUp.
const statusDown = "DOWN"
