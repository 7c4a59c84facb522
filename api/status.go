package api

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"trunkline/internal/fault"
)

// pbxStatus is the documented answer, and beside it each switch.
type pbxStatus struct {
	Status    string `json:"status" enum:"success"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp" format:"date-time"` // when, in UTC
	Version   string `json:"version"`                      // FusionPBX's
	// Uptime is FreeSWITCH's, in its two largest units; of several switches that of the one started last.
	Uptime               string         `json:"uptime"`
	ActiveCalls          int            `json:"active_calls"`
	TotalExtensions      int            `json:"total_extensions"`
	RegisteredExtensions int            `json:"registered_extensions"` // however many devices each has
	Switches             []switchStatus `json:"switches"`
}

// switchStatus is one FreeSWITCH. Its counts are of the caller's domains.
type switchStatus struct {
	Address       string `json:"address"` // its event socket, host:port
	Version       string `json:"version"`
	Ready         bool   `json:"ready"` // false while it starts, shuts down or is paused
	UptimeSeconds int64  `json:"uptime_seconds"`
	ActiveCalls   int    `json:"active_calls"`
	Registrations int    `json:"registrations"` // devices, of which one extension may have several
}

func (s *Server) statusEndpoints() []endpoint {
	return []endpoint{
		{
			id: "getStatus", summary: "How the PBX is, at most a second old", methods: []string{"GET", "POST"}, path: "/app/status/index.php",
			entry: signedIn, scopes: toRead, answer: s.getStatus,
			params:  tenantParams,
			replies: []reply{{status: 200, about: "The whole PBX, or what the caller's domains have of it.", body: pbxStatus{}}},
			faults:  append([]fault.Code{fault.NotFound}, switchFaults...),
		},
		{
			id: "serverStatus", summary: "Load and uptime; needs the whitelist alone", methods: []string{"GET", "HEAD"}, path: "/app/status/",
			entry: whitelisted, answer: s.serverStatus,
			replies: []reply{{status: 200, about: "Elements load and uptime, as WHMCS's server status page reads them.", media: "text/xml"}},
			faults:  switchFaults,
		},
	}
}

// getStatus says how the PBX is: the whole of it, or what the caller's domains have of it.
func (s *Server) getStatus(r *request) error {
	q, err := r.domains()
	if err != nil {
		return err
	}
	now, err := s.pbxNow(r.context())
	if err != nil {
		return err
	}
	answer := pbxStatus{
		Status: "success", Message: "System operational", Timestamp: documentedTime(time.Now()),
		Version: now.version, Uptime: uptimeText(now.uptime()), ActiveCalls: now.calls(q),
		TotalExtensions: now.extensionsOf(q), RegisteredExtensions: now.registered.count(q),
		Switches: make([]switchStatus, len(now.switches)),
	}
	for i, one := range now.switches {
		answer.Switches[i] = switchStatus{
			Address: one.addr, Version: one.status.Version, Ready: one.status.Ready,
			UptimeSeconds: int64(one.status.Uptime / time.Second), ActiveCalls: one.calls.count(q), Registrations: one.devices.count(q),
		}
	}
	r.answer(http.StatusOK, answer)
	return nil
}

// loadFile is where Linux tells how busy the host is.
const loadFile = "/proc/loadavg"

// serverStatus answers what WHMCS's server status page looks for: the elements load and uptime, whose
// texts it shows to people. The load is the host's over the last minute; where that is not to be had, how
// much of its processors the first switch uses.
func (s *Server) serverStatus(r *request) error {
	now, err := s.pbxNow(r.context())
	if err != nil {
		return err
	}
	load, ok := loadAverage(loadFile)
	if !ok {
		load = fmt.Sprintf("%.0f%%", 100-now.switches[0].status.IdleCPU)
	}
	r.c.Header("X-Content-Type-Options", "nosniff")
	r.c.Header("Cache-Control", "no-store")
	r.c.Data(http.StatusOK, "text/xml; charset=utf-8", fmt.Appendf(nil,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<status>\n<load>%s</load>\n<uptime>%s</uptime>\n</status>\n", load, uptimeText(now.uptime())))
	return nil
}

// loadAverage is the first of the numbers in the file. It reports false where there is none.
func loadAverage(path string) (string, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	first, _, _ := strings.Cut(string(text), " ")
	_, err = strconv.ParseFloat(first, 64)
	return first, err == nil
}
