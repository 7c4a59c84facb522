package fssim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// eventSource is where in FreeSWITCH an event is made, which every event names.
type eventSource struct {
	file, function string
	line           int
}

var (
	sourceBackground    = eventSource{"mod_event_socket.c", "api_exec", 1572}
	sourceSendEvent     = eventSource{"mod_event_socket.c", "parse_command", 2275}
	sourceGatewayAdd    = eventSource{"sofia_reg.c", "sofia_reg_add_gateway", 3723}
	sourceGatewayDelete = eventSource{"sofia_reg.c", "sofia_reg_check_gateway", 343}
	sourceGatewayState  = eventSource{"sofia_reg.c", "sofia_reg_fire_custom_gateway_state_event", 156}
	sourceRegister      = eventSource{"sofia_reg.c", "sofia_reg_handle_register_token", 2059}
)

// Addresses that every event names; they are set aside for documentation.
const (
	eventIPv4 = "192.0.2.2"
	eventIPv6 = "fd00::2"
)

var errSlowReader = errors.New("the client does not read its events")

// eventNames are FreeSWITCH's own events that may be subscribed to; of those the simulation sends
// BACKGROUND_JOB and CUSTOM.
var eventNames = []string{
	"ALL", "API", "BACKGROUND_JOB", "CHANNEL_ANSWER", "CHANNEL_BRIDGE", "CHANNEL_CREATE", "CHANNEL_DESTROY",
	"CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "CHANNEL_STATE", "CUSTOM", "HEARTBEAT", "LOG", "MODULE_LOAD",
	"MODULE_UNLOAD", "PRESENCE_IN", "RELOADXML", "RE_SCHEDULE", "SHUTDOWN", "STARTUP",
}

// event is something that FreeSWITCH tells its listeners.
type event struct {
	name     string // CUSTOM if there is a subclass
	subclass string
	source   eventSource
	before   []header // between the subclass and the name, where sendevent puts a client's headers
	headers  []header
	body     string
}

// complete adds the headers that every event has, in FreeSWITCH's order. mu is held.
func (s *Switch) complete(e event) event {
	s.sequence++
	now := time.Now()
	var all []header
	if e.subclass != "" {
		all = append(all, header{"Event-Subclass", e.subclass})
	}
	all = append(all, e.before...)
	all = append(all,
		header{"Event-Name", e.name},
		header{"Core-UUID", s.coreUUID},
		header{"FreeSWITCH-Hostname", s.opts.Hostname},
		header{"FreeSWITCH-Switchname", s.opts.SwitchName},
		header{"FreeSWITCH-IPv4", eventIPv4},
		header{"FreeSWITCH-IPv6", eventIPv6},
		header{"Event-Date-Local", now.Format(time.DateTime)},
		header{"Event-Date-GMT", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")},
		header{"Event-Date-Timestamp", strconv.FormatInt(now.UnixMicro(), 10)},
		header{"Event-Calling-File", e.source.file},
		header{"Event-Calling-Function", e.source.function},
		header{"Event-Calling-Line-Number", strconv.Itoa(e.source.line)},
		header{"Event-Sequence", strconv.Itoa(s.sequence)},
	)
	all = append(all, e.headers...)
	if e.body != "" {
		all = append(all, header{"Content-Length", strconv.Itoa(len(e.body))})
	}
	e.headers = all
	return e
}

// publish sends an event to every connection that subscribed to it.
func (s *Switch) publish(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publishLocked(e)
}

func (s *Switch) publishLocked(e event) {
	e = s.complete(e)
	if s.faults.losesEvents() {
		return
	}
	s.netMu.Lock()
	defer s.netMu.Unlock()
	for c := range s.conns {
		c.queueEvent(e)
	}
}

// subscription is which events a connection gets, and how they are written.
type subscription struct {
	format     string // plain, json or xml; "" while the connection is no listener
	all        bool
	names      []string
	subclasses []string
	filters    []header // with any, only events that have one of them
}

func (s *subscription) wants(e event) bool {
	if s.format == "" {
		return false
	}
	switch {
	case s.all:
	case e.subclass != "":
		if !slices.Contains(s.subclasses, e.subclass) {
			return false
		}
	case !slices.Contains(s.names, e.name):
		return false
	}
	return len(s.filters) == 0 || slices.ContainsFunc(s.filters, func(f header) bool { return slices.Contains(e.headers, f) })
}

// subscribe takes the words after `event`. Built-in names count until CUSTOM, everything after it is a
// subclass; unknown names are passed over. It reports false if nothing was named.
func (s *subscription) subscribe(words []string) bool {
	format := "plain"
	if len(words) > 0 {
		switch w := strings.ToLower(words[0]); w {
		case "plain", "json", "xml":
			format, words = w, words[1:]
		}
	}
	custom, found := false, false
	for _, w := range words {
		upper := strings.ToUpper(w)
		switch {
		case custom:
			s.subclasses = append(s.subclasses, w)
		case !slices.Contains(eventNames, upper):
			continue
		case upper == "CUSTOM":
			custom = true
		case upper == "ALL":
			s.all = true
		default:
			s.names = append(s.names, upper)
		}
		found = true
	}
	if found {
		s.format = format
	}
	return found
}

func (s *subscription) unsubscribe(words []string) {
	custom := false
	for _, w := range words {
		upper := strings.ToUpper(w)
		switch {
		case custom:
			s.subclasses = slices.DeleteFunc(s.subclasses, func(have string) bool { return have == w })
		case upper == "CUSTOM":
			custom = true
		case upper == "ALL":
			*s = subscription{format: s.format, filters: s.filters}
		default:
			s.names = slices.DeleteFunc(s.names, func(have string) bool { return have == upper })
		}
	}
}

// listenerCommand runs the commands that concern the connection itself, and returns the reply's text.
func (c *switchConn) listenerCommand(verb, arg string) string {
	c.queueMu.Lock()
	defer c.queueMu.Unlock()
	sub := &c.subscription
	switch verb {
	case "event":
		if !sub.subscribe(strings.Fields(arg)) {
			return "-ERR no keywords supplied"
		}
		return "+OK event listener enabled " + sub.format
	case "nixevent":
		sub.unsubscribe(strings.Fields(arg))
		return "+OK events nixed"
	case "noevents":
		if sub.format == "" {
			return "-ERR not listening for events"
		}
		*sub = subscription{}
		return "+OK no longer listening for events"
	case "filter":
		name, value, ok := strings.Cut(arg, " ")
		if !ok {
			return "-ERR command not found"
		}
		sub.filters = append(sub.filters, header{name, value})
		return fmt.Sprintf("+OK filter added. [%s]=[%s]", name, value)
	case "sendmsg":
		return fmt.Sprintf("-ERR invalid session id [%s]", arg)
	case "linger":
		return "-ERR not controlling a session"
	case "log":
		return "+OK log level info [6]"
	case "nolog":
		return "-ERR not loging"
	default:
		return "-ERR command not found"
	}
}

// sendEvent publishes an event that a client made and returns its UUID.
func (s *Switch) sendEvent(name string, r request) string {
	id := uuid.NewString()
	e := event{
		name: name, source: sourceSendEvent, subclass: r.header("Event-Subclass"), body: r.body,
		before: []header{{"Command", r.line}},
	}
	for _, h := range r.headers {
		if h.name != "Event-Subclass" && h.name != "Event-Name" {
			e.before = append(e.before, h)
		}
	}
	e.before = append(e.before, header{"Event-UUID", id})
	s.publish(e)
	return id
}

// queueEvent keeps an event for the connection's goroutine to send.
func (c *switchConn) queueEvent(e event) {
	c.queueMu.Lock()
	defer c.queueMu.Unlock()
	if !c.subscription.wants(e) {
		return
	}
	if len(c.queue) >= maxQueuedEvents {
		c.lost++
	} else {
		c.queue = append(c.queue, e)
	}
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
}

// sendEvents writes what is queued; an error ends the connection.
func (c *switchConn) sendEvents() error {
	c.queueMu.Lock()
	queue, lost, format := c.queue, c.lost, c.subscription.format
	c.queue = nil
	c.queueMu.Unlock()
	if lost > maxLostEvents {
		return errSlowReader
	}
	for _, e := range queue {
		if err := c.write("%s", e.frame(format)); err != nil {
			return err
		}
	}
	return nil
}
