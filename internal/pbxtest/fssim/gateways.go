package fssim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The states of a gateway.
const (
	stateUnreged    = "UNREGED"
	stateTrying     = "TRYING"
	stateRegister   = "REGISTER"
	stateReged      = "REGED"
	stateUnregister = "UNREGISTER"
	stateFailed     = "FAILED"
	stateFailWait   = "FAIL_WAIT"
	stateNoReg      = "NOREG"
	stateDown       = "DOWN"
	stateTimeout    = "TIMEOUT"
)

// Outcome is what a gateway's registrar, or for a NOREG gateway the peer that it pings, does.
type Outcome int

const (
	Registered   Outcome = iota // accepts; answers pings
	Rejected403                 // answers 403 Forbidden, as to a wrong password
	Rejected503                 // answers 503 Service Unavailable
	Unchallenged                // answers with a challenge that no password meets (904)
	Unreachable                 // refuses the connection
	Silent                      // never answers
)

// SetOutcome says what becomes of gateways that register or ping from now on, by the parameters that
// they were loaded with. nil registers all, as at the start.
func (s *Switch) SetOutcome(outcome func(params map[string]string) Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcome = outcome
}

// outcomeOf is what becomes of an attempt. mu is held.
func (s *Switch) outcomeOf(g *gateway) Outcome {
	if s.outcome == nil {
		return Registered
	}
	return s.outcome(g.params)
}

// switchTimes are the times that gateways take.
type switchTimes struct {
	trying     time.Duration // from loading to the first attempt
	answer     time.Duration // from the attempt to the registrar's answer
	settle     time.Duration // from the answer to REGED or FAIL_WAIT
	silence    time.Duration // until a silent registrar is given up
	tick       time.Duration // how often FreeSWITCH goes through its gateways; killed ones go then
	ticksRun   bool          // the ticks run on their own, so that the next one may be near; else it is a whole tick away
	rescan     time.Duration // a rescan of one gateway
	rescanEach time.Duration // for each gateway more in the configuration
	batch      int           // gateways loaded at once that register without delaying one another
	batchEach  time.Duration // how much later each one beyond them is registered
	restart    time.Duration // from the stop to the start of a restarting profile
	minUp      time.Duration // before a profile may be stopped or restarted
}

var (
	realTimes = switchTimes{
		trying: 880 * time.Millisecond, answer: 20 * time.Millisecond, settle: time.Second,
		silence: 32 * time.Second, tick: time.Second, ticksRun: true,
		rescan: 1200 * time.Microsecond, rescanEach: 38 * time.Microsecond,
		batch: 100, batchEach: 3200 * time.Microsecond,
		restart: time.Second, minUp: 10 * time.Second,
	}
	shortTimes = switchTimes{
		trying: 10 * time.Millisecond, answer: 10 * time.Millisecond, settle: 20 * time.Millisecond,
		silence: 100 * time.Millisecond, tick: 40 * time.Millisecond, restart: 30 * time.Millisecond,
	}
)

// after has fn called with mu held once d is over, in place of what was to happen to the gateway before.
// mu is held.
func (s *Switch) after(g *gateway, d time.Duration, fn func()) {
	if g.step != nil {
		g.step.Stop()
	}
	g.generation++
	due := g.generation
	g.step = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if g.generation == due && s.ctx.Err() == nil {
			fn()
		}
	})
}

// load adds a gateway at the head of its profile's list. It reports false if it is one that FreeSWITCH
// drops, or that is loaded already. n is how many were loaded before it at once. mu is held.
func (s *Switch) load(p *profile, name string, params map[string]string, n int) bool {
	if s.find(p.name+"::"+name) != nil {
		return false
	}
	g := newGateway(p, name, params)
	if g == nil {
		return false
	}
	p.gateways = slices.Insert(p.gateways, 0, g)
	s.publishLocked(event{name: "CUSTOM", subclass: "sofia::gateway_add", source: sourceGatewayAdd,
		headers: []header{{"Gateway", g.name}, {"profile-name", p.name}}})
	switch {
	case g.registers:
		late := time.Duration(max(0, n-s.times.batch)) * s.times.batchEach
		s.after(g, s.times.trying+late, func() { s.attempt(g) })
	case g.pingFreq > 0:
		s.after(g, s.times.trying+s.times.answer, func() { s.ping(g) })
	}
	return true
}

// attempt sends a REGISTER. mu is held.
func (s *Switch) attempt(g *gateway) {
	g.retryAt = time.Now().Add(time.Duration(g.retrySeconds) * time.Second)
	s.change(g, stateTrying, false)
	switch outcome := s.outcomeOf(g); outcome {
	case Registered:
		s.after(g, s.times.answer, func() {
			g.answered = true
			s.change(g, stateRegister, g.up, header{"Phrase", "OK"}, header{"Status", "200"})
			s.after(g, s.times.settle, func() { s.change(g, stateReged, true) })
		})
	case Silent:
		s.after(g, s.times.silence, func() {
			s.change(g, stateTimeout, false)
			s.after(g, s.times.answer, func() { s.fail(g) })
		})
	default:
		s.after(g, s.times.answer, func() {
			switch outcome {
			case Rejected403:
				g.answered = true
				s.fail(g, header{"Phrase", "Forbidden"}, header{"Status", "403"})
			case Rejected503:
				g.answered = true
				s.fail(g, header{"Phrase", "Service Unavailable"}, header{"Status", "503"})
			case Unchallenged:
				s.fail(g, header{"Phrase", "Operation has no matching challenge "}, header{"Status", "904"})
			default:
				s.fail(g, header{"Phrase", "Service Unavailable"}, header{"Status", "503"})
			}
		})
	}
}

// fail ends an attempt; the next one is due retry-seconds after this one began. mu is held.
func (s *Switch) fail(g *gateway, more ...header) {
	s.change(g, stateFailed, false, more...)
	s.after(g, s.times.settle, func() {
		s.change(g, stateFailWait, false)
		s.after(g, time.Until(g.retryAt), func() {
			s.change(g, stateUnreged, false)
			s.after(g, s.times.trying, func() { s.attempt(g) })
		})
	})
}

// ping asks a NOREG gateway's peer whether it is there. mu is held.
func (s *Switch) ping(g *gateway) {
	g.nextPing = time.Now().Add(time.Duration(g.pingFreq) * time.Second)
	if s.outcomeOf(g) == Registered {
		s.change(g, stateNoReg, true, header{"Phrase", "OK"}, header{"Status", "200"})
	} else {
		s.change(g, stateNoReg, false)
	}
	s.after(g, time.Duration(g.pingFreq)*time.Second, func() { s.ping(g) })
}

// change puts a gateway into a state and tells the listeners. mu is held.
func (s *Switch) change(g *gateway, state string, up bool, more ...header) {
	g.state = state
	if up && !g.up {
		g.upSince = time.Now()
	}
	g.up = up
	headers := []header{{"Gateway", g.name}, {"State", state}, {"Ping-Status", g.status()}}
	if g.answered {
		headers = append(headers, header{"Register-Network-IP", g.networkIP}, header{"Register-Network-Port", g.networkPort})
	}
	s.publishLocked(event{name: "CUSTOM", subclass: "sofia::gateway_state", source: sourceGatewayState, headers: append(headers, more...)})
}

// kill marks a gateway for deletion: look-ups by name no longer find it, but it stays in the list until
// FreeSWITCH comes round to it, a registered one until it has unregistered too. mu is held.
func (s *Switch) kill(g *gateway) {
	g.deleted = true
	if g.state == stateNoReg {
		s.after(g, s.nextTick(), func() { s.remove(g) })
		return
	}
	g.state = stateUnregister
	s.after(g, s.nextTick(), func() {
		s.change(g, stateDown, false)
		s.after(g, s.times.tick, func() { s.remove(g) })
	})
}

// nextTick is how long it is until FreeSWITCH next goes through its gateways.
func (s *Switch) nextTick() time.Duration {
	if !s.times.ticksRun {
		return s.times.tick
	}
	return s.times.tick - time.Since(s.started)%s.times.tick
}

// remove takes a gateway off its profile's list. mu is held.
func (s *Switch) remove(g *gateway) {
	g.generation++ // nothing more happens to it
	if g.step != nil {
		g.step.Stop()
	}
	p := s.profile(g.profile)
	p.gateways = slices.DeleteFunc(p.gateways, func(other *gateway) bool { return other == g })
	s.publishLocked(event{name: "CUSTOM", subclass: "sofia::gateway_delete", source: sourceGatewayDelete,
		headers: []header{{"profile-name", g.profile}, {"Gateway", g.name}}})
}

// unregister takes a registered gateway down; register brings it back. mu is held.
func (s *Switch) unregister(g *gateway) {
	g.state = stateUnregister
	s.after(g, s.nextTick(), func() {
		s.change(g, stateDown, false)
		s.after(g, s.times.answer, func() { s.change(g, stateDown, true) })
	})
}

func (g *gateway) status() string {
	if g.up {
		return "UP"
	}
	return "DOWN"
}

// upMicroseconds is how long the status has been UP.
func (g *gateway) upMicroseconds() int64 {
	if !g.up {
		return 0
	}
	return time.Since(g.upSince).Microseconds()
}

// retry is what FreeSWITCH says of the next attempt, "" in the states where it says nothing.
func (g *gateway) retry() string {
	switch g.state {
	case stateFailed, stateFailWait, stateTrying:
	default:
		return ""
	}
	if g.retryAt.IsZero() {
		return "NEVER"
	}
	return strconv.Itoa(max(0, int(time.Until(g.retryAt)/time.Second))) + "s"
}

// AddGateway loads a gateway that no configuration names, such as another system's whose username breaks
// the list's XML. The error says that FreeSWITCH would not have loaded it.
func (s *Switch) AddGateway(profile, name string, params map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.profile(profile)
	if p == nil || !p.running || !s.load(p, name, params, 0) {
		return fmt.Errorf("adding gateway %q to profile %q: FreeSWITCH would not load it", name, profile)
	}
	return nil
}

// LoadProfiles loads what is configured for each running profile, as FreeSWITCH does when it starts.
func (s *Switch) LoadProfiles(ctx context.Context) error {
	for _, name := range s.runningProfiles() {
		if err := ctx.Err(); err != nil {
			return err
		}
		result, gateways, found := s.profileConfig(name)
		if result != "Success" {
			return fmt.Errorf("loading the gateways of profile %s: %s", name, result)
		}
		if found {
			s.loadAll(name, gateways, "")
		}
	}
	return nil
}

// loadAll loads the gateways of a profile's configuration that are not loaded, or only the one named.
func (s *Switch) loadAll(profileName string, gateways []configuredGateway, only string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.profile(profileName)
	if p == nil || !p.running {
		return
	}
	n := 0
	for _, g := range gateways {
		if (only == "" || only == g.name) && s.load(p, g.name, g.params, n) {
			n++
		}
	}
}
