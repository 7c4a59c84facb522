package status

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"trunkline/api/web"
	"trunkline/internal/freeswitch"
	"trunkline/internal/tenant"
)

// device is a registration, as the switch has it.
type device struct {
	User       string `json:"user"`
	Domain     string `json:"domain"`
	UserAgent  string `json:"user_agent"`
	Contact    string `json:"contact"`
	IP         string `json:"ip"`   // where its packets come from, as the switch has it
	Port       int    `json:"port"` // 0 if the switch does not say
	Transport  string `json:"transport"`
	Expires    string `json:"expires"`     // when the switch will drop it; "" if it does not say
	PingStatus string `json:"ping_status"` // Reachable, Unreachable...
	Profile    string `json:"profile"`
	Switch     string `json:"switch"` // host:port of its event socket

	realm string
	key   string // by which lists are ordered and paged
	left  time.Duration
}

// deviceOf shows a registration that was read at that time.
func deviceOf(r freeswitch.Registration, sw string, at time.Time) device {
	d := device{
		User: printable(r.Name()), Domain: printable(r.Domain()), UserAgent: printable(r.Agent), Contact: printable(r.Contact),
		IP: printable(r.NetworkIP), Transport: r.Transport(), PingStatus: printable(r.PingStatus), Profile: r.Profile, Switch: sw,
		realm: r.AuthRealm,
	}
	if port, err := strconv.ParseUint(r.NetworkPort, 10, 16); err == nil {
		d.Port = int(port)
	}
	if left, ok := r.ExpiresIn(); ok {
		d.left, d.Expires = left, web.Time(at.Add(left))
	}
	d.key = strings.Join([]string{strings.ToLower(d.Domain), d.User, sw, r.Profile, printable(r.CallID), d.Contact}, "\x00")
	return d
}

// of reports whether the device belongs to one of the domains: by the host of its user, or by its realm.
func (d device) of(q tenant.Domains) bool { return q.Hold(d.Domain) || q.Hold(d.realm) }

// printable makes what a device sent fit for an answer: valid UTF-8 without control characters.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// sortedDevices are all devices of all switches, by key.
func sortedDevices(switches []switchNow, at time.Time) []device {
	var all []device
	for _, one := range switches {
		for _, registration := range one.listed {
			all = append(all, deviceOf(registration, one.addr, at))
		}
	}
	slices.SortFunc(all, func(a, b device) int { return strings.Compare(a.key, b.key) })
	return all
}

// latestFirst orders one user's devices. A switch does not say when a device registered, but how long it
// keeps it: the one that is kept longest registered last, if all register for as long. Of equals one
// that answers pings goes first, then the one that the switch lists later.
func latestFirst(devices []device) {
	slices.Reverse(devices)
	slices.SortStableFunc(devices, func(a, b device) int {
		return cmp.Or(cmp.Compare(b.left, a.left), cmp.Compare(reachable(b), reachable(a)))
	})
}

func reachable(d device) int {
	if d.PingStatus == freeswitch.PingReachable {
		return 1
	}
	return 0
}
