package fssim

import (
	"fmt"
	"slices"
	"time"
)

// profile is the SIP profile of that name or alias, nil if there is none. mu is held.
func (s *Switch) profile(name string) *profile {
	if name == s.opts.Domain {
		name = aliasedProfile
	}
	for _, p := range s.profiles {
		if p.name == name {
			return p
		}
	}
	return nil
}

// aliasedProfile is the profile that Options.Domain is an alias of.
const aliasedProfile = "internal"

// running is the profile of that name if it runs. mu is held.
func (s *Switch) running(name string) *profile {
	if p := s.profile(name); p != nil && p.running {
		return p
	}
	return nil
}

func (s *Switch) runningProfiles() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, p := range s.profiles {
		if p.running {
			names = append(names, p.name)
		}
	}
	return names
}

// StopProfile stops a SIP profile: its gateways are gone at once. It is of no effect on one that does not
// run.
func (s *Switch) StopProfile(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.running(name); p != nil {
		s.stopProfile(p)
	}
}

// stopProfile is StopProfile with mu held.
func (s *Switch) stopProfile(p *profile) {
	p.running = false
	for _, g := range slices.Clone(p.gateways) {
		if g.state != stateNoReg {
			s.change(g, stateDown, false)
		}
		s.remove(g)
	}
}

// StartProfile starts a SIP profile, which loads the gateways that are configured for it. One that is not
// among Options.Profiles is unknown, and stays so: it reports false.
func (s *Switch) StartProfile(name string) (known bool) {
	known, started := s.setRunning(name)
	if !started {
		return known
	}
	if _, gateways, found := s.profileConfig(name); found {
		s.loadAll(name, gateways, "")
	}
	return true
}

func (s *Switch) setRunning(name string) (known, started bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.profile(name)
	if p == nil || p.running {
		return p != nil, false
	}
	p.running, p.since = true, time.Now()
	return true, true
}

// stopOrRestart is what `sofia profile NAME stop` and `restart` do.
func (s *Switch) stopOrRestart(p *profile, restart bool) string {
	result := s.reloadXML()
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait := s.times.minUp - time.Since(p.since); wait > 0 {
		return fmt.Sprintf("Profile %s must be up for at least %d seconds to stop/restart.\nPlease wait %d second%s\n",
			p.name, s.times.minUp/time.Second, 1+wait/time.Second, plural(int(1+wait/time.Second)))
	}
	s.stopProfile(p)
	if !restart {
		return fmt.Sprintf("Reload XML [%s]\nstopping: %s", result, p.name)
	}
	s.wg.Go(func() {
		if s.pause(s.times.restart) {
			s.StartProfile(p.name)
		}
	})
	return fmt.Sprintf("Reload XML [%s]\nrestarting: %s", result, p.name)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
