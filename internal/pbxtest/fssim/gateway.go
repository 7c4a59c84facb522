package fssim

import (
	"cmp"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultExpireSeconds = "3600" // also in place of anything under minExpireSeconds
	minExpireSeconds     = 5
	defaultRetrySeconds  = 30 // also in place of anything under minRetrySeconds
	minRetrySeconds      = 5
	minPingSeconds       = 5
	defaultSIPPort       = 5060
)

// Where the SIP profiles listen.
const sipHost = "127.0.0.1"

// sipPort is the port of the nth profile.
func sipPort(name string, n int) int {
	switch name {
	case "internal":
		return 5060
	case "external":
		return 5080
	default:
		return 5100 + n
	}
}

// profile is a SIP profile that runs, or may be started.
type profile struct {
	name     string
	port     int
	running  bool
	since    time.Time  // when it was started
	gateways []*gateway // the last one loaded first, as FreeSWITCH lists them
}

// gateway is a loaded gateway.
type gateway struct {
	name, profile string
	params        map[string]string

	realm, username, password string
	from, contact, exten, to  string
	proxy, context, expires   string
	freq, pingFreq            int
	pingMin, pingMax          int
	retrySeconds              int
	registers                 bool
	networkIP, networkPort    string
	nextPing                  time.Time
	state                     string
	up                        bool
	upSince                   time.Time
	retryAt                   time.Time // zero if no attempt is due
	deleted, answered         bool      // marked for deletion; the registrar has answered
	step                      *time.Timer
	generation                int // of the step that is due, so that a timer that lost a race does nothing
}

var loadableName = regexp.MustCompile(`^[\w.\-]+$`)

// sipTransports are those that register-transport may name.
var sipTransports = []string{"udp", "tcp", "tls", "ws", "wss", "sctp"}

// newGateway makes a gateway of its parameters as mod_sofia does. It is nil if FreeSWITCH drops the
// gateway, which it does without a word to whoever asked for the rescan.
func newGateway(p *profile, name string, params map[string]string) *gateway {
	registers := isTrue(cmp.Or(params["register"], "true"))
	transport := strings.ToLower(cmp.Or(params["register-transport"], "udp"))
	switch {
	case !loadableName.MatchString(name):
		return nil
	case registers && (params["username"] == "" || params["password"] == ""):
		return nil
	case !slices.Contains(sipTransports, transport):
		return nil
	}
	g := &gateway{
		name: name, profile: p.name, params: maps.Clone(params), registers: registers,
		realm:    cmp.Or(params["realm"], params["proxy"], name),
		username: params["username"], password: params["password"],
		context: cmp.Or(params["context"], "public"),
		expires: params["expire-seconds"],
		state:   stateUnreged,
	}
	proxy := cmp.Or(params["proxy"], g.realm)
	host := proxy
	g.proxy = "sip:" + proxy
	fromDomain := cmp.Or(params["from-domain"], g.realm)
	g.from = "<sip:" + cmp.Or(params["from-user"], g.username) + "@" + fromDomain + ">"
	g.to = "sip:" + g.username + "@" + host
	if isTrue(params["distinct-to"]) {
		g.to = "sip:" + g.username + "@" + fromDomain
	}
	g.exten = cmp.Or(params["extension"], g.username)
	g.contact = contactOf(p, g, transport)
	if atoi(g.expires) < minExpireSeconds {
		g.expires = defaultExpireSeconds
	}
	g.freq = atoi(g.expires)
	if g.retrySeconds = atoi(params["retry-seconds"]); g.retrySeconds < minRetrySeconds {
		g.retrySeconds = defaultRetrySeconds
	}
	g.networkIP, g.networkPort = networkOf(host)
	if freq := atoi(params["ping"]); freq >= minPingSeconds {
		g.pingFreq, g.pingMin, g.pingMax = freq, max(1, atoi(params["ping-min"])), max(1, atoi(params["ping-max"]))
		g.nextPing = time.Now().Add(time.Duration(freq) * time.Second)
	}
	if !registers {
		g.state, g.up, g.upSince = stateNoReg, true, time.Now()
	}
	return g
}

func contactOf(p *profile, g *gateway, transport string) string {
	params := ";transport=" + transport + ";gw=" + g.name
	if extra := strings.TrimPrefix(g.params["contact-params"], ";"); extra != "" {
		params = ";" + extra + params
	}
	user := "gw+" + g.name
	if isTrue(g.params["extension-in-contact"]) {
		user = g.exten
	}
	return "<sip:" + user + "@" + net.JoinHostPort(sipHost, strconv.Itoa(p.port)) + params + ">"
}

// networkOf is the address that a registrar at host answers from.
func networkOf(host string) (ip, port string) {
	const anyAddress = "192.0.2.10"
	host, _, _ = strings.Cut(host, ";")
	ip, port, err := net.SplitHostPort(host)
	if err != nil {
		ip, port = host, strconv.Itoa(defaultSIPPort)
	}
	if net.ParseIP(ip) == nil {
		ip = anyAddress
	}
	return ip, port
}

// isTrue is how FreeSWITCH reads a flag.
func isTrue(value string) bool {
	switch strings.ToLower(value) {
	case "yes", "on", "true", "t", "enabled", "active", "allow":
		return true
	}
	return atoi(value) != 0
}

// atoi is 0 for what is not a number.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// LoadedGateway is a gateway that the switch has loaded.
type LoadedGateway struct {
	Name, Profile string
	Params        map[string]string // what it was loaded with, password included, after the parser
	State         string            // REGED, NOREG, TRYING...
	Up            bool              // whether the status is UP
}

// Loaded returns the gateways that are loaded and not marked for deletion, by name. Of two with one name
// under different profiles it has the one that a look-up by name finds.
func (s *Switch) Loaded() map[string]LoadedGateway {
	s.mu.Lock()
	defer s.mu.Unlock()
	loaded := map[string]LoadedGateway{}
	for _, p := range s.profiles {
		for _, g := range p.gateways {
			if s.find(g.name) == g {
				loaded[g.name] = LoadedGateway{g.name, g.profile, maps.Clone(g.params), g.state, g.up}
			}
		}
	}
	return loaded
}

// find looks a gateway up by NAME or PROFILE::NAME, as the commands do: case matters, and one that is
// marked for deletion is not found. mu is held.
func (s *Switch) find(name string) *gateway {
	wanted := ""
	if p, rest, ok := strings.Cut(name, "::"); ok {
		wanted, name = p, rest
	}
	for _, p := range s.profiles {
		if wanted != "" && p.name != wanted {
			continue
		}
		for _, g := range p.gateways {
			if g.name == name && !g.deleted {
				return g
			}
		}
	}
	return nil
}
