package freeswitch

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Gateway is a loaded gateway as `sofia xmlstatus gateway` shows it. Texts
// are FreeSWITCH's bytes, which may be no valid UTF-8; From, Contact and Exten,
// the only ones that FreeSWITCH escapes, are unescaped. A field that was not
// sent, or whose number cannot be read, is zero.
type Gateway struct {
	Name     string // the UUID, in lower case, of FusionPBX's gateways
	Profile  string
	Scheme   string // Digest
	Realm    string
	Username string
	Password string // "yes" or "no", never the password; of little use, since recordings say "yes" throughout
	From     string
	Contact  string
	Exten    string
	To       string
	Proxy    string
	Context  string
	Expires  string // seconds
	Freq     string // seconds between registrations

	Ping      string // when the next ping is due, Unix seconds; "0" for never
	PingFreq  string // seconds between pings
	PingMin   string
	PingCount string
	PingMax   string
	PingTime  string // the last ping's round trip
	Pinging   string

	State  string // where the registration stands: one of the State constants
	Status string // "UP" or "DOWN"
	Retry  string // until the next attempt to register, such as "26s", or "NEVER"; "" unless it failed or tries

	UptimeUsec     int64 // since it registered, microseconds
	CallsIn        int64
	CallsOut       int64
	FailedCallsIn  int64
	FailedCallsOut int64

	Raw string // the element as it was sent, <gateway> to </gateway>
}

// The states of mod_sofia, the values of Gateway.State.
const (
	StateUnreged    = "UNREGED"
	StateTrying     = "TRYING"
	StateRegister   = "REGISTER"
	StateReged      = "REGED"
	StateUnregister = "UNREGISTER"
	StateFailed     = "FAILED"
	StateFailWait   = "FAIL_WAIT"
	StateExpired    = "EXPIRED"
	StateNoReg      = "NOREG"
	StateDown       = "DOWN"
	StateTimeout    = "TIMEOUT"
)

// StatusUp is the Status of a gateway that FreeSWITCH sends calls to.
const StatusUp = "UP"

// Up reports whether the gateway is registered or, if it does not register, is
// not known to be unreachable. Status alone does not tell: it is UP after a
// registration was withdrawn, too.
func (g Gateway) Up() bool {
	return g.State == StateReged || g.State == StateNoReg && g.Status == StatusUp
}

// usualGateway is about how long a gateway's element is, in bytes.
const usualGateway = 900

// Limits of the search for the end of a value that has line breaks: of one
// value, and of all values of a reply, so that a hostile one costs little.
const (
	maxValueLines = 64
	maxSpareLines = 100_000
)

// parseGateways reads the gateways of a reply to `sofia xmlstatus gateway`,
// the list's or a single one's. The reply is XML by name only: username, to,
// realm and proxy are not escaped, and it declares another encoding than it
// uses. So it is read as what FreeSWITCH prints: one element a line, each value
// ended by its own closing tag at the end of a line. A line that fits nothing
// is passed over, and takes no other gateway with it. A gateway without a name
// is left out. A value with line breaks that imitates this very layout cannot
// be told from it.
func parseGateways(reply string) []Gateway {
	// A list that grew from nothing would be copied many times; one that was
	// sized by what the reply claims to hold could be made to cost too much.
	gateways := make([]Gateway, 0, len(reply)/usualGateway+1)
	var current *Gateway
	var start int // where current begins in reply
	spare := maxSpareLines
	finish := func(end int) {
		if current != nil && current.Name != "" {
			current.Raw = strings.TrimSpace(reply[start:end])
			gateways = append(gateways, *current)
		}
		current = nil
	}
	for at := 0; at < len(reply); {
		line, next := lineAt(reply, at)
		switch text := strings.TrimSpace(line); {
		case text == "<gateway>":
			finish(at)
			current, start = new(Gateway), at
		case text == "</gateway>":
			finish(next)
		case current != nil:
			if tag, value, end, ok := elementAt(reply, at, &spare); ok {
				current.set(tag, value)
				next = end
			}
		}
		at = next
	}
	finish(len(reply))
	return gateways
}

// lineAt returns the line that starts at an offset, and where the next starts.
func lineAt(text string, at int) (line string, next int) {
	if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
		return text[at : at+n], at + n + 1
	}
	return text[at:], len(text)
}

// elementAt reads the element <tag>value</tag> that starts on the line at an
// offset, and returns where the line after it starts. The value may hold line
// breaks and any other text, short of its own closing tag at the end of a line.
// Each line after its first is taken from spare.
func elementAt(text string, at int, spare *int) (tag, value string, next int, ok bool) {
	line, next := lineAt(text, at)
	opening := at + strings.IndexByte(line, '<')
	tag, _, found := strings.Cut(strings.TrimLeft(line, " \t"), ">")
	tag, isTag := strings.CutPrefix(tag, "<")
	if !found || !isTag || !isTagName(tag) {
		return "", "", 0, false
	}
	from := opening + len(tag) + len("<>")
	closing := "</" + tag + ">"
	for range maxValueLines {
		end := strings.TrimRight(text[from:next], " \t\r\n")
		if value, ok := strings.CutSuffix(end, closing); ok {
			return tag, value, next, true
		}
		if next == len(text) || *spare == 0 {
			break
		}
		*spare--
		_, next = lineAt(text, next)
	}
	return "", "", 0, false
}

func isTagName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == ""
}

// set stores the value of one element; the name of an unknown one is ignored.
func (g *Gateway) set(tag, value string) {
	switch tag {
	case "name":
		g.Name = value
	case "profile":
		g.Profile = value
	case "scheme":
		g.Scheme = value
	case "realm":
		g.Realm = value
	case "username":
		g.Username = value
	case "password":
		g.Password = value
	case "from":
		g.From = unescape(value)
	case "contact":
		g.Contact = unescape(value)
	case "exten":
		g.Exten = unescape(value)
	case "to":
		g.To = value
	case "proxy":
		g.Proxy = value
	case "context":
		g.Context = value
	case "expires":
		g.Expires = value
	case "freq":
		g.Freq = value
	case "ping":
		g.Ping = value
	case "pingfreq":
		g.PingFreq = value
	case "pingmin":
		g.PingMin = value
	case "pingcount":
		g.PingCount = value
	case "pingmax":
		g.PingMax = value
	case "pingtime":
		g.PingTime = value
	case "pinging":
		g.Pinging = value
	case "state":
		g.State = value
	case "status":
		g.Status = value
	case "retry":
		g.Retry = value
	case "uptime-usec":
		g.UptimeUsec = number(value)
	case "calls-in":
		g.CallsIn = number(value)
	case "calls-out":
		g.CallsOut = number(value)
	case "failed-calls-in":
		g.FailedCallsIn = number(value)
	case "failed-calls-out":
		g.FailedCallsOut = number(value)
	}
}

// number reads a count; anything else is 0.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

var entities = map[string]string{"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'"}

// maxReference is the longest reference that is read, without & and ;.
const maxReference = len("#x10FFFF")

// unescape replaces XML's five entities and numeric references, once. An
// ampersand that starts none of them stays.
func unescape(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, "&")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		end := strings.IndexByte(after, ';')
		text, ok := "", false
		if end > 0 && end <= maxReference {
			text, ok = reference(after[:end])
		}
		if ok {
			out.WriteString(text)
			s = after[end+1:]
		} else {
			out.WriteByte('&')
			s = after
		}
	}
}

// reference returns the text that &name; stands for.
func reference(name string) (string, bool) {
	if text, ok := entities[name]; ok {
		return text, true
	}
	digits, numeric := strings.CutPrefix(name, "#")
	if !numeric {
		return "", false
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return "", false
	}
	return string(rune(n)), true
}
