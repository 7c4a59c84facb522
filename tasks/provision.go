package tasks

import (
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/gatewayfile"
)

// WaitForRegistered makes a provision job end only when the gateway is registered.
const WaitForRegistered = "registered"

// ProvisionParams is what a provision job was asked to do: make, change or delete the gateway Name of one
// domain. Values holds the columns of v_gateways that the caller named, the password excepted; an
// empty value clears its column.
type ProvisionParams struct {
	Name       string            `json:"gateway_name"`
	DomainUUID string            `json:"domain_uuid,omitempty"`
	DomainName string            `json:"domain_name,omitempty"`
	Values     map[string]string `json:"values"`
	WaitFor    string            `json:"wait_for,omitempty"`
	Delete     bool              `json:"delete,omitempty"`
	// GatewayUUID says which gateway to delete, where several bear the name; "" where the name suffices.
	GatewayUUID string `json:"gateway_uuid,omitempty"`
}

// ProvisionSecrets is the sealed part of a provision job. Written is set in the transaction that
// writes the row, so that a second attempt knows what the first one found there.
type ProvisionSecrets struct {
	Password *string         `json:"password,omitempty"`
	Written  *WrittenGateway `json:"written,omitempty"`
}

// WrittenGateway is the row that a provision job wrote and the one that stood there before, nil where
// there was none. Of a deleted one both are the row as it was.
type WrittenGateway struct {
	Row      fusionpbx.Gateway  `json:"row"`
	Previous *fusionpbx.Gateway `json:"previous,omitempty"`
	Deleted  bool               `json:"deleted,omitempty"`
	// Files are the gateway's files as they stood before; nil where FusionPBX keeps gateways in the database.
	Files []gatewayfile.File `json:"files"`
}

// Stands is the row as the job left it, nil where it deleted it.
func (w *WrittenGateway) Stands() *fusionpbx.Gateway {
	if w.Deleted {
		return nil
	}
	return &w.Row
}

// ProvisionResult is what a succeeded provision job returns. The first four are the documented
// fields; all values are strings there.
type ProvisionResult struct {
	GatewayUUID    string          `json:"gateway_uuid" format:"uuid"` // FusionPBX's, and the name that FreeSWITCH knows
	GatewayName    string          `json:"gateway_name"`               // the label
	GatewayDomain  string          `json:"gateway_domain"`             // the carrier's address
	GatewayEnabled string          `json:"gateway_enabled" enum:"true,false"`
	GatewayStatus  string          `json:"gateway_status" enum:"UP,DOWN"` // UP where it is up on every switch that it is meant for
	GatewayState   string          `json:"gateway_state"`                 // FreeSWITCH's word for the registration, or NOT_LOADED
	Action         string          `json:"action" enum:"created,updated,unchanged,deleted,absent"`
	Switches       []SwitchGateway `json:"switches"`
	// OutboundRoutes is how many of FusionPBX's dial plans still name a deleted gateway.
	OutboundRoutes int `json:"outbound_routes,omitempty"`
}

// SwitchGateway is a gateway as one switch shows it.
type SwitchGateway struct {
	Switch string `json:"switch"` // its event socket, host:port
	State  string `json:"state"`  // FreeSWITCH's word for the registration, or NOT_LOADED
	Status string `json:"status" enum:"UP,DOWN"`
}

// StateNotLoaded is the state of a gateway that a switch does not know.
const StateNotLoaded = "NOT_LOADED"

// What a provision job did to the gateway's row.
const (
	ActionCreated   = "created"
	ActionUpdated   = "updated"
	ActionUnchanged = "unchanged"
	ActionDeleted   = "deleted"
	ActionAbsent    = "absent" // there was none to delete
)

// SeenOn is how a switch showed a gateway; nil is a gateway that it does not know.
func SeenOn(addr string, g *freeswitch.Gateway) SwitchGateway {
	state, status := GatewayState([]*freeswitch.Gateway{g})
	return SwitchGateway{Switch: addr, State: state, Status: status}
}

// GatewayState sums up what the switches that a gateway is meant for show: it is UP only where it is up
// on each of them, and the state is that of the first one where it is not.
func GatewayState(seen []*freeswitch.Gateway) (state, status string) {
	state = StateNotLoaded
	for _, g := range seen {
		if g == nil {
			return StateNotLoaded, statusDown
		}
		state = g.State
		if !g.Up() {
			return state, statusDown
		}
	}
	if len(seen) == 0 {
		return state, statusDown
	}
	return state, statusUp
}

// The documented values of gateway_status.
const (
	statusUp   = "UP"
	statusDown = "DOWN"
)
