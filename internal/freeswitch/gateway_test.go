package freeswitch

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// recordedGateways parses the list in the last reply of a recording.
func recordedGateways(t testing.TB, name string) []Gateway {
	t.Helper()
	text := recording(t, name)
	return parseGateways(text[strings.LastIndex(text, "\n\n<?xml")+2:])
}

func TestRecordedGateway(t *testing.T) {
	t.Parallel()
	got := recordedGateways(t, "odd_xmlstatus_unescaped_username")
	const odd = `a&b<c>"d'é`
	want := Gateway{
		Name: "esc", Profile: "external", Scheme: "Digest", Realm: "127.0.0.1:15060",
		Username: odd, Password: "yes",
		From:    "<sip:" + odd + "@x&y>",
		Contact: "<sip:gw+esc@127.0.0.1:5080;transport=udp;gw=esc>",
		Exten:   odd,
		To:      "sip:" + odd + "@127.0.0.1:15060", Proxy: "sip:127.0.0.1:15060", Context: "public",
		Expires: "3600", Freq: "3600",
		Ping: "0", PingFreq: "0", PingMin: "0", PingCount: "0", PingMax: "0", PingTime: "0.00", Pinging: "0",
		State: StateNoReg, Status: StatusUp, UptimeUsec: 2016,
	}
	if len(got) != 1 {
		t.Fatalf("got %d gateways, want 1", len(got))
	}
	if raw := got[0].Raw; !strings.HasPrefix(raw, "<gateway>") || !strings.HasSuffix(raw, "</gateway>") || !strings.Contains(raw, "&lt;sip:a&amp;b") {
		t.Errorf("Raw is %q", raw)
	}
	got[0].Raw = ""
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
}

func TestRecordedGatewayStates(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, state, status, retry string
		up                         bool
	}{
		{"gw-reged", StateReged, "UP", "", true},
		{"gw-noreg", StateNoReg, "UP", "", true},
		{"gw-noreg-ping", StateNoReg, "UP", "", true},
		{"gw-noreg-ping-dead", StateNoReg, "UP", "", true},
		{"gw-noreg-ping-dead_later", StateNoReg, "DOWN", "", false},
		{"gw-403", StateFailWait, "DOWN", "26s", false},
		{"gw-503", StateFailWait, "DOWN", "26s", false},
		{"gw-badpw", StateFailWait, "DOWN", "26s", false},
		{"gw-loop401", StateFailWait, "DOWN", "26s", false},
		{"gw-closedport", StateFailWait, "DOWN", "26s", false},
		{"gw-closedport_later", StateFailWait, "DOWN", "0s", false},
		{"gw-hole", StateTrying, "DOWN", "25s", false},
		{"gw-hole_later", StateFailWait, "DOWN", "21s", false},
		{"unregister_down-up", StateDown, "UP", "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := recordedGateways(t, "api_sofia_xmlstatus_gateway_"+c.name)
			if len(got) != 1 {
				t.Fatalf("got %d gateways, want 1", len(got))
			}
			g := got[0]
			if g.State != c.state || g.Status != c.status || g.Retry != c.retry || g.Up() != c.up {
				t.Errorf("got %s/%s retry %q up %v; want %s/%s retry %q up %v", g.State, g.Status, g.Retry, g.Up(), c.state, c.status, c.retry, c.up)
			}
		})
	}
}

// Over the wire: a rescan, then the list, as they were recorded together.
func TestRecordedGatewayLists(t *testing.T) {
	t.Parallel()
	for recording, want := range map[string]int{
		"api_sofia_xmlstatus_gateway_list":              10,
		"api_sofia_xmlstatus_gateway_just_after_rescan": 10,
		"api_sofia_xmlstatus_gateway_empty":             0,
		"api_xmlstatus_gateway_profile_stopped":         0,
	} {
		t.Run(recording, func(t *testing.T) {
			t.Parallel()
			p, _ := replaying(t, recording)
			got, err := newSwitch(t, p.addr, Options{}).Gateways(t.Context())
			if err != nil || len(got) != want {
				t.Errorf("got %d gateways, %v; want %d", len(got), err, want)
			}
		})
	}
	got := recordedGateways(t, "timing_rescan_100_reg")
	if len(got) != 100 {
		t.Fatalf("got %d gateways, want 100", len(got))
	}
	seen := make(map[string]bool)
	for _, g := range got {
		seen[g.Name] = true
		if g.Profile != "external" || g.State == "" || g.Status == "" {
			t.Errorf("gateway %q is not whole: %+v", g.Name, g)
		}
	}
	if len(seen) != 100 {
		t.Errorf("got %d names, want 100", len(seen))
	}
}

// wantSameInParts fails unless a list is read the same however it is cut.
func wantSameInParts(t *testing.T, text string) {
	t.Helper()
	first, rest := text[:min(len(text), 100)], text[min(len(text), 100):] // the first part is never a few bytes
	whole := strings.Contains(first, "<gateways>") && endsWith(text[max(0, len(text)-listTail):], "</gateways>")
	want := parseGateways(text)
	for _, size := range []int{1, 7, 100, 1000} {
		var got []Gateway
		list := gatewayReader{gateways: newGateways(func(g *Gateway) { got = append(got, *g) })}
		list.take([]byte(first))
		for part := range slices.Chunk([]byte(rest), size) {
			list.take(part)
		}
		if end := list.end(); end != whole {
			t.Errorf("parts of %d of %q: whole is %v, want %v", size, text, end, whole)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("parts of %d of %q:\ngot  %+v\nwant %+v", size, text, got, want)
		}
	}
}

// A large list is read as it comes, and is no list unless all of it came.
func TestLargeGatewayList(t *testing.T) {
	t.Parallel()
	names := make([]string, 5000)
	for i := range names {
		names[i] = fmt.Sprintf("gateway-%d", i)
	}
	list := strings.Replace(gatewayList(names...), "<name>gateway-3000</name>", "<name>gateway-3000</name>\n    <username>x\n  </gateway>\ny</username>", 1)
	if len(list) < largeBody {
		t.Fatalf("the list has %d bytes, which is no large body", len(list))
	}
	var reply atomic.Pointer[string]
	p := startPeer(t, func(_ int, c *peerConn) {
		for ok := c.logIn(); ok && c.command() != ""; {
			c.raw(*reply.Load())
		}
	})
	s := newSwitch(t, p.addr, Options{})
	for name, c := range map[string]struct {
		reply string
		want  error
	}{
		"whole":      {apiResponse(list), nil},
		"not closed": {apiResponse(strings.TrimSuffix(list, "</gateways>\n")), &ReplyError{}},
		"no list":    {apiResponse(strings.Replace(list, "<gateways>", "<profiles>", 1)), &ReplyError{}},
	} {
		reply.Store(&c.reply)
		got, err := s.Gateways(t.Context())
		if c.want != nil {
			if !is[*ReplyError](err) || got != nil {
				t.Errorf("%s: got %d gateways, %v", name, len(got), err)
			}
			continue
		}
		if err != nil || len(got) != len(names) {
			t.Fatalf("%s: got %d gateways, %v; want %d", name, len(got), err, len(names))
		}
		for i, g := range got {
			if g.Name != names[i] || (g.Username == "x\n  </gateway>\ny") != (i == 3000) {
				t.Errorf("%s: number %d is %+v", name, i, g)
			}
		}
	}
	cut := apiResponse(list)[:len(list)/2]
	p2 := startPeer(t, func(_ int, c *peerConn) {
		if c.logIn() && c.command() != "" {
			c.raw(cut)
		}
	})
	gone, ok := errors.AsType[*UnavailableError](newSwitch(t, p2.addr, Options{}).EachGateway(t.Context(), func(*Gateway) {}))
	if !ok || gone.Reason != ReasonCutOff {
		t.Errorf("cut off: got %v", gone)
	}
}

// One odd gateway takes no other with it.
func TestOddGatewayAmongOthers(t *testing.T) {
	t.Parallel()
	const before = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<gateways>\n  <gateway>\n    <name>before</name>\n    <state>REGED</state>\n    <status>UP</status>\n  </gateway>\n"
	const after = "  <gateway>\n    <name>after</name>\n    <state>NOREG</state>\n    <status>UP</status>\n  </gateway>\n</gateways>\n"
	cases := []struct {
		name, odd string
		want      *Gateway // nil if the odd one is left out
	}{
		{"unescaped", "  <gateway>\n    <name>odd</name>\n    <username>a&b<c>d</username>\n    <state>REGED</state>\n  </gateway>\n", &Gateway{Name: "odd", Username: "a&b<c>d", State: "REGED"}},
		{"its own closing tag within", "  <gateway>\n    <name>odd</name>\n    <username></username></username>\n  </gateway>\n", &Gateway{Name: "odd", Username: "</username>"}},
		{"another closing tag", "  <gateway>\n    <name>odd</name>\n    <username>x</gateway></gateways></username>\n  </gateway>\n", &Gateway{Name: "odd", Username: "x</gateway></gateways>"}},
		{"a line break in a value", "  <gateway>\n    <name>odd</name>\n    <username>x\n  </gateway>\n  <gateway>\n    <name>evil</name>\ny</username>\n    <status>UP</status>\n  </gateway>\n",
			&Gateway{Name: "odd", Username: "x\n  </gateway>\n  <gateway>\n    <name>evil</name>\ny", Status: "UP"}},
		{"a comment and CDATA", "  <gateway>\n    <name>odd</name>\n    <to><!-- <![CDATA[ ]]></to>\n  </gateway>\n", &Gateway{Name: "odd", To: "<!-- <![CDATA[ ]]>"}},
		{"invalid UTF-8", "  <gateway>\n    <name>odd</name>\n    <realm>\xff\xfe</realm>\n  </gateway>\n", &Gateway{Name: "odd", Realm: "\xff\xfe"}},
		{"empty values", "  <gateway>\n    <name>odd</name>\n    <username></username>\n    <from></from>\n  </gateway>\n", &Gateway{Name: "odd"}},
		{"spaces kept", "  <gateway>\n    <name>odd</name>\n    <username> a  </username>\n  </gateway>\n", &Gateway{Name: "odd", Username: " a  "}},
		{"unknown elements", "  <gateway>\n    <new-in-2>x</new-in-2>\n    <name>odd</name>\n    <x/>\n    <open>\n    nonsense\n  </gateway>\n", &Gateway{Name: "odd"}},
		{"odd numbers", "  <gateway>\n    <name>odd</name>\n    <calls-in>many</calls-in>\n    <calls-out>99999999999999999999</calls-out>\n    <failed-calls-in>-3</failed-calls-in>\n    <failed-calls-out>4</failed-calls-out>\n  </gateway>\n", &Gateway{Name: "odd", FailedCallsIn: -3, FailedCallsOut: 4}},
		{"retry", "  <gateway>\n    <name>odd</name>\n    <retry>NEVER</retry>\n  </gateway>\n", &Gateway{Name: "odd", Retry: "NEVER"}},
		{"CR LF", "  <gateway>\r\n    <name>odd</name>\r\n    <to>x</to>\r\n  </gateway>\r\n", &Gateway{Name: "odd", To: "x"}},
		{"not closed", "  <gateway>\n    <name>odd</name>\n    <to>x</to>\n", &Gateway{Name: "odd", To: "x"}},
		{"no name", "  <gateway>\n    <to>x</to>\n  </gateway>\n", nil},
		{"empty", "  <gateway>\n  </gateway>\n", nil},
		{"text between", "nonsense\n<name>stray</name>\n\n", nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := parseGateways(before + c.odd + after)
			wantSameInParts(t, before+c.odd+after)
			want := []Gateway{{Name: "before", State: "REGED", Status: "UP"}}
			if c.want != nil {
				want = append(want, *c.want)
			}
			want = append(want, Gateway{Name: "after", State: "NOREG", Status: "UP"})
			for i := range got {
				got[i].Raw = ""
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	for escaped, want := range map[string]string{
		"":                          "",
		"plain":                     "plain",
		"&amp;&lt;&gt;&quot;&apos;": `&<>"'`,
		"&amp;lt;":                  "&lt;",
		"&#38;&#x26;&#233;":         "&&é",
		"&#x1F4DE;":                 "\U0001F4DE",
		"a&b":                       "a&b",
		"a&b;c":                     "a&b;c",
		"&":                         "&",
		"&;":                        "&;",
		"&amp":                      "&amp",
		"&&amp;":                    "&&",
		"&#0;&#;&#x;&#xD800;":       "&#0;&#;&#x;&#xD800;",
		"&#1114112;&#-1;&#+1;":      "&#1114112;&#-1;&#+1;",
		"&#x_1;":                    "&#x_1;",
		"\xff&lt;":                  "\xff<",
	} {
		if got := unescape(escaped); got != want {
			t.Errorf("%q: got %q, want %q", escaped, got, want)
		}
	}
}

func TestUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		state, status string
		want          bool
	}{
		{StateReged, "UP", true}, {StateReged, "DOWN", true},
		{StateNoReg, "UP", true}, {StateNoReg, "DOWN", false},
		{StateRegister, "UP", false}, {StateDown, "UP", false}, {StateUnregister, "UP", false},
		{StateTrying, "DOWN", false}, {StateFailed, "DOWN", false}, {StateFailWait, "DOWN", false},
		{StateTimeout, "DOWN", false}, {StateExpired, "DOWN", false}, {StateUnreged, "DOWN", false}, {"", "UP", false},
	} {
		if got := (Gateway{State: c.state, Status: c.status}).Up(); got != c.want {
			t.Errorf("%s/%s: got %v, want %v", c.state, c.status, got, c.want)
		}
	}
}

// The search for the ends of values is bounded over a whole reply: after too
// many that have none, values of one line are still read.
func TestSearchForEndsIsBounded(t *testing.T) {
	t.Parallel()
	const twoLines = "<gateway>\n<name>x</name>\n<username>a\nb</username>\n<to>c</to>\n</gateway>\n"
	endless := "<gateway>\n<name>endless</name>\n" + strings.Repeat("<to>\n", maxSpareLines/maxValueLines+maxValueLines) + "</gateway>\n"
	got := parseGateways(twoLines + endless + twoLines)
	if len(got) != 3 {
		t.Fatalf("got %d gateways, want 3", len(got))
	}
	if got[0].Username != "a\nb" || got[2].Username != "" || got[2].To != "c" {
		t.Errorf("before: user name %q; after: user name %q, to %q", got[0].Username, got[2].Username, got[2].To)
	}
}
