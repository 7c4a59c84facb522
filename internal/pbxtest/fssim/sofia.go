package fssim

import (
	"fmt"
	"strings"
	"time"
)

const noSuchGateway = "Invalid Gateway!\n"
const noSuchProfile = "Invalid Profile!\n"

// sofia runs `sofia ...`. It reports false if the switch was closed meanwhile.
func (s *Switch) sofia(words []string) (output string, ok bool) {
	word := func(n int) string {
		if n < len(words) {
			return words[n]
		}
		return ""
	}
	switch word(0) {
	case "status", "xmlstatus":
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.sofiaStatus(words[0] == "xmlstatus", words[1:]), true
	case "profile":
		return s.sofiaProfile(word(1), strings.ToLower(word(2)), word(3))
	default:
		return fmt.Sprintf("Unknown Command [%s]\n", word(0)), true
	}
}

// sofiaStatus runs `sofia status` and `sofia xmlstatus`. mu is held.
func (s *Switch) sofiaStatus(xml bool, words []string) string {
	switch {
	case len(words) == 0 && xml:
		return s.overviewXML()
	case len(words) == 0:
		return s.overview()
	case words[0] == "gateway" && len(words) == 1 && xml:
		return s.gatewayListXML()
	case words[0] == "gateway" && len(words) == 1:
		return s.gatewayList()
	case words[0] == "gateway":
		g := s.find(words[1])
		switch {
		case g == nil:
			return noSuchGateway
		case xml:
			var b strings.Builder
			b.WriteString(xmlDeclaration)
			g.writeXML(&b)
			return b.String()
		default:
			return g.text()
		}
	case words[0] == "profile" && len(words) > 1:
		p := s.running(words[1])
		if p == nil {
			return noSuchProfile
		}
		return s.profileStatus(p, xml, words[2:])
	default:
		return noSuchProfile
	}
}

// sofiaProfile runs `sofia profile NAME VERB ARG`.
func (s *Switch) sofiaProfile(name, verb, arg string) (output string, ok bool) {
	if verb == "start" {
		result := s.reloadXML()
		if !s.StartProfile(name) {
			return fmt.Sprintf("Reload XML [%s]\nFailure starting %s\n", result, name), true
		}
		return fmt.Sprintf("Reload XML [%s]\n%s started successfully\n", result, name), true
	}
	s.mu.Lock()
	p := s.running(name)
	s.mu.Unlock()
	if p == nil {
		return fmt.Sprintf("Invalid Profile [%s]", name), true
	}
	switch verb {
	case "rescan":
		return s.rescan(p, "")
	case "startgw":
		if arg == "" {
			return "-ERR missing gw name\n", true
		}
		return s.rescan(p, arg)
	case "stop", "restart":
		return s.stopOrRestart(p, verb == "restart"), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch verb {
	case "killgw":
		return s.killCommand(p, arg), true
	case "register", "unregister":
		return s.registerCommand(p, verb, arg), true
	case "gwlist":
		return p.gatewayNames(arg != "down"), true
	case "flush_inbound_reg":
		return s.flushRegistrations(p, arg), true
	default:
		return "-ERR Unknown command!\n", true
	}
}

// rescan loads what the profile's configuration has and the switch has not; only names one gateway for
// startgw. It never changes or removes what is loaded.
func (s *Switch) rescan(p *profile, only string) (output string, ok bool) {
	began := time.Now()
	result, gateways, found := s.profileConfig(p.name)
	if !found {
		return fmt.Sprintf("Reload XML [%s]\n-ERR cannot find config for profile %s\n", result, p.name), true
	}
	s.loadAll(p.name, gateways, only)
	if extra := max(0, len(gateways)-1); !s.pause(s.times.rescan + time.Duration(extra)*s.times.rescanEach - time.Since(began)) {
		return "", false
	}
	if only != "" {
		return fmt.Sprintf("Reload XML [%s]\n+OK start gateway %s complete\n", result, only), true
	}
	return fmt.Sprintf("Reload XML [%s]\n+OK scan complete\n", result), true
}

// allGateways is a gateway's name to every command but killgw, for which it is every gateway of the profile.
const allGateways = "_all_"

// killCommand is killgw. Names are looked up in all profiles, whatever the command names. mu is held.
func (s *Switch) killCommand(p *profile, name string) string {
	switch name {
	case "":
		return "-ERR missing gw name\n"
	case allGateways:
		for _, g := range p.gateways {
			if !g.deleted {
				s.kill(g)
			}
		}
		return "+OK every gateway marked for deletion.\n"
	}
	g := s.find(name)
	if g == nil {
		return "-ERR no such gateway.\n"
	}
	s.kill(g)
	return "+OK gateway marked for deletion.\n"
}

// registerCommand is register and unregister, of one gateway or all of the profile. mu is held.
func (s *Switch) registerCommand(p *profile, verb, name string) string {
	do := s.unregister
	if verb == "register" {
		do = func(g *gateway) {
			g.state = stateUnreged
			s.after(g, s.times.trying, func() { s.attempt(g) })
		}
	}
	if name == "all" {
		for _, g := range p.gateways {
			if !g.deleted && g.registers {
				do(g)
			}
		}
		return "+OK\n"
	}
	switch g := s.find(name); {
	case g == nil:
		return "Invalid gateway!\n"
	case !g.registers:
		return fmt.Sprintf("-ERR NOREG gateway [%s] can't be %sed!\n", name, verb)
	default:
		do(g)
		return "+OK\n"
	}
}

// gatewayNames lists the gateways whose status is UP, or the others.
func (p *profile) gatewayNames(up bool) string {
	var b strings.Builder
	for _, g := range p.gateways {
		if !g.deleted && g.up == up {
			b.WriteString(g.name + " ")
		}
	}
	return b.String()
}
