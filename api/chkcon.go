package api

import (
	"net/http"

	"trunkline/internal/fault"
)

// The documented messages of the whitelist.
const (
	accessGranted = "API Access Granted: Whitelisted IP"
	accessDenied  = "API Access Denied: Only whitelisted IPs may access this endpoint."
)

// connection is the documented answer of the connection check.
type connection struct {
	Success int    `json:"success" enum:"0,1"` // 1: it is on the whitelist
	Message string `json:"message"`
}

func (s *Server) connectionEndpoints() []endpoint {
	check := endpoint{
		id: "checkConnection", summary: "Is the caller's address on the whitelist?", methods: []string{"GET", "HEAD", "POST"}, path: "/chkcon.php",
		entry: everybody, answer: s.chkcon,
		replies: []reply{
			{status: 200, about: "It is on the whitelist.", body: connection{}},
			{status: 403, about: "It is not.", body: connection{}},
		},
	}
	ofCDRs := check
	ofCDRs.id, ofCDRs.path = "checkConnectionOfCDRs", "/app/xml_cdr/chkcon.php"
	return []endpoint{check, ofCDRs}
}

// chkcon is the connection check: it needs the whitelist alone and reads no parameter.
func (s *Server) chkcon(r *request) error {
	err := r.admit()
	if err == nil {
		r.answer(http.StatusOK, connection{Success: 1, Message: accessGranted})
		return nil
	}
	f := faultOf(err, r.id)
	r.denial = f.Code
	message := f.Message
	if f.Code != fault.NotWhitelisted {
		// An operator sees this in WHMCS's Test Connection: say what to do.
		message = "API Access Denied: " + message
	}
	r.answer(statusOf(f.Code), connection{Message: message})
	return nil
}
