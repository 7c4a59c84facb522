package fssim

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	// xmlDeclaration is FreeSWITCH's, though what follows is UTF-8.
	xmlDeclaration = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n"
	textRule       = "=================================================================================================\n"
)

// writeXML writes the gateway's element. Username, to, realm and proxy are not escaped, as on a real
// switch. A list of 1,000 takes a few milliseconds there, so nothing here is formatted by reflection.
func (g *gateway) writeXML(b *strings.Builder) {
	field := func(name, value string) {
		b.WriteString("    <")
		b.WriteString(name)
		b.WriteByte('>')
		b.WriteString(value)
		b.WriteString("</")
		b.WriteString(name)
		b.WriteString(">\n")
	}
	b.WriteString("  <gateway>\n")
	field("name", g.name)
	field("profile", g.profile)
	field("scheme", "Digest")
	field("realm", g.realm)
	field("username", g.username)
	field("password", g.passwordSet())
	field("from", escapeXML(g.from))
	field("contact", escapeXML(g.contact))
	field("exten", escapeXML(g.exten))
	field("to", g.to)
	field("proxy", g.proxy)
	field("context", g.context)
	field("expires", g.expires)
	field("freq", strconv.Itoa(g.freq))
	field("ping", strconv.FormatInt(g.nextPingEpoch(), 10))
	field("pingfreq", strconv.Itoa(g.pingFreq))
	field("pingmin", strconv.Itoa(g.pingMin))
	field("pingcount", "0")
	field("pingmax", strconv.Itoa(g.pingMax))
	field("pingtime", "0.00")
	field("pinging", "0")
	field("state", g.state)
	field("status", g.status())
	field("uptime-usec", strconv.FormatInt(g.upMicroseconds(), 10))
	for _, calls := range []string{"calls-in", "calls-out", "failed-calls-in", "failed-calls-out"} {
		field(calls, "0")
	}
	if retry := g.retry(); retry != "" {
		field("retry", retry)
	}
	b.WriteString("  </gateway>\n")
}

// passwordSet is how FreeSWITCH says whether the gateway has a password: yes in every recording of one
// that has.
func (g *gateway) passwordSet() string {
	if g.password == "" {
		return "no"
	}
	return "yes"
}

// nextPingEpoch is 0 for a gateway that is not pinged.
func (g *gateway) nextPingEpoch() int64 {
	if g.nextPing.IsZero() {
		return 0
	}
	return g.nextPing.Unix()
}

// gatewayListXML is `sofia xmlstatus gateway`. Killed gateways are in it until they are gone. mu is held.
func (s *Switch) gatewayListXML() string {
	var b strings.Builder
	b.WriteString(xmlDeclaration + "<gateways>\n")
	for _, p := range s.profiles {
		for _, g := range p.gateways {
			g.writeXML(&b)
		}
	}
	b.WriteString("</gateways>\n")
	return b.String()
}

// text is `sofia status gateway NAME`.
func (g *gateway) text() string {
	const microsecondsPerSecond = 1_000_000
	var b strings.Builder
	b.WriteString(textRule)
	for _, f := range []struct {
		name  string
		value any
	}{
		{"Name    ", g.name}, {"Profile ", g.profile}, {"Scheme  ", "Digest"}, {"Realm   ", g.realm},
		{"Username", g.username}, {"Password", g.passwordSet()}, {"From    ", g.from}, {"Contact ", g.contact},
		{"Exten   ", g.exten}, {"To      ", g.to}, {"Proxy   ", g.proxy}, {"Context ", g.context},
		{"Expires ", g.expires}, {"Freq    ", g.freq}, {"Ping    ", g.nextPingEpoch()}, {"PingFreq", g.pingFreq},
		{"PingTime", "0.00"}, {"PingState", fmt.Sprintf("%d/0/%d", g.pingMin, g.pingMax)},
		{"State   ", g.state}, {"Status  ", g.status()},
		{"Uptime  ", fmt.Sprintf("%ds", g.upMicroseconds()/microsecondsPerSecond)},
		{"CallsIN ", 0}, {"CallsOUT", 0}, {"FailedCallsIN", 0}, {"FailedCallsOUT", 0},
	} {
		fmt.Fprintf(&b, "%s\t%v\n", f.name, f.value)
	}
	b.WriteString(textRule)
	return b.String()
}

// retryNote follows a gateway's state in lists.
func (g *gateway) retryNote() string {
	if retry := g.retry(); retry != "" {
		return " (retry: " + retry + ")"
	}
	return ""
}

// gatewayList is `sofia status gateway`. mu is held.
func (s *Switch) gatewayList() string {
	var b strings.Builder
	b.WriteString("    Profile::Gateway-Name\t                        Data    \tState\tPing Time\tIB Calls(F/T)\tOB Calls(F/T)\n" + textRule)
	n := 0
	for _, p := range s.profiles {
		for _, g := range p.gateways {
			fmt.Fprintf(&b, "%25s\t%32s\t%s\t  0.00\t0/0\t0/0%s\n", g.profile+"::"+g.name, g.to, g.state, g.retryNote())
			n++
		}
	}
	fmt.Fprintf(&b, textRule+"%d gateway%s: Inbound(Failed/Total): 0/0,Outbound(Failed/Total):0/0\n", n, plural(n))
	return b.String()
}

// url is the profile's own address.
func (p *profile) url() string { return fmt.Sprintf("sip:mod_sofia@%s:%d", sipHost, p.port) }

// overview is `sofia status`. mu is held.
func (s *Switch) overview() string {
	var b strings.Builder
	row := func(name, kind, data, state string) {
		fmt.Fprintf(&b, "%25s\t%7s\t%42s\t%s\n", name, kind, data, state)
	}
	row("Name", "Type", "Data", "State")
	b.WriteString(textRule)
	profiles, aliases := 0, 0
	for _, p := range s.profiles {
		if !p.running {
			continue
		}
		if p.name == aliasedProfile {
			row(s.opts.Domain, "alias", p.name, "ALIASED")
			aliases++
		}
		profiles++
		row(p.name, "profile", p.url(), "RUNNING (0)")
		for _, g := range p.gateways {
			row(p.name+"::"+g.name, "gateway", g.to, g.state+g.retryNote())
		}
	}
	ending := "es"
	if aliases == 1 {
		ending = ""
	}
	fmt.Fprintf(&b, textRule+"%d profile%s %d alias%s\n", profiles, plural(profiles), aliases, ending)
	return b.String()
}

// overviewXML is `sofia xmlstatus`, which has text outside its elements. mu is held.
func (s *Switch) overviewXML() string {
	var b strings.Builder
	element := func(kind, name, data, state string) {
		fmt.Fprintf(&b, "<%s>\n<name>%s</name>\n<type>%s</type>\n<data>%s</data>\n<state>%s</state>\n</%s>\n", kind, name, kind, data, state, kind)
	}
	b.WriteString(xmlDeclaration + "<profiles>\n")
	for _, p := range s.profiles {
		if !p.running {
			continue
		}
		if p.name == aliasedProfile {
			element("alias", s.opts.Domain, p.name, "ALIASED")
		}
		element("profile", p.name, p.url(), "RUNNING (0)")
		for _, g := range p.gateways {
			element("gateway", g.name, g.to, g.state)
			b.WriteString(g.retryNote() + "\n")
		}
	}
	b.WriteString("</profiles>\n")
	return b.String()
}

// profileInfo is what FreeSWITCH tells of a profile: the element of the XML, the label of the text, the
// value. XML and text have one pair of fields in another order.
func (s *Switch) profileInfo(p *profile) []struct{ element, label, value string } {
	challenge := "auto_to"
	if p.name == aliasedProfile {
		challenge = "auto_from"
	}
	return []struct{ element, label, value string }{
		{"name", "Name             ", p.name}, {"domain-name", "Domain Name      ", "N/A"},
		{"auto-nat", "Auto-NAT         ", "false"}, {"db-name", "DBName           ", "sofia_reg_" + p.name},
		{"pres-hosts", "Pres Hosts       ", ""}, {"dialplan", "Dialplan         ", "XML"},
		{"context", "Context          ", "public"}, {"challenge-realm", "Challenge Realm  ", challenge},
		{"rtp-ip", "RTP-IP           ", sipHost}, {"sip-ip", "SIP-IP           ", sipHost},
		{"url", "URL              ", p.url()}, {"bind-url", "BIND-URL         ", p.url() + ";transport=udp,tcp"},
		{"hold-music", "HOLD-MUSIC       ", "silence"}, {"outbound-proxy", "OUTBOUND-PROXY   ", "N/A"},
		{"inbound-codecs", "CODECS IN        ", "PCMU,PCMA"}, {"outbound-codecs", "CODECS OUT       ", "PCMU,PCMA"},
		{"tel-event", "TEL-EVENT        ", "101"}, {"dtmf-mode", "DTMF-MODE        ", "rfc2833"},
		{"cng", "CNG              ", "13"}, {"session-to", "SESSION-TO       ", "0"},
		{"max-dialog", "MAX-DIALOG       ", "0"}, {"max-recv-rps", "MAX-RECV-RPS     ", "1000"},
		{"nomedia", "NOMEDIA          ", "false"}, {"late-neg", "LATE-NEG         ", "true"},
		{"proxy-media", "PROXY-MEDIA      ", "false"}, {"aggressive-nat", "AGGRESSIVENAT    ", "false"},
		{"calls-in", "CALLS-IN         ", "0"}, {"", "FAILED-CALLS-IN  ", "0"},
		{"calls-out", "CALLS-OUT        ", "0"}, {"failed-calls-in", "", "0"},
		{"failed-calls-out", "FAILED-CALLS-OUT ", "0"},
		{"registrations", "REGISTRATIONS    ", fmt.Sprint(s.countRegistrations(p))},
	}
}
