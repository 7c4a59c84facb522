package fssim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// defaultRegistrationTime is how long a device registers for.
	defaultRegistrationTime = 300 * time.Second
	// registrationGrace is what FreeSWITCH adds to it.
	registrationGrace = 60 * time.Second
)

// Registration is a device that has registered with the switch.
type Registration struct {
	Profile, User, Domain, Agent, IP string
	Port                             int

	Contact string    // URI of the device; sip:USER@IP:PORT if empty
	CallID  string    // call-USER@IP if empty
	Expires time.Time // grace included; six minutes from now if zero
	Ping    string    // what the switch says of its ping; Reachable if empty
	Another bool      // beside the user's other devices, as in a profile that allows several
	Renews  bool      // the device registers again in time, for as long as the switch runs

	flushed bool // gone from the profile, but still in `show registrations`
}

// AddRegistration registers a device, in place of one of the same user that was registered before unless
// it is Another.
func (s *Switch) AddRegistration(r Registration) {
	r.Contact = cmp.Or(r.Contact, fmt.Sprintf("sip:%s@%s:%d", r.User, r.IP, r.Port))
	r.CallID = cmp.Or(r.CallID, "call-"+r.User+"@"+r.IP)
	r.Ping = cmp.Or(r.Ping, "Reachable")
	if r.Expires.IsZero() {
		r.Expires = time.Now().Add(defaultRegistrationTime + registrationGrace)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.Another {
		s.removeRegistration(r.User, r.Domain)
	}
	s.registrations = append(s.registrations, r)
	s.publishLocked(event{name: "CUSTOM", subclass: "sofia::register", source: sourceRegister, headers: []header{
		{"profile-name", r.Profile}, {"from-user", r.User}, {"from-host", r.Domain}, {"presence-hosts", "n/a"},
		{"contact", `"" <` + r.Contact + ">"}, {"call-id", r.CallID}, {"rpid", "unknown"}, {"status", "Registered(UDP)"},
		{"expires", strconv.Itoa(int((time.Until(r.Expires) - registrationGrace).Round(time.Second) / time.Second))},
		{"to-user", r.User}, {"to-host", r.Domain}, {"network-ip", r.IP}, {"network-port", strconv.Itoa(r.Port)},
		{"username", r.User}, {"realm", r.Domain}, {"user-agent", r.Agent},
	}})
}

// RemoveRegistration unregisters a user's devices.
func (s *Switch) RemoveRegistration(user, domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeRegistration(user, domain)
}

func (s *Switch) removeRegistration(user, domain string) {
	s.registrations = slices.DeleteFunc(s.registrations, func(r Registration) bool { return r.User == user && r.Domain == domain })
}

// flushRegistrations is `flush_inbound_reg`, of one user or Call-ID or of all. mu is held.
func (s *Switch) flushRegistrations(p *profile, which string) string {
	for i := range s.registrations {
		r := &s.registrations[i]
		if r.Profile == p.name && (which == "" || which == r.address() || which == r.CallID) {
			r.flushed = true
		}
	}
	if which == "" {
		return "+OK flushing all registrations\n"
	}
	return "+OK flushing all registrations matching specified call_id\n"
}

func (r *Registration) address() string { return r.User + "@" + r.Domain }

func (s *Switch) countRegistrations(p *profile) int {
	return len(s.registrationsOf(p, func(*Registration) bool { return true }))
}

func (s *Switch) registrationsOf(p *profile, wanted func(*Registration) bool) []Registration {
	var found []Registration
	for _, r := range s.registrations {
		if r.Profile == p.name && !r.flushed && wanted(&r) {
			found = append(found, r)
		}
	}
	return found
}

// profileStatus is `sofia status profile NAME` and what may follow it: reg with a part of the contact,
// user with USER@DOMAIN, pres. mu is held.
func (s *Switch) profileStatus(p *profile, xml bool, words []string) string {
	kind, arg := "", ""
	if len(words) > 0 {
		kind = words[0]
	}
	if len(words) > 1 {
		arg = words[1]
	}
	wanted := map[string]func(*Registration) bool{
		"reg":  func(r *Registration) bool { return strings.Contains(r.Contact, arg) },
		"user": func(r *Registration) bool { return r.address() == arg },
		"pres": func(*Registration) bool { return false }, // the profiles have no presence hosts
	}[kind]
	withInfo := kind != "reg" && kind != "user"
	var found []Registration
	if wanted != nil {
		found = s.registrationsOf(p, wanted)
	}
	var b strings.Builder
	if xml {
		b.WriteString(xmlDeclaration + "<profile>\n")
		if withInfo {
			b.WriteString("  <profile-info>\n")
			for _, i := range s.profileInfo(p) {
				if i.element != "" {
					fmt.Fprintf(&b, "    <%s>%s</%s>\n", i.element, i.value, i.element)
				}
			}
			b.WriteString("  </profile-info>\n")
		}
		if wanted != nil {
			b.WriteString("  <registrations>\n")
			for _, r := range found {
				b.WriteString(s.registrationXML(&r))
			}
			b.WriteString("  </registrations>\n")
		}
		b.WriteString("</profile>\n")
		return b.String()
	}
	if withInfo {
		b.WriteString(textRule)
		for _, i := range s.profileInfo(p) {
			if i.label != "" {
				fmt.Fprintf(&b, "%s\t%s\n", i.label, i.value)
			}
		}
	}
	if wanted != nil {
		b.WriteString("\nRegistrations:\n" + textRule)
		for _, r := range found {
			b.WriteString(s.registrationText(&r))
		}
		fmt.Fprintf(&b, "Total items returned: %d\n"+textRule, len(found))
	}
	return b.String()
}

// expires is when the registration ends, as it was renewed last.
func (r *Registration) expires() time.Time {
	over := time.Since(r.Expires.Add(-registrationGrace))
	if !r.Renews || over < 0 {
		return r.Expires
	}
	return r.Expires.Add((over/defaultRegistrationTime + 1) * defaultRegistrationTime)
}

func (r *Registration) secondsLeft() int {
	return int(time.Until(r.expires()).Round(time.Second) / time.Second)
}

func (s *Switch) registrationXML(r *Registration) string {
	var b strings.Builder
	b.WriteString("    <registration>\n")
	for _, f := range [][2]string{
		{"call-id", r.CallID}, {"user", r.address()}, {"contact", `"" <` + r.Contact + ">"}, {"agent", r.Agent},
		{"status", fmt.Sprintf("Registered(UDP)(unknown) exp(%s) expsecs(%d)", r.expires().Format(time.DateTime), r.secondsLeft())},
		{"ping-status", r.Ping}, {"ping-time", "0.00"}, {"host", s.opts.Hostname},
		{"network-ip", r.IP}, {"network-port", strconv.Itoa(r.Port)},
		{"sip-auth-user", r.User}, {"sip-auth-realm", r.Domain}, {"mwi-account", r.address()},
	} {
		fmt.Fprintf(&b, "        <%s>%s</%s>\n", f[0], escapeXML(f[1]), f[0])
	}
	b.WriteString("    </registration>\n")
	return b.String()
}

func (s *Switch) registrationText(r *Registration) string {
	var b strings.Builder
	for _, f := range [][2]string{
		{"Call-ID:    ", r.CallID}, {"User:       ", r.address()}, {"Contact:    ", `"" <` + r.Contact + ">"}, {"Agent:      ", r.Agent},
		{"Status:     ", fmt.Sprintf("Registered(UDP)(unknown) EXP(%s) EXPSECS(%d)", r.expires().Format(time.DateTime), r.secondsLeft())},
		{"Ping-Status:", r.Ping}, {"Ping-Time:", "0.00"}, {"Host:       ", s.opts.Hostname},
		{"IP:         ", r.IP}, {"Port:       ", strconv.Itoa(r.Port)},
		{"Auth-User:  ", r.User}, {"Auth-Realm: ", r.Domain}, {"MWI-Account:", r.address()},
	} {
		b.WriteString(f[0] + "\t" + f[1] + "\n")
	}
	return b.String() + "\n"
}

// contact is `sofia_contact [PROFILE/|*/]USER@DOMAIN`.
func (s *Switch) contact(arg string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, address, ok := strings.Cut(arg, "/")
	if !ok {
		address = arg
	}
	for _, r := range s.registrations {
		if r.address() == address && !r.flushed {
			return "sofia/" + r.Profile + "/" + r.Contact
		}
	}
	return "error/user_not_registered"
}
