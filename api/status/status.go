// Package status is what the PBX says of itself now: its calls, extensions, switches and registrations.
// It asks, and changes nothing.
package status

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"trunkline/api/web"
	"trunkline/internal/cache"
	"trunkline/internal/config"
	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/pbx"
	"trunkline/internal/token"
)

// Status is the documented answer, and beside it each switch.
type Status struct {
	Status    string `json:"status" enum:"success"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp" format:"date-time"` // when, in UTC
	Version   string `json:"version"`                      // FusionPBX's
	// Uptime is FreeSWITCH's, in its two largest units; of several switches that of the one started last.
	Uptime               string   `json:"uptime"`
	ActiveCalls          int      `json:"active_calls"`
	TotalExtensions      int      `json:"total_extensions"`
	RegisteredExtensions int      `json:"registered_extensions"` // however many devices each has
	Switches             []Switch `json:"switches"`
	web.Ignoring
}

// Switch is one FreeSWITCH. Its counts are of the caller's domains.
type Switch struct {
	Address       string `json:"address"` // its event socket, host:port
	Version       string `json:"version"`
	Ready         bool   `json:"ready"` // false while it starts, shuts down or is paused
	UptimeSeconds int64  `json:"uptime_seconds"`
	ActiveCalls   int    `json:"active_calls"`
	Registrations int    `json:"registrations"` // devices, of which one extension may have several
}

// Service answers with what the PBX says.
type Service struct {
	settings config.Settings
	pbx      *pbx.PBX
	db       *fusionpbx.DB
	now      *cache.Cache[*pbxNow]
}

// New returns the service of that PBX.
func New(settings config.Settings, p *pbx.PBX) *Service {
	return &Service{
		settings: settings, pbx: p, db: p.FusionPBX,
		now: cache.New[*pbxNow](cache.Options{Most: 1, ReadTimeout: settings.StatusTimeout, Ahead: true}),
	}
}

// Endpoints are those of the status and of registrations.
func (s *Service) Endpoints() []web.Endpoint {
	return append([]web.Endpoint{
		{
			ID: "getStatus", Summary: "How the PBX is, at most a second old", Methods: []string{"GET", "POST"}, Path: "/app/status/index.php",
			Entry: web.SignedIn, Scope: token.ScopeRead, Selects: true, Answer: web.JSON(http.StatusOK, s.Status),
			Params:  web.TenantParams,
			Replies: []web.Reply{{Status: 200, About: "The whole PBX, or what the caller's domains have of it.", Body: Status{}}},
			Faults:  append([]fault.Code{fault.NotFound}, web.SwitchFaults...),
		},
		{
			ID: "serverStatus", Summary: "Load and uptime; needs the whitelist alone", Methods: []string{"GET", "HEAD"}, Path: "/app/status/",
			Entry: web.Whitelisted, Answer: s.serverStatus,
			Replies: []web.Reply{{Status: 200, About: "Elements load and uptime, as WHMCS's server status page reads them.", Media: []string{"text/xml"}}},
			Faults:  web.SwitchFaults,
		},
	}, s.registrationEndpoints()...)
}

// Status says how the PBX is: the whole of it, or what the caller's domains have of it.
func (s *Service) Status(r *web.Request) (answer Status, err error) {
	q, err := r.Domains()
	if err != nil {
		return answer, err
	}
	now, err := s.pbxNow(r.Context())
	if err != nil {
		return answer, err
	}
	answer = Status{
		Status: "success", Message: "System operational", Timestamp: web.Time(time.Now()),
		Version: now.version, Uptime: uptimeText(now.uptime()), ActiveCalls: now.calls(q),
		TotalExtensions: now.extensionsOf(q), RegisteredExtensions: now.registered.count(q),
		Switches: make([]Switch, len(now.switches)), Ignoring: r.Ignoring,
	}
	for i, one := range now.switches {
		answer.Switches[i] = Switch{
			Address: one.addr, Version: one.status.Version, Ready: one.status.Ready,
			UptimeSeconds: int64(one.status.Uptime / time.Second), ActiveCalls: one.calls.count(q), Registrations: one.devices.count(q),
		}
	}
	return answer, nil
}

// loadFile is where Linux tells how busy the host is.
const loadFile = "/proc/loadavg"

// serverStatus answers what WHMCS's server status page looks for: the elements load and uptime, whose
// texts it shows to people. The load is the host's over the last minute; if that is not to be had, how
// much of its processors the first switch uses.
func (s *Service) serverStatus(r *web.Request) error {
	now, err := s.pbxNow(r.Context())
	if err != nil {
		return err
	}
	load, ok := loadAverage(loadFile)
	if !ok {
		load = fmt.Sprintf("%.0f%%", 100-now.switches[0].status.IdleCPU)
	}
	r.Unstored()
	r.Data(http.StatusOK, "text/xml; charset=utf-8", fmt.Appendf(nil,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<status>\n<load>%s</load>\n<uptime>%s</uptime>\n</status>\n", load, uptimeText(now.uptime())))
	return nil
}

// loadAverage is the first of the numbers in the file. It reports false if there is none.
func loadAverage(path string) (string, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	first, _, _ := strings.Cut(string(text), " ")
	_, err = strconv.ParseFloat(first, 64)
	return first, err == nil
}
