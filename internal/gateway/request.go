// Package gateway changes gateways of FusionPBX so that the switches really have them: what a request makes
// of a row (plan), which values arrive at FreeSWITCH, and how a switch is brought to what the rows say. It
// knows nothing of jobs or HTTP.
package gateway

// WaitForRegistered makes a provision job end only when the gateway is registered.
const WaitForRegistered = "registered"

// Request is what a provision job was asked to do: make, change or delete the gateway Name of one
// domain. Values holds the columns of v_gateways that the caller named, the password excepted; an
// empty value clears its column.
type Request struct {
	Name       string            `json:"gateway_name"`
	DomainUUID string            `json:"domain_uuid,omitempty"`
	DomainName string            `json:"domain_name,omitempty"`
	Values     map[string]string `json:"values"`
	WaitFor    string            `json:"wait_for,omitempty"`
	Delete     bool              `json:"delete,omitempty"`
	// GatewayUUID says which gateway is meant, whatever its name; "" if the name suffices.
	GatewayUUID string `json:"gateway_uuid,omitempty"`
	// ExternalID is the caller's own name for the gateway, see Resolve.
	ExternalID string `json:"external_id,omitempty"`
	// Reset are the columns that get what FusionPBX's page would give a new gateway, unless Values names them.
	Reset []string `json:"reset,omitempty"`
	// CopyOf is the uuid of the gateway of the same domain that a new one begins as, the password included.
	CopyOf string `json:"copy_of,omitempty"`
	// Force deletes the gateway although outbound routes name it.
	Force bool `json:"force,omitempty"`
	// CIDRs are the networks from which its carrier calls without credentials, as ParseCIDRs writes them: FusionPBX's
	// access list providers allows them while the gateway is enabled. nil: they stay as they are.
	CIDRs *[]string `json:"provider_cidrs,omitempty"`
	// NamesPassword is set if it asks for a password too, which is among the Secrets.
	NamesPassword bool `json:"names_password,omitempty"`
	Conditions
	// Do asks the switches for something that leaves the gateway's row as it is: Reregister or Reconcile; "": it is
	// the row that is made or changed.
	Do string `json:"do,omitempty"`
}

// What a request asks of the switches alone, and not of the row.
const (
	Reregister = "reregister" // the gateway unregisters at its carrier and registers again
	Reconcile  = "reconcile"  // every switch gets what the row says; the gateway is meant by its uuid alone, and need have no row
)

// NewName is what the gateway is to be called from now on, "" if its name stays.
func (p Request) NewName() string { return p.Values["gateway"] }

// Stops reports whether the gateway makes no calls any more once the request is carried out.
func (p Request) Stops() bool { return p.Delete || p.Values["enabled"] == "false" }

// Secrets is the sealed part of a provision job. Written is set in the transaction that
// writes the row, so that a second attempt knows what the first one found there.
type Secrets struct {
	Password *string  `json:"password,omitempty"`
	Written  *Written `json:"written,omitempty"`
	// Left is what the failed job has left behind; nil if that is not known.
	Left *Standing `json:"left,omitempty"`
	// Retried is set until the first attempt of a retry: Left has to stand still.
	Retried bool `json:"retried,omitempty"`
}

// Result is what a succeeded provision job returns. The first four are the documented
// fields; all values are strings there.
type Result struct {
	GatewayUUID    string  `json:"gateway_uuid"`   // FusionPBX's, and the name that FreeSWITCH knows; empty: there is none
	GatewayName    string  `json:"gateway_name"`   // the label
	GatewayDomain  string  `json:"gateway_domain"` // the carrier's address
	GatewayEnabled string  `json:"gateway_enabled" enum:"true,false"`
	GatewayStatus  string  `json:"gateway_status" enum:"UP,DOWN"` // UP if it is up on every switch that it is meant for
	GatewayState   string  `json:"gateway_state"`                 // FreeSWITCH's word for the registration, or NOT_LOADED
	Action         string  `json:"action" enum:"created,updated,unchanged,deleted,absent,reregistered,reconciled"`
	Switches       []Shown `json:"switches"`
	// OutboundRoutes is how many of FusionPBX's dial plans still name a deleted gateway.
	OutboundRoutes int `json:"outbound_routes,omitempty"`

	// ETag is the gateway's Tag as it stands; absent: there is none.
	ETag string `json:"etag,omitempty"`

	leaves []byte
}

// Leaves is a keyed hash of the gateway as the job left it, see Left.
func (r Result) Leaves() []byte { return r.leaves }

// What a provision job did to the gateway's row, or to the switches.
const (
	Created      = "created"
	Updated      = "updated"
	Unchanged    = "unchanged"
	Deleted      = "deleted"
	Absent       = "absent"       // there was none to delete
	Reregistered = "reregistered" // it was told to register again
	Reconciled   = "reconciled"   // a switch had something else loaded than the row says
)
