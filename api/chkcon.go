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
	Success int    `json:"success"`
	Message string `json:"message"`
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
