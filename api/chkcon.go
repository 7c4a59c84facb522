package api

import (
	"net/http"

	"trunkline/api/web"
	"trunkline/internal/fault"
)

// accessGranted is the documented message for an address that is on the whitelist.
const accessGranted = "API Access Granted: Whitelisted IP"

// connection is the documented answer of the connection check.
type connection struct {
	Success int    `json:"success" enum:"0,1"` // 1: it is on the whitelist
	Message string `json:"message"`
	Address string `json:"address,omitempty"` // the caller's, if it is denied: what has to be put on the whitelist
}

func connectionEndpoints() []web.Endpoint {
	check := web.Endpoint{
		ID: "checkConnection", Summary: "Is the caller's address on the whitelist?", Methods: []string{"GET", "HEAD", "POST"}, Path: "/chkcon.php",
		Entry: web.Everybody, Answer: chkcon,
		Replies: []web.Reply{
			{Status: 200, About: "It is on the whitelist.", Body: connection{}},
			{Status: 403, About: "It is not.", Body: connection{}},
		},
	}
	ofCDRs := check
	ofCDRs.ID, ofCDRs.Path = "checkConnectionOfCDRs", "/app/xml_cdr/chkcon.php"
	return []web.Endpoint{check, ofCDRs}
}

// chkcon is the connection check: it needs the whitelist alone and reads no parameter.
func chkcon(r *web.Request) error {
	err := r.Admit()
	if err == nil {
		r.Answer(http.StatusOK, connection{Success: 1, Message: accessGranted})
		return nil
	}
	f := web.FaultOf(err, r.ID)
	r.Denied(f.Code)
	denied := connection{Message: web.AccessDenied, Address: r.Address.String()}
	if f.Code != fault.NotWhitelisted {
		// An operator sees this in WHMCS's Test Connection: say what to do.
		denied = connection{Message: "API Access Denied: " + f.Message}
	}
	r.Answer(web.StatusOf(f.Code), denied)
	return nil
}
