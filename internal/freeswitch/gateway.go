package freeswitch

import "strings"

// A Gateway is a loaded gateway as `sofia xmlstatus gateway` shows it. Texts
// may be no valid UTF-8; From, Contact and Exten, the only ones that FreeSWITCH
// escapes, are unescaped. A field that was not sent, or cannot be read, is zero.
type Gateway struct {
	Name     string `sofia:"name"` // the UUID, in lower case, of FusionPBX's gateways
	Profile  string `sofia:"profile"`
	Scheme   string `sofia:"scheme"` // Digest
	Realm    string `sofia:"realm"`
	Username string `sofia:"username"`
	Password string `sofia:"password"` // "yes" or "no", never the password; of little use, since recordings say "yes" throughout
	From     string `sofia:"from,escaped"`
	Contact  string `sofia:"contact,escaped"`
	Exten    string `sofia:"exten,escaped"`
	To       string `sofia:"to"`
	Proxy    string `sofia:"proxy"`
	Context  string `sofia:"context"`
	Expires  string `sofia:"expires"` // seconds
	Freq     string `sofia:"freq"`    // seconds between registrations

	Ping      string `sofia:"ping"`     // when the next ping is due, Unix seconds; "0" for never
	PingFreq  string `sofia:"pingfreq"` // seconds between pings
	PingMin   string `sofia:"pingmin"`
	PingCount string `sofia:"pingcount"`
	PingMax   string `sofia:"pingmax"`
	PingTime  string `sofia:"pingtime"` // the last ping's round trip
	Pinging   string `sofia:"pinging"`

	State  string `sofia:"state"`  // where the registration stands: one of the State constants
	Status string `sofia:"status"` // "UP" or "DOWN"
	Retry  string `sofia:"retry"`  // until the next attempt to register, such as "26s", or "NEVER"; "" unless it failed or tries

	UptimeUsec     int64 `sofia:"uptime-usec"` // since it registered, microseconds
	CallsIn        int64 `sofia:"calls-in"`
	CallsOut       int64 `sofia:"calls-out"`
	FailedCallsIn  int64 `sofia:"failed-calls-in"`
	FailedCallsOut int64 `sofia:"failed-calls-out"`

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
// not known to be unreachable. Status is UP after an unregistration, too.
func (g Gateway) Up() bool {
	return g.State == StateReged || g.State == StateNoReg && g.Status == StatusUp
}

// newGateways reads the gateways of a reply to `sofia xmlstatus gateway`, the
// list's or a single one's. A gateway without a name is left out.
func newGateways(see func(g *Gateway)) *elements[Gateway] {
	return newElements("gateway", func(g *Gateway, raw string) {
		if g.Raw = raw; g.Name != "" {
			see(g)
		}
	})
}

// parseGateways reads the gateways of a whole reply.
func parseGateways(reply string) (gateways []Gateway) {
	newGateways(func(g *Gateway) { gateways = append(gateways, *g) }).read(reply, true)
	return gateways
}

// gatewayReader reads the list of gateways as it comes.
type gatewayReader struct {
	gateways *elements[Gateway]
	unread   []byte
	enough   int    // from how many bytes on they are read: an element that does not end is not read again for each part
	head     string // the first part
	tail     string // the last listTail bytes
}

// listTail is more than what a list ends with.
const listTail = 64 // bytes

func (l *gatewayReader) take(part []byte) {
	if l.head == "" {
		l.head = string(part)
	}
	l.tail += string(part[max(0, len(part)-listTail):])
	l.tail = l.tail[max(0, len(l.tail)-listTail):]
	if l.unread = append(l.unread, part...); len(l.unread) >= l.enough {
		l.read(false)
	}
}

func (l *gatewayReader) read(last bool) {
	rest := l.gateways.read(string(l.unread), last)
	l.unread, l.enough = append(l.unread[:0], rest...), 2*len(rest)
}

// end reports false if the list is not whole, which must not make a gateway look
// gone.
func (l *gatewayReader) end() bool {
	l.read(true)
	return strings.Contains(l.head, "<gateways>") && endsWith(l.tail, "</gateways>")
}
