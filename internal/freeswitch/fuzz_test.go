package freeswitch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// maxSeed leaves out the longest recordings: the fuzzer would spend its time
// making them shorter.
const maxSeed = 12 << 10 // bytes

// addRecordings seeds a fuzz test with the recorded answers.
func addRecordings(f *testing.F, add func(text string)) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "esl-transcripts", "*.recv"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) <= maxSeed {
			add(string(text))
		}
	}
}

// Whatever FreeSWITCH sends, a command ends in time with a reply or an error,
// and the process lives. The bytes come in place of the greeting, in place of
// the reply to the password, or in place of the reply to the first of two
// commands.
func FuzzFrames(f *testing.F) {
	addRecordings(f, func(text string) {
		for stage := range byte(3) {
			f.Add(stage, text)
		}
	})
	for _, text := range []string{
		apiResponse(""), apiResponse("x"), apiResponse("-E"), apiResponse("-ERR"),
		"Content-Type: api/response\nContent-Length: -1\n\n",
		"Content-Type: api/response\nContent-Length: 99999999999\n\n",
		"Content-Type: command/reply\nReply-Text: -\n\n",
		"Content-Type: text/rude-rejection\n\n",
		"Content-Type: text/event-json\nContent-Length: 2\n\n[]",
	} {
		f.Add(byte(2), text)
	}
	const limit = 2 * time.Second
	f.Fuzz(func(t *testing.T, stage byte, text string) {
		p := startPeer(t, func(_ int, c *peerConn) {
			switch stage % 3 {
			case 0:
				c.raw(text)
			case 1:
				c.raw("Content-Type: auth/request\n\n")
				c.command()
				c.raw(text)
			case 2:
				if c.logIn() && c.command() != "" {
					c.raw(text)
				}
			}
		})
		s := newSwitch(t, p.addr, Options{DialTimeout: limit, CommandTimeout: limit, MaxReply: 1 << 20})
		started := time.Now()
		for range 2 {
			reply, err := s.api(t.Context(), "echo", "echo x")
			if err == nil && !strings.Contains(text, reply) {
				t.Errorf("got a reply that was not sent: %q", reply)
			}
			if err != nil && strings.Contains(err.Error(), testPassword) {
				t.Errorf("the password shows: %v", err)
			}
			var late *TimeoutError
			if errors.As(err, &late) {
				t.Errorf("the peer hung up, and yet: %v", err)
			}
		}
		if took := time.Since(started); took > 3*limit {
			t.Errorf("took %v", took)
		}
		s.Close()
		p.stop()
	})
}

// Any text is a list of gateways, perhaps an empty one. And whatever stands in
// one gateway's user name, short of the closing tag, it is read as it stands
// and hides neither the gateway nor its neighbours.
func FuzzGateways(f *testing.F) {
	addRecordings(f, func(text string) { f.Add(text) })
	f.Add("<gateway>\n<name>x</name>\n<username>&#0;&#x110000;</username>\n")
	f.Add("<gateway>\n<name>\n<name>\n<name>\n</name>")
	f.Add("a&b<c>\"d'\xff]]>")
	f.Fuzz(func(t *testing.T, text string) {
		wantSameInParts(t, text)
		for _, g := range parseGateways(text) {
			if g.Name == "" || !strings.HasPrefix(g.Raw, "<gateway>") || !strings.Contains(text, g.Raw) || !strings.Contains(g.Raw, g.Name) {
				t.Errorf("gateway %q has the text %q", g.Name, g.Raw)
			}
		}
		if strings.Contains(text, "</username>") || strings.Count(text, "\n") >= maxValueLines {
			return
		}
		list := parseGateways("<gateways>\n" +
			"  <gateway>\n    <name>before</name>\n  </gateway>\n" +
			"  <gateway>\n    <name>odd</name>\n    <username>" + text + "</username>\n    <state>REGED</state>\n  </gateway>\n" +
			"  <gateway>\n    <name>after</name>\n  </gateway>\n</gateways>\n")
		if len(list) != 3 || list[0].Name != "before" || list[2].Name != "after" ||
			list[1].Name != "odd" || list[1].Username != text || list[1].State != StateReged {
			t.Errorf("user name %q: got %+v", text, list)
		}
	})
}

// Any text is a list of registrations, perhaps an empty one, whose methods
// judge any value. And whatever a device calls itself, short of the closing tag,
// it hides neither itself nor its neighbours.
func FuzzRegistrations(f *testing.F) {
	addRecordings(f, func(text string) { f.Add(text) })
	f.Add("<registration>\n<user>a@b@c</user>\n<status>Registered(TLS-NAT)(x) expsecs(-99999999999)</status>")
	f.Add("x & <b>\x00\x1b[2J\xff\xfe&#0;&amp;lt;")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range parseRegistrations(text, "") {
			if r.User == "" || !strings.HasPrefix(r.User, r.Name()) || !strings.HasSuffix(r.User, r.Domain()) {
				t.Errorf("user %q has the name %q and the domain %q", r.User, r.Name(), r.Domain())
			}
			if transport := r.Transport(); transport != knownTransport(transport) {
				t.Errorf("%q and %q make the transport %q", r.Status, r.Contact, transport)
			}
			if left, ok := r.ExpiresIn(); !ok && left != 0 {
				t.Errorf("%q leaves %v", r.Status, left)
			}
		}
		if strings.Contains(text, "</agent>") || strings.Count(text, "\n") >= maxValueLines {
			return
		}
		list := parseRegistrations("<profile>\n  <registrations>\n"+
			"    <registration>\n        <user>1@before</user>\n    </registration>\n"+
			"    <registration>\n        <user>2@odd</user>\n        <agent>"+text+"</agent>\n        <network-ip>192.0.2.7</network-ip>\n    </registration>\n"+
			"    <registration>\n        <user>3@after</user>\n    </registration>\n  </registrations>\n</profile>\n", "")
		if len(list) != 3 || list[0].User != "1@before" || list[2].User != "3@after" ||
			list[1].User != "2@odd" || list[1].Agent != unescape(text) || list[1].NetworkIP != "192.0.2.7" {
			t.Errorf("agent %q: got %+v", text, list)
		}
	})
}

// Channels are taken for all of them only if as many came as were announced.
func FuzzChannels(f *testing.F) {
	addRecordings(f, func(text string) {
		_, body, _ := strings.Cut(text, "\n\n")
		f.Add(body)
	})
	f.Add(`{"row_count":1,"rows":[{"uuid":"a","call_uuid":null,"presence_id":"\xff@\u0000"}]}`)
	f.Add(`{"row_count":-1}`)
	f.Fuzz(func(t *testing.T, text string) {
		channels, ok := parseChannels(text)
		if ok && len(channels) > strings.Count(text, "{") {
			t.Errorf("%d channels in %q", len(channels), text)
		}
		for _, c := range channels {
			if c.Call() == "" && c.UUID != "" || !strings.HasSuffix(c.PresenceID, c.PresenceDomain()) {
				t.Errorf("got %+v", c)
			}
		}
	})
}

// The replies of commands are judged without a panic, and nothing but the
// whole success is success.
func FuzzReplies(f *testing.F) {
	addRecordings(f, func(text string) {
		_, body, _ := strings.Cut(text, "\n\n")
		f.Add(body)
	})
	f.Fuzz(func(t *testing.T, text string) {
		if status, ok := parseStatus(text); ok && (status.Uptime < 0 || status.Version == "" || status.IdleCPU < 0) {
			t.Errorf("got %+v", status)
		}
		result, outcome, ok := splitRescan(text)
		if !ok {
			return
		}
		line, detail, ok := parseReload(result)
		if ok && detail == "" && result != "[Success]" {
			t.Errorf("%q is taken for success", result)
		}
		if line < 0 || outcome != strings.TrimSpace(outcome) {
			t.Errorf("line %d, outcome %q", line, outcome)
		}
	})
}
