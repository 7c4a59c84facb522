package freeswitch

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Registration is a device that is registered with a SIP profile, as
// `sofia xmlstatus profile NAME reg` shows it. Texts are unescaped; a device
// chooses its Agent and Contact freely, so they may hold anything, control
// characters and invalid UTF-8 too. A field that was not sent is "".
type Registration struct {
	Profile     string // the profile that was asked
	CallID      string `sofia:"call-id,escaped"`
	User        string `sofia:"user,escaped"`    // USER@HOST
	Contact     string `sofia:"contact,escaped"` // such as `"" <sip:1001@192.0.2.7:5060>`
	Agent       string `sofia:"agent,escaped"`
	Status      string `sofia:"status,escaped"`      // such as "Registered(UDP)(unknown) exp(2026-11-22 19:14:55) expsecs(358)"
	PingStatus  string `sofia:"ping-status,escaped"` // "Reachable", "Unreachable"...
	Host        string `sofia:"host,escaped"`        // FreeSWITCH's host name
	NetworkIP   string `sofia:"network-ip,escaped"`  // where the device's packets came from
	NetworkPort string `sofia:"network-port,escaped"`
	AuthUser    string `sofia:"sip-auth-user,escaped"`
	AuthRealm   string `sofia:"sip-auth-realm,escaped"`
}

// PingReachable is the PingStatus of a device that answers, or is not asked.
const PingReachable = "Reachable"

// Name returns User without its host.
func (r Registration) Name() string {
	name, _ := splitAddress(r.User)
	return name
}

// Domain returns User's host.
func (r Registration) Domain() string {
	_, host := splitAddress(r.User)
	return host
}

func splitAddress(address string) (user, host string) {
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return address[:at], address[at+1:]
	}
	return address, ""
}

var secondsLeft = regexp.MustCompile(`expsecs\((-?\d{1,9})\)\s*$`)

// ExpiresIn returns how long FreeSWITCH still keeps the registration, its 60 s
// of grace included; it is negative if that is about to be dropped. The time of
// day beside it in Status lacks its zone.
func (r Registration) ExpiresIn() (left time.Duration, ok bool) {
	m := secondsLeft.FindStringSubmatch(r.Status)
	if m == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(m[1]) // digits, by the pattern
	return time.Duration(n) * time.Second, true
}

// transports are those of SIP that FreeSWITCH names.
var transports = []string{"udp", "tcp", "tls", "ws", "wss", "sctp"}

// Transport returns "udp", "tcp", "tls", "ws", "wss" or "sctp": as Status has it
// ("Registered(TCP)", "Registered(UDP-NAT)"), else the contact's; "" if neither
// says.
func (r Registration) Transport() string {
	if status, ok := strings.CutPrefix(r.Status, "Registered("); ok {
		kind, _, _ := strings.Cut(status, ")")
		kind, _, _ = strings.Cut(kind, "-")
		if transport := knownTransport(kind); transport != "" {
			return transport
		}
	}
	_, parameter, _ := strings.Cut(strings.ToLower(r.Contact), ";transport=")
	if end := strings.IndexAny(parameter, ";>? "); end >= 0 {
		parameter = parameter[:end]
	}
	return knownTransport(parameter)
}

func knownTransport(name string) string {
	if name = strings.ToLower(name); slices.Contains(transports, name) {
		return name
	}
	return ""
}

// userName is what may stand for a user in a command: what SIP user names and
// extension numbers are made of, short of what FreeSWITCH would take apart.
var userName = regexp.MustCompile(`^[\w.+*\-]{1,64}$`)

// CheckUser returns an *ArgumentError if UserRegistrations could not ask for that
// user of that domain, and nil otherwise.
func CheckUser(user, domain string) error {
	if !userName.MatchString(user) {
		return &ArgumentError{Name: "the user", Reason: "must be 1 to 64 letters, digits, dots, hyphens, underscores, plus signs or asterisks"}
	}
	if !hostName.MatchString(domain) {
		return &ArgumentError{Name: "the domain", Reason: "must be 1 to 255 letters, digits, dots, hyphens or underscores"}
	}
	return nil
}

// Registrations asks for all devices that are registered with a profile. The
// error is a *ProfileError if the profile does not run. The reply has some 700
// bytes a device.
func (s *Switch) Registrations(ctx context.Context, profile string) ([]Registration, error) {
	return s.registrations(ctx, profile, "sofia xmlstatus profile "+profile+" reg")
}

// UserRegistrations asks for the devices of one user, case-sensitively, in a
// reply that other registrations do not lengthen. The errors are those of
// Registrations and of CheckUser.
func (s *Switch) UserRegistrations(ctx context.Context, profile, user, domain string) ([]Registration, error) {
	if err := CheckUser(user, domain); err != nil {
		return nil, err
	}
	return s.registrations(ctx, profile, "sofia xmlstatus profile "+profile+" user "+user+"@"+domain)
}

func (s *Switch) registrations(ctx context.Context, profile, asked string) ([]Registration, error) {
	reply, err := s.askProfile(ctx, profile, asked)
	if err != nil {
		return nil, err
	}
	// A list that is not whole must not make a device look unregistered.
	if !strings.Contains(reply, "<registrations>\n") || !endsWith(reply, "</profile>") {
		return nil, s.unexpected(asked, reply)
	}
	return parseRegistrations(reply, profile), nil
}

// parseRegistrations leaves out a registration without a user.
func parseRegistrations(reply, profile string) (registrations []Registration) {
	newElements("registration", func(r *Registration, _ string) {
		if r.Profile = profile; r.User != "" {
			registrations = append(registrations, *r)
		}
	}).read(reply, true)
	return registrations
}
