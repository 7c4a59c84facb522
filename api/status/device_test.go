package status

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"trunkline/internal/freeswitch"
)

func TestLatestFirst(t *testing.T) {
	t.Parallel()
	devices := []device{
		{UserAgent: "early", left: time.Minute, PingStatus: freeswitch.PingReachable},
		{UserAgent: "first of three", left: time.Hour, PingStatus: freeswitch.PingReachable},
		{UserAgent: "second of three", left: time.Hour, PingStatus: freeswitch.PingReachable},
		{UserAgent: "third of three, silent", left: time.Hour, PingStatus: "Unreachable"},
		{UserAgent: "unknown"},
	}
	latestFirst(devices)
	var got []string
	for _, d := range devices {
		got = append(got, d.UserAgent)
	}
	want := "second of three; first of three; third of three, silent; early; unknown"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
}

// Whatever a telephone sends, what is shown of it is valid JSON without control characters.
func FuzzDevice(f *testing.F) {
	f.Add("Yealink SIP-T46U 108.86.0.20", "1001@pbx.example", "5060", "Registered(UDP)(unknown) exp(x) expsecs(60)")
	f.Add("\x00\x1b[2J & <b>\"\\\xff\xfe\u2028\u202e", "a@b@\x00", "99999", "expsecs(-1)")
	f.Fuzz(func(t *testing.T, agent, user, port, status string) {
		d := deviceOf(freeswitch.Registration{User: user, Agent: agent, Contact: agent, NetworkIP: agent, NetworkPort: port,
			PingStatus: agent, CallID: agent, AuthRealm: user, Status: status}, "127.0.0.1:8021", time.Unix(1e9, 0))
		for _, text := range []string{d.User, d.Domain, d.UserAgent, d.Contact, d.IP, d.PingStatus, d.key} {
			text = strings.ReplaceAll(text, "\x00", "") // what keys are joined by
			if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("shown as %q", text)
			}
		}
		if strings.Count(d.key, "\x00") != 5 || d.Port < 0 || d.Port > 65535 {
			t.Errorf("got %+v", d)
		}
		if body, err := json.Marshal(d); err != nil || !json.Valid(body) {
			t.Errorf("%v in %s", err, body)
		}
	})
}
